# Compiler settings that hold for every target, and where fetched inputs live.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror
                    -fno-omit-frame-pointer -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports false positives of these two inside its own standard library at -O2.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized)
else()
  # What g++ does not warn of in C++ either: braces left out, and conditions joined by | to go without a branch.
  add_compile_options(-Wno-bitwise-instead-of-logical -Wno-missing-braces)
endif()

if(WEIR_SANITIZE)
  add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEIR_SANITIZE})
endif()

if(WEIR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # coverage of every room, for the targets in fuzz/
endif()

find_program(WEIR_CCACHE ccache)
if(WEIR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the tree count as relative, so that a clone in another folder finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${WEIR_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# Fetched inputs (pinned sources, tokenizers): outside the build tree, shared by all presets.
if(NOT WEIR_CACHE_DIR)
  if(DEFINED ENV{WEIR_CACHE_DIR})
    set(default_cache $ENV{WEIR_CACHE_DIR})
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(default_cache $ENV{XDG_CACHE_HOME}/weir)
  else()
    set(default_cache $ENV{HOME}/.cache/weir)
  endif()
  set(WEIR_CACHE_DIR ${default_cache} CACHE PATH "Where scripts/setup keeps what it fetched")
endif()
set(WEIR_LLAMA_SOURCE_DIR ${WEIR_CACHE_DIR}/src/llama.cpp CACHE PATH "Source tree of the pinned llama.cpp release")
