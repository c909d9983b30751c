# Compile options of our own code. Included after third_party.cmake, so they do not reach it.

set(payonce_warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(PAYONCE_WERROR)
  list(APPEND payonce_warnings -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of g++ 12 inside std::string's operator+ (GCC bug 105651).
  list(APPEND payonce_warnings -Wno-restrict)
endif()
add_compile_options(${payonce_warnings})

# Several files as one compile much faster: all in the presets with a sanitizer, the tests in the
# release as well. Their names are not apart any more and the compiler cannot tell a header's names from
# a source's; the debug preset, and for src/ the release, see to both.
set(payonce_unity_options -Wno-shadow -Wno-subobject-linkage)
if(CMAKE_UNITY_BUILD)
  add_compile_options(${payonce_unity_options})
endif()

# __FILE__ is relative to the source tree; in the release, paths in debug information are too, so
# that two checkouts give the same binary.
add_compile_options("-f$<IF:$<CONFIG:Release>,file,macro>-prefix-map=${PROJECT_SOURCE_DIR}/=")

# Frame pointers cost about one percent and make every profile and crash trace readable.
add_compile_options(-fno-omit-frame-pointer)

add_compile_options(
  "$<$<CONFIG:Release>:-mno-omit-leaf-frame-pointer;-fstack-protector-strong>"
  "$<$<CONFIG:Release>:-ffunction-sections;-fdata-sections>")
add_link_options("$<$<CONFIG:Release>:-Wl,--gc-sections>")
add_compile_definitions("$<$<CONFIG:Release>:_FORTIFY_SOURCE=2>"
  "$<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>")

if(PAYONCE_PLANTED_BUGS)
  add_compile_definitions(PAYONCE_PLANTED_BUGS)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # The fuzzers' compiler. clang 16 implements all of C++20's concepts that <expected> asks for but
  # does not say so in the feature macro, and it does not define the sanitizers' macros of g++.
  add_compile_options(-Wno-unknown-warning-option -Wno-builtin-macro-redefined
    $<$<COMPILE_LANGUAGE:CXX>:-U__cpp_concepts> $<$<COMPILE_LANGUAGE:CXX>:-D__cpp_concepts=202002L>)
  if(PAYONCE_SANITIZER STREQUAL "address")
    add_compile_definitions(__SANITIZE_ADDRESS__=1)
  endif()
endif()

if(PAYONCE_SANITIZER STREQUAL "address")
  set(payonce_sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(PAYONCE_SANITIZER STREQUAL "thread")
  set(payonce_sanitize -fsanitize=thread)
elseif(PAYONCE_SANITIZER)
  message(FATAL_ERROR "PAYONCE_SANITIZER: '${PAYONCE_SANITIZER}' is not one of address, thread")
endif()
if(PAYONCE_SANITIZER)
  # The instrumentation makes these two warn about correct code: -Wtsan says only that fences are
  # not modelled, which cmake/sanitizer_defaults.cc deals with.
  add_compile_options(${payonce_sanitize} -O1 -Wno-maybe-uninitialized -Wno-tsan)
  add_link_options(${payonce_sanitize})
  add_library(payonce_sanitizer_defaults OBJECT
    "${PROJECT_SOURCE_DIR}/cmake/sanitizer_defaults.cc")
endif()

if(PAYONCE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link
    "-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/fuzz_ignore.txt")
endif()

# payonce_finish_executable(TARGET): what every executable of ours gets.
function(payonce_finish_executable target)
  if(TARGET payonce_sanitizer_defaults)
    target_link_libraries(${target} PRIVATE payonce_sanitizer_defaults)
  endif()
endfunction()
