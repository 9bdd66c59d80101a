# weir_embed: files of the tree as constants of a room.
#
#   weir_embed(ROOM FUNCTION file...)
#
# Compiles into weir_ROOM a function `std::span<const weir::EmbeddedFile> weir::FUNCTION()` that gives the files in the
# order named; EmbeddedFile {path, text} is declared in the generated header "embedded_FUNCTION.h", private to the room.

function(weir_embed room function)
  if(NOT TARGET weir_${room})
    return()
  endif()
  set(dir ${CMAKE_BINARY_DIR}/embedded/${room})
  set(out ${dir}/embedded_${function}.cc)
  file(MAKE_DIRECTORY ${dir})
  list(JOIN ARGN "|" files)
  add_custom_command(OUTPUT ${out} ${dir}/embedded_${function}.h
    COMMAND ${CMAKE_COMMAND} -D "FILES=${files}" -D FUNCTION=${function} -D OUT=${dir}/embedded_${function}
            -D SOURCE=${CMAKE_SOURCE_DIR} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
  target_sources(weir_${room} PRIVATE ${out} ${dir}/embedded_${function}.h)
  target_include_directories(weir_${room} PRIVATE ${dir})
endfunction()
