# The fuzzers: tests/fuzz/NAME_fuzz.cc with the corpus tests/fuzz/corpus/NAME. docs/testing/fuzzing.md
# says what each of them promises.
#
# With PAYONCE_FUZZ each is a libFuzzer program, fuzz/NAME, and the target `fuzzers` builds them all.
# Without, each is a program that runs the files of its corpus once, as test fuzz.NAME: all of them
# in the presets without a sanitizer (libFuzzer's have theirs), and the one with threads under the
# thread sanitizer.

set(payonce_fuzzers)

# payonce_fuzzer(NAME ITEM...): an item is a library, or a file where a whole room would be far more to
# build.
function(payonce_fuzzer name)
  if(NOT PAYONCE_FUZZ AND (PAYONCE_SANITIZER STREQUAL "address" OR
     (PAYONCE_SANITIZER STREQUAL "thread" AND NOT name STREQUAL "http_connection")))
    return()
  endif()
  set(target fuzz_${name})
  add_executable(${target} "${PROJECT_SOURCE_DIR}/tests/fuzz/${name}_fuzz.cc")
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests"
    "${PROJECT_SOURCE_DIR}/src")
  foreach(item IN LISTS ARGN)
    if(TARGET ${item})
      target_link_libraries(${target} PRIVATE ${item})
    else()
      target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/${item}")
    endif()
  endforeach()
  payonce_finish_executable(${target})
  if(PAYONCE_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  else()
    target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus_main.cc")
    target_compile_options(${target} PRIVATE -O0 -U_FORTIFY_SOURCE)
    set_target_properties(${target} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
    add_test(NAME fuzz.${name}
      COMMAND ${target} "${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name}")
    math(EXPR seconds "60 * ${payonce_time_factor}")
    set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT ${seconds})
  endif()
  set(payonce_fuzzers ${payonce_fuzzers} ${target} PARENT_SCOPE)
endfunction()

if(PAYONCE_FUZZ OR DEFINED payonce_time_factor)  # with the tests, where they can be built
  payonce_fuzzer(request_json payonce::http)
  payonce_fuzzer(http_connection payonce::http third_party::http_parser)
  payonce_fuzzer(headers payonce::http third_party::http_parser src/bench/response.cc)
  payonce_fuzzer(config payonce::config)
  payonce_fuzzer(log_entry payonce::log)
  payonce_fuzzer(log_fold payonce::log)
  payonce_fuzzer(commands payonce::core tests/fuzz/saga_model.cc
    tests/fuzz/saga_model_children.cc)
  payonce_fuzzer(gateway_answer payonce::http src/adapters/answer_json.cc
    src/adapters/notification.cc)
endif()
if(PAYONCE_FUZZ)
  add_custom_target(fuzzers DEPENDS ${payonce_fuzzers})
endif()
