# weir_llama: the inference engine of the pinned llama.cpp release as static libraries, for the room `model` alone.
#
# Nothing is built until a target needs it. WEIR_GPU adds one family of accelerators; without it no GPU library is asked
# for. The processor's code is compiled once per level of instruction set and chosen at run time (cmake/llama).

set(WEIR_GPU "" CACHE STRING "Accelerator that llama.cpp is built for beside the CPU: cuda, hip, vulkan, or empty")
set_property(CACHE WEIR_GPU PROPERTY STRINGS "" cuda hip vulkan)
if(NOT WEIR_GPU MATCHES "^(cuda|hip|vulkan|)$")
  message(FATAL_ERROR "WEIR_GPU is '${WEIR_GPU}'; it takes cuda, hip, vulkan, or nothing")
endif()
if(NOT EXISTS ${WEIR_LLAMA_SOURCE_DIR}/include/llama.h)
  message(FATAL_ERROR "llama.cpp's source is not in ${WEIR_LLAMA_SOURCE_DIR}: run scripts/setup, or point WEIR_LLAMA_SOURCE_DIR to it")
endif()

add_subdirectory(${CMAKE_SOURCE_DIR}/cmake/llama ${CMAKE_BINARY_DIR}/llama EXCLUDE_FROM_ALL SYSTEM)
