# cmake -P script: writes OUT, the definition of payonce::app::build_info(), if it would differ.
# Takes SOURCE_DIR, OUT, VERSION, BUILD_TYPE, SANITIZER, COMPILER.

# safe.directory: a checkout that belongs to another user is no danger to a describe.
execute_process(
  COMMAND git --no-optional-locks -c "safe.directory=*" describe --always --dirty --abbrev=12
  WORKING_DIRECTORY "${SOURCE_DIR}"
  OUTPUT_VARIABLE revision
  OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_QUIET
  RESULT_VARIABLE result)
if(NOT result EQUAL 0 OR revision STREQUAL "")
  set(revision "unknown")
endif()
string(TOLOWER "${BUILD_TYPE}" build_type)
if(SANITIZER)
  string(APPEND build_type "+${SANITIZER}")
endif()

set(content "// Written by cmake/version.cmake.
#include \"app/version.h\"

namespace payonce::app {

const BuildInfo& build_info() {
  static constexpr BuildInfo kInfo{
      .version = \"${VERSION}\",
      .git_revision = \"${revision}\",
      .build_type = \"${build_type}\",
      .compiler = \"${COMPILER}\",
  };
  return kInfo;
}

}  // namespace payonce::app
")

set(old "")
if(EXISTS "${OUT}")
  file(READ "${OUT}" old)
endif()
if(NOT old STREQUAL content)
  file(WRITE "${OUT}" "${content}")
endif()
