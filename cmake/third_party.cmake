# Third-party code as targets third_party::NAME, their headers always as SYSTEM includes.
#
# httplib, simdjson, curl and others are fetched (third_party/fetch.sh), everything else comes from Debian
# packages (scripts/deps.sh). Libraries are the static ones, so that the release binary can be
# linked with -static.

set(PAYONCE_THIRD_PARTY_DIR "${PROJECT_SOURCE_DIR}/build/third_party")

execute_process(
  COMMAND "${PROJECT_SOURCE_DIR}/third_party/fetch.sh" "${PAYONCE_THIRD_PARTY_DIR}"
  RESULT_VARIABLE payonce_fetch_result)
if(NOT payonce_fetch_result EQUAL 0)
  message(FATAL_ERROR "third_party/fetch.sh failed: see its message above")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/third_party/manifest.txt" "${PROJECT_SOURCE_DIR}/third_party/fetch.sh")

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# payonce_header_only(NAME HEADER [DEFINITION...]): a header-only library in the system's include
# path.
function(payonce_header_only name header)
  find_path(payonce_${name}_include "${header}" NO_CACHE)
  if(NOT payonce_${name}_include)
    message(FATAL_ERROR "${header} not found: run scripts/deps.sh, or install its -dev package")
  endif()
  add_library(third_party_${name} INTERFACE)
  add_library(third_party::${name} ALIAS third_party_${name})
  if(NOT payonce_${name}_include STREQUAL "/usr/include")
    target_include_directories(third_party_${name} SYSTEM INTERFACE "${payonce_${name}_include}")
  endif()
  target_compile_definitions(third_party_${name} INTERFACE ${ARGN})
endfunction()

# payonce_static_archive(NAME ARCHIVE HEADER)
function(payonce_static_archive name archive header)
  payonce_header_only(${name} "${header}")
  find_library(payonce_${name}_archive "${archive}" NO_CACHE)
  if(NOT payonce_${name}_archive)
    message(FATAL_ERROR "${archive} not found: run scripts/deps.sh, or install its -dev package")
  endif()
  target_link_libraries(third_party_${name} INTERFACE "${payonce_${name}_archive}")
endfunction()

payonce_header_only(concurrentqueue "concurrentqueue/concurrentqueue.h")
payonce_header_only(tomlplusplus "toml++/toml.h")
payonce_header_only(cli11 "CLI/CLI.hpp")
payonce_header_only(rapidjson "rapidjson/document.h" RAPIDJSON_HAS_STDSTRING=1)
payonce_header_only(xxhash "xxhash.h" XXH_INLINE_ALL)
payonce_header_only(fmt "fmt/format.h" FMT_HEADER_ONLY)
payonce_header_only(spdlog "spdlog/spdlog.h" SPDLOG_FMT_EXTERNAL)
target_link_libraries(third_party_spdlog INTERFACE third_party::fmt Threads::Threads)

# Its context switch is an archive in assembly; the headers are those of all of Boost.
payonce_static_archive(boost_context libboost_context.a "boost/context/fiber.hpp")
# Takes the place of the C library's allocator where it is linked; nothing includes its header.
payonce_static_archive(jemalloc libjemalloc.a "jemalloc/jemalloc.h")
target_link_libraries(third_party_jemalloc INTERFACE ${CMAKE_DL_LIBS} Threads::Threads)
payonce_static_archive(lmdb liblmdb.a "lmdb.h")
target_link_libraries(third_party_lmdb INTERFACE Threads::Threads)
payonce_static_archive(http_parser libhttp_parser.a "http_parser.h")
payonce_static_archive(crypto libcrypto.a "openssl/evp.h")
target_link_libraries(third_party_crypto INTERFACE ${CMAKE_DL_LIBS} Threads::Threads)
payonce_static_archive(ssl libssl.a "openssl/ssl.h")
target_link_libraries(third_party_ssl INTERFACE third_party::crypto)

# The limits of cpp-httplib that exist only at compile time. They stand here, not in a source file,
# because every translation unit has to see the same ones. All limits that can be set on a Server or
# Client object are set there, by the code that owns the object.
add_library(third_party_httplib INTERFACE)
add_library(third_party::httplib ALIAS third_party_httplib)
target_include_directories(third_party_httplib SYSTEM INTERFACE
  "${PAYONCE_THIRD_PARTY_DIR}/cpp-httplib")
target_compile_definitions(third_party_httplib INTERFACE
  CPPHTTPLIB_REQUEST_URI_MAX_LENGTH=8192
  CPPHTTPLIB_HEADER_MAX_LENGTH=8192
  CPPHTTPLIB_HEADER_MAX_COUNT=100
  CPPHTTPLIB_MAX_LINE_LENGTH=16384
  CPPHTTPLIB_RANGE_MAX_COUNT=16
  CPPHTTPLIB_MULTIPART_FORM_DATA_FILE_MAX_COUNT=16
  CPPHTTPLIB_FORM_URL_ENCODED_PAYLOAD_MAX_LENGTH=8192
  CPPHTTPLIB_LISTEN_BACKLOG=1024)
target_link_libraries(third_party_httplib INTERFACE Threads::Threads)

# Always optimised, in the debug and sanitizer builds too: parsing is the hot path of every test.
add_library(third_party_simdjson STATIC "${PAYONCE_THIRD_PARTY_DIR}/simdjson/simdjson.cpp")
add_library(third_party::simdjson ALIAS third_party_simdjson)
target_include_directories(third_party_simdjson SYSTEM PUBLIC
  "${PAYONCE_THIRD_PARTY_DIR}/simdjson")
target_compile_options(third_party_simdjson PRIVATE -w -O2)
# Follows from NDEBUG and the optimisation level unless it is set; the library and its users must
# agree.
target_compile_definitions(third_party_simdjson PUBLIC
  SIMDJSON_DEVELOPMENT_CHECKS=$<IF:$<CONFIG:Release>,0,1>)
target_link_libraries(third_party_simdjson PUBLIC Threads::Threads)

# libcurl, built from source by its own CMake project: Debian's archive of it wants libraries that
# exist as shared ones only. HTTP and SMTP, both with TLS by OpenSSL, and nothing else.
# In a function, so that the settings are this project's only; they are not written to the cache.
set(payonce_curl_version 8.14.1)  # as third_party/manifest.txt has it
function(payonce_curl)
  if(CCACHE_PROGRAM AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
  endif()
  # Always optimised and never instrumented, like simdjson.
  set(CMAKE_C_FLAGS "-w -O2 -fno-omit-frame-pointer -fstack-protector-strong -D_FORTIFY_SOURCE=2")
  string(APPEND CMAKE_C_FLAGS " -ffunction-sections -fdata-sections")
  set(CMAKE_C_FLAGS_RELEASE "-g1 -DNDEBUG -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=")
  set(CMAKE_C_FLAGS_DEBUG "-g -DNDEBUG")
  foreach(off
      # Things to build.
      BUILD_CURL_EXE BUILD_SHARED_LIBS BUILD_TESTING BUILD_EXAMPLES BUILD_LIBCURL_DOCS
      BUILD_MISC_DOCS ENABLE_CURL_MANUAL CURL_ENABLE_EXPORT_TARGET PICKY_COMPILER
      # Libraries.
      CURL_USE_PKGCONFIG CURL_USE_LIBPSL CURL_USE_LIBSSH2 CURL_USE_GSSAPI USE_LIBIDN2 USE_NGHTTP2
      USE_LIBRTMP CURL_ZLIB CURL_BROTLI CURL_ZSTD ENABLE_UNIX_SOCKETS)
    set(${off} OFF)
  endforeach()
  foreach(disabled  # not DIGEST_AUTH: SMTP does not link without it
      ALTSVC SRP COOKIES KERBEROS_AUTH NEGOTIATE_AUTH AWS DICT DOH FILE FTP GOPHER HSTS
      IMAP INSTALL IPFS LDAP LDAPS MIME MQTT NETRC NTLM POP3 PROXY RTSP SMB TELNET TFTP WEBSOCKETS)
    set(CURL_DISABLE_${disabled} ON)
  endforeach()
  set(BUILD_STATIC_LIBS ON)
  set(CURL_ENABLE_SSL ON)
  set(CURL_USE_OPENSSL ON)
  set(OPENSSL_USE_STATIC_LIBS ON)
  set(CURL_CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt")
  set(CURL_CA_PATH none)
  set(CMAKE_POLICY_DEFAULT_CMP0126 NEW)  # its set(... CACHE ...) leaves the settings above alone
  message(STATUS "curl ${payonce_curl_version}: a first configuration takes some seconds")
  set(CMAKE_MESSAGE_LOG_LEVEL WARNING)
  add_subdirectory("${PAYONCE_THIRD_PARTY_DIR}/curl-${payonce_curl_version}"
    "${PROJECT_BINARY_DIR}/curl" EXCLUDE_FROM_ALL SYSTEM)
endfunction()

if(NOT PAYONCE_FUZZ)  # no fuzzer calls anybody
  payonce_curl()
endif()
add_library(third_party_curl INTERFACE)
add_library(third_party::curl ALIAS third_party_curl)
target_include_directories(third_party_curl SYSTEM INTERFACE
  "${PAYONCE_THIRD_PARTY_DIR}/curl-${payonce_curl_version}/include")
target_link_libraries(third_party_curl INTERFACE libcurl_static third_party::ssl)

# prometheus-cpp, of which only the data model and the text format are used: its core without the
# pull and push clients.
set(payonce_prometheus "${PAYONCE_THIRD_PARTY_DIR}/prometheus-cpp-1.0.2/core")
set(payonce_prometheus_generated "${PROJECT_BINARY_DIR}/prometheus")
file(WRITE "${payonce_prometheus_generated}/prometheus/detail/core_export.h"
  "#pragma once\n#define PROMETHEUS_CPP_CORE_EXPORT\n")
add_library(third_party_prometheus STATIC
  "${payonce_prometheus}/src/text_serializer.cc" "${payonce_prometheus}/src/serializer.cc")
add_library(third_party::prometheus ALIAS third_party_prometheus)
target_include_directories(third_party_prometheus SYSTEM PUBLIC
  "${payonce_prometheus}/include" "${payonce_prometheus_generated}")
target_compile_options(third_party_prometheus PRIVATE -w -O2)

# HdrHistogram in C: the copy inside redis, which has its memory come from macros of its user.
enable_language(C)
add_library(third_party_hdr_histogram STATIC
  "${PAYONCE_THIRD_PARTY_DIR}/HdrHistogram_c/hdr_histogram.c")
add_library(third_party::hdr_histogram ALIAS third_party_hdr_histogram)
target_include_directories(third_party_hdr_histogram SYSTEM PUBLIC
  "${PAYONCE_THIRD_PARTY_DIR}/HdrHistogram_c")
target_compile_definitions(third_party_hdr_histogram PRIVATE
  "HDR_MALLOC_INCLUDE=<stdlib.h>" hdr_malloc=malloc hdr_calloc=calloc hdr_realloc=realloc
  hdr_free=free)
target_compile_options(third_party_hdr_histogram PRIVATE -w -O2)
