# weir_jinja: the Jinja engine of the pinned llama.cpp release, compiled on its own as a static library.
#
# Only common/jinja and the two files it needs; not the inference engine. The include roots are `common` and `vendor`:
# common/jinja itself must not be one, its string.h would shadow the system's. The one symbol those files expect from
# ggml, ggml_abort, is renamed here and defined by whoever uses the library, so that a real ggml can be linked beside it.

set(llama ${WEIR_LLAMA_SOURCE_DIR})
if(NOT EXISTS ${llama}/common/jinja/runtime.h)
  message(FATAL_ERROR "llama.cpp's source is not in ${llama}: run scripts/setup, or point WEIR_LLAMA_SOURCE_DIR to it")
endif()

add_library(weir_jinja STATIC
  ${llama}/common/jinja/lexer.cpp ${llama}/common/jinja/parser.cpp ${llama}/common/jinja/runtime.cpp
  ${llama}/common/jinja/string.cpp ${llama}/common/jinja/value.cpp
  ${llama}/common/json.cpp ${llama}/common/unicode.cpp)
target_include_directories(weir_jinja SYSTEM PUBLIC ${llama}/common ${llama}/vendor PRIVATE ${llama}/ggml/include)
target_compile_definitions(weir_jinja PRIVATE ggml_abort=weir_jinja_abort)
target_compile_options(weir_jinja PRIVATE -w)
