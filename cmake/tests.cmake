# All tests, by label:
#   unit      tests/unit/ROOM/*_test.cc, one executable unit_ROOM for each room
#   contract  tests/contract/*_test.cc, one executable
#   api       tests/api/test_*.py, black box against the payonce of this build
#   crash     tests/crash/test_*.py, likewise
#   perf      instructions per payment against those on record (perf/micro)
#   tidy      tests/tidy, the rules about the source itself
#   fuzz      the corpus of each fuzzer, once (fuzz.cmake)
# Every test has a time-out, doubled under a sanitizer.

find_package(GTest QUIET)
find_package(Python3 QUIET COMPONENTS Interpreter)
find_package(rapidcheck QUIET)
if(NOT GTest_FOUND OR NOT Python3_FOUND OR NOT rapidcheck_FOUND)
  # scripts/build.sh installs none of them; scripts/test.sh does, and refuses to run no tests.
  message(STATUS "the tests are left out: GoogleTest, rapidcheck or Python 3 not found")
  return()
endif()
include(GoogleTest)

set(payonce_time_factor 1)
if(PAYONCE_SANITIZER)
  set(payonce_time_factor 2)
endif()
# The code under test is checked for undefined behaviour, its tests are not: that would double the
# time they take to compile.
set(payonce_sanitize_tests)
if(PAYONCE_SANITIZER STREQUAL "address")
  set(payonce_sanitize_tests -fno-sanitize=undefined)
endif()

# Code that several test executables share, if there is any. It may use every room.
file(GLOB support_sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/tests/support/*.cc" "${PROJECT_SOURCE_DIR}/tests/sim/*.cc")
list(FILTER support_sources EXCLUDE REGEX "_test\\.cc$")
get_property(payonce_rooms GLOBAL PROPERTY PAYONCE_ROOMS)
if(support_sources)
  add_library(payonce_test_support STATIC ${support_sources})
  set(support_scope PUBLIC)
else()
  add_library(payonce_test_support INTERFACE)
  set(support_scope INTERFACE)
endif()
target_include_directories(payonce_test_support ${support_scope} "${PROJECT_SOURCE_DIR}/tests")
foreach(room IN LISTS payonce_rooms)
  target_link_libraries(payonce_test_support ${support_scope} payonce::${room})
endforeach()

# payonce_gtest(TARGET LABEL TIMEOUT LIBS SOURCE...)
function(payonce_gtest target label timeout libs)
  add_executable(${target} ${ARGN})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
    "${PROJECT_SOURCE_DIR}/src")
  target_compile_definitions(${target} PRIVATE PAYONCE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${libs} GTest::gmock GTest::gtest GTest::gtest_main
    rapidcheck)
  # What is under test is built as it is released; the tests themselves need not be fast, and
  # compile in half the time.
  target_compile_options(${target} PRIVATE -O0 -U_FORTIFY_SOURCE ${payonce_sanitize_tests})
  if(PAYONCE_UNITY_TESTS)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON)
    target_compile_options(${target} PRIVATE ${payonce_unity_options})
  endif()
  payonce_finish_executable(${target})
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  math(EXPR seconds "${timeout} * ${payonce_time_factor}")
  gtest_discover_tests(${target}
    TEST_PREFIX "${target}."
    DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${label}" TIMEOUT ${seconds})
endfunction()

# Rooms without a thread or an atomic have nothing to show to the thread sanitizer.
set(payonce_left_out)
if(PAYONCE_SANITIZER STREQUAL "thread")
  set(payonce_left_out base config core sim webhook)
endif()

foreach(room IN LISTS payonce_rooms)
  if(room IN_LIST payonce_left_out)
    continue()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    "${PROJECT_SOURCE_DIR}/tests/unit/${room}/*_test.cc")
  if(sources)
    # A room's unit test links the room and what is below it, so that it proves the room's own
    # list of dependencies too; only a room above the core gets the shared test code.
    set(libs payonce::${room})
    if(NOT room MATCHES "^(base|core)$")
      list(APPEND libs payonce_test_support)
    endif()
    payonce_gtest(unit_${room} unit 200 "${libs}" ${sources})
  endif()
endforeach()

file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/contract/*_test.cc")
if(sources)
  payonce_gtest(contract contract 200 payonce_test_support ${sources})
endif()

# payonce_python_test(NAME LABEL TIMEOUT FOLDER ARGUMENT...): `python3 ARGUMENT...` in tests/FOLDER.
function(payonce_python_test name label timeout folder)
  math(EXPR seconds "${timeout} * ${payonce_time_factor}")
  add_test(NAME ${name} COMMAND Python3::Interpreter ${ARGN}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}/tests/${folder}")
  set(environment
    PYTHONDONTWRITEBYTECODE=1
    PYTHONUNBUFFERED=1
    "PAYONCE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "PAYONCE_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "PAYONCE_SANITIZER=${PAYONCE_SANITIZER}")
  if(TARGET payonce)
    list(APPEND environment "PAYONCE_BIN=$<TARGET_FILE:payonce>")
  endif()
  # unittest is content with a file that holds no test; we are not.
  set_tests_properties(${name} PROPERTIES
    LABELS "${label}" TIMEOUT ${seconds} ENVIRONMENT "${environment}"
    FAIL_REGULAR_EXPRESSION "Ran 0 tests")
endfunction()

include(crash_tests)
foreach(kind api crash)
  file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/test_*.py")
  if(NOT TARGET payonce)
    continue()
  endif()
  foreach(script IN LISTS scripts)
    cmake_path(GET script STEM module)
    string(REGEX REPLACE "^test_" "" name "${module}")
    if(kind STREQUAL "crash")
      payonce_python_test(${kind}.${name} ${kind} 400 ${kind} -m unittest -v ${module})
      # It times kills under load: nothing else should run beside it.
      set_tests_properties(${kind}.${name} PROPERTIES RUN_SERIAL ON)
    else()
      payonce_python_test(${kind}.${name} ${kind} 300 ${kind} -m unittest -v ${module})
    endif()
  endforeach()
endforeach()

# Instruction counts are those of the release build.
if(TARGET core_instructions AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT PAYONCE_SANITIZER)
  payonce_python_test(perf.instructions perf 300 .
    "${PROJECT_SOURCE_DIR}/perf/micro/instructions.py" $<TARGET_FILE:core_instructions>)
endif()

payonce_python_test(perf.plot perf 60 perf -m unittest -v test_plot)
payonce_python_test(perf.probe perf 60 perf -m unittest -v test_probe)
payonce_python_test(tidy.layers tidy 60 tidy layers.py)
payonce_python_test(tidy.banned tidy 60 tidy banned.py)
payonce_python_test(tidy.selftest tidy 120 tidy -m unittest -v selftest)
# What the linker sees: only meaningful where no sanitizer adds symbols of its own.
if(NOT PAYONCE_SANITIZER AND "core" IN_LIST payonce_rooms)
  get_target_property(core_type payonce_core TYPE)
  if(core_type STREQUAL "STATIC_LIBRARY")
    payonce_python_test(tidy.symbols tidy 60 tidy symbols.py $<TARGET_FILE:payonce_core>)
  endif()
endif()
if(PAYONCE_STATIC AND TARGET payonce)
  payonce_python_test(tidy.static tidy 60 tidy static_test.py $<TARGET_FILE:payonce>)
endif()
