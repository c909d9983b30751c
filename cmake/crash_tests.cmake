# Programs of tests/crash. Included by tests.cmake.

# call_tracer and power_cut are started by tests of tests/crash; they are no tests themselves.
add_executable(call_tracer "${PROJECT_SOURCE_DIR}/tests/crash/call_tracer.cc"
  "${PROJECT_SOURCE_DIR}/tests/crash/tracee.cc")
add_executable(power_cut "${PROJECT_SOURCE_DIR}/tests/crash/power_cut.cc"
  "${PROJECT_SOURCE_DIR}/tests/crash/disk_model.cc")
target_link_libraries(power_cut PRIVATE payonce_test_support GTest::gtest)
foreach(program call_tracer power_cut)
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/tests/crash")
  payonce_finish_executable(${program})
  set_target_properties(${program} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endforeach()

# Every test starts a store thousands of times, each in a process of its own.
payonce_gtest(crash_damage crash 400 payonce_test_support
  "${PROJECT_SOURCE_DIR}/tests/crash/damage_test.cc")
