# payonce_room(NAME [DEPS ROOM...] [LIBS TARGET...])
#
# The room src/NAME as library payonce_NAME with alias payonce::NAME: static, from every .cc below
# the folder, or INTERFACE if there are headers only. Includes are written from src/ on
# ("core/payment/state.h"). A folder that does not exist makes no target, and is left out wherever
# it stands in DEPS.
function(payonce_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "DEPS;LIBS")
  set(folder "${PROJECT_SOURCE_DIR}/src/${name}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${folder}/*.cc")
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${folder}/*.h")
  list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/src/app/main.cc")
  if(NOT sources AND NOT headers)
    message(STATUS "room ${name}: no sources yet")
    return()
  endif()

  if(sources)
    set(scope PUBLIC)
    add_library(payonce_${name} STATIC ${sources})
  else()
    set(scope INTERFACE)
    add_library(payonce_${name} INTERFACE)
  endif()
  add_library(payonce::${name} ALIAS payonce_${name})
  target_include_directories(payonce_${name} ${scope} "${PROJECT_SOURCE_DIR}/src")
  foreach(dep IN LISTS room_DEPS)
    if(TARGET payonce::${dep})
      target_link_libraries(payonce_${name} ${scope} payonce::${dep})
    endif()
  endforeach()
  target_link_libraries(payonce_${name} ${scope} ${room_LIBS})
  set_property(GLOBAL APPEND PROPERTY PAYONCE_ROOMS ${name})
endfunction()

# The executable payonce, from src/app/main.cc and the room app; left at the top of the build folder.
function(payonce_executable)
  file(GLOB main CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/app/main.cc")
  if(NOT main)
    message(STATUS "src/app/main.cc: not there yet, so no executable payonce")
    return()
  endif()
  add_executable(payonce ${main})
  target_link_libraries(payonce PRIVATE payonce::app)
  if(NOT PAYONCE_SANITIZER)
    target_link_libraries(payonce PRIVATE third_party::jemalloc)
  endif()
  payonce_finish_executable(payonce)
  if(PAYONCE_STATIC)
    target_link_options(payonce PRIVATE -static)
  endif()
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # Line tables go to payonce.debug, where gdb finds them; the symbol table stays, for profiles.
    add_custom_command(TARGET payonce POST_BUILD
      COMMAND "${CMAKE_OBJCOPY}" --only-keep-debug $<TARGET_FILE:payonce> payonce.debug
      COMMAND "${CMAKE_STRIP}" --strip-debug $<TARGET_FILE:payonce>
      COMMAND "${CMAKE_OBJCOPY}" --add-gnu-debuglink=payonce.debug $<TARGET_FILE:payonce>
      WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
      COMMENT "Splitting debug information off payonce"
      VERBATIM)
  endif()
endfunction()

# The simulator without the rest of the server, for builds with planted bugs.
function(payonce_planted_executable)
  add_executable(payonce_planted "${PROJECT_SOURCE_DIR}/tests/planted/main.cc"
    "${PROJECT_SOURCE_DIR}/src/app/simulate_command.cc"
    "${PROJECT_SOURCE_DIR}/src/app/simulate_apart.cc")
  target_link_libraries(payonce_planted PRIVATE payonce::sim third_party::cli11 third_party::fmt
    third_party::rapidjson)
endfunction()
