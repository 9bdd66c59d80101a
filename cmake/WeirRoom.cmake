# weir_room: the one way to declare a room (a folder under src/).
#
#   weir_room(NAME FLOOR n [USES room...] [HIDES target...])
#
# NAME   the folder; becomes the static library weir_NAME with include root src/NAME/include.
# FLOOR  a room may use rooms on lower floors only; anything else stops the configuration.
# USES   every room whose headers this one compiles. Include paths do not travel: a header of an undeclared room
#        is not found, even if a declared room uses it.
# HIDES  third-party libraries. Their headers stay inside this room (tests/style checks it).
#
# Fakes for the tests of this room and of those that use it lie in src/NAME/testing, included by file name alone.
# Sources are src/NAME/*.cc; *_test.cc become the one test binary weir_NAME_test. Every public header is compiled alone.
# A file matching *_avx2.cc, *_avx512.cc and so on needs no flags: code that needs an instruction set uses target
# attributes and is chosen at run time.

set_property(GLOBAL PROPERTY WEIR_ROOMS "")

function(weir_room name)
  cmake_parse_arguments(ROOM "" "FLOOR" "USES;HIDES" ${ARGN})
  if(NOT DEFINED ROOM_FLOOR OR ROOM_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "weir_room(${name}): needs FLOOR, and takes USES and HIDES only (got: ${ROOM_UNPARSED_ARGUMENTS})")
  endif()
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/include/weir/${name}/*.h)
  list(REMOVE_ITEM sources ${tests} "")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    message(FATAL_ERROR "weir_room(${name}): no sources in ${dir}")
  endif()

  foreach(used IN LISTS ROOM_USES)
    get_property(used_floor GLOBAL PROPERTY WEIR_FLOOR_${used})
    if(used_floor STREQUAL "")
      message(FATAL_ERROR "weir_room(${name}): uses '${used}', which is not declared (rooms are declared from the lowest floor up)")
    elseif(NOT used_floor LESS ROOM_FLOOR)
      message(FATAL_ERROR "weir_room(${name}): floor ${ROOM_FLOOR} may not use '${used}' on floor ${used_floor}")
    endif()
  endforeach()
  list(TRANSFORM ROOM_USES PREPEND weir_ OUTPUT_VARIABLE used_targets)

  add_library(weir_${name} STATIC ${sources})
  target_include_directories(weir_${name} PUBLIC ${dir}/include PRIVATE ${dir})
  # PRIVATE on purpose: it links transitively but hands no include path on.
  target_link_libraries(weir_${name} PRIVATE ${used_targets} ${ROOM_HIDES})

  set(alone "")
  foreach(header IN LISTS headers)
    get_filename_component(stem ${header} NAME_WE)
    set(unit ${CMAKE_BINARY_DIR}/headers/${name}/${stem}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"weir/${name}/${stem}.h\"  // compiles alone\n" @ONLY)
    list(APPEND alone ${unit})
  endforeach()
  if(alone)
    add_library(weir_${name}_headers OBJECT ${alone})
    target_include_directories(weir_${name}_headers PRIVATE ${dir}/include)
    target_link_libraries(weir_${name}_headers PRIVATE ${used_targets})
  endif()

  if(WEIR_TESTS AND tests)
    add_executable(weir_${name}_test ${tests})
    target_include_directories(weir_${name}_test PRIVATE ${dir})
    foreach(room IN ITEMS ${name} ${ROOM_USES})
      if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/src/${room}/testing)
        target_include_directories(weir_${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/src/${room}/testing)
      endif()
    endforeach()
    target_link_libraries(weir_${name}_test PRIVATE weir_${name} ${used_targets} ${ROOM_HIDES}
                          GTest::gmock GTest::gtest_main rapidcheck)
    gtest_discover_tests(weir_${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${name} TIMEOUT 600)
  endif()

  set_property(GLOBAL PROPERTY WEIR_FLOOR_${name} ${ROOM_FLOOR})
  set_property(GLOBAL APPEND PROPERTY WEIR_ROOMS ${name})
  list(JOIN ROOM_USES " " uses_text)
  list(JOIN ROOM_HIDES " " hides_text)
  set_property(GLOBAL APPEND_STRING PROPERTY WEIR_ROOM_TABLE "${name}\t${ROOM_FLOOR}\t${uses_text}\t${hides_text}\n")
endfunction()

# Writes rooms.tsv (name, floor, uses, hides) into the build folder: what the style test and docs/architecture.md read.
function(weir_write_rooms)
  get_property(table GLOBAL PROPERTY WEIR_ROOM_TABLE)
  file(WRITE ${CMAKE_BINARY_DIR}/rooms.tsv "${table}")
endfunction()
