# Run by weir_embed: writes ${OUT}.h and ${OUT}.cc from FILES (separated by |).
string(REPLACE "|" ";" files "${FILES}")
set(header "#pragma once\n#include <span>\n#include <string_view>\n\nnamespace weir {\n
#ifndef WEIR_EMBEDDED_FILE\n#define WEIR_EMBEDDED_FILE\nstruct EmbeddedFile {
  std::string_view path;  // inside the tree\n  std::string_view text;\n};\n#endif\n
std::span<const EmbeddedFile> ${FUNCTION}();\n\n}  // namespace weir\n")
set(entries "")
foreach(file IN LISTS files)
  file(READ "${file}" text)
  string(FIND "${text}" ")WEIR_FILE\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${file} holds the end mark of an embedded file")
  endif()
  file(RELATIVE_PATH path "${SOURCE}" "${file}")
  string(APPEND entries "    {\"${path}\", R\"WEIR_FILE(${text})WEIR_FILE\"},\n")
endforeach()
file(WRITE "${OUT}.h" "${header}")
get_filename_component(name "${OUT}" NAME)
file(WRITE "${OUT}.cc" "#include \"${name}.h\"\n\nnamespace weir {\n
std::span<const EmbeddedFile> ${FUNCTION}() {\n  static constexpr EmbeddedFile kFiles[] = {\n${entries}  };
  return kFiles;\n}\n\n}  // namespace weir\n")
