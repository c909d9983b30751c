# payonce_generated: the sources that the build writes itself, version.cc and licenses.cc.

set(payonce_generated_dir "${PROJECT_BINARY_DIR}/generated")

# payonce_licenses(OUT): writes the C++ source that holds the notices of every section of
# third_party/manifest.txt.
function(payonce_licenses out)
  set(manifest "${PROJECT_SOURCE_DIR}/third_party/manifest.txt")
  file(STRINGS "${manifest}" lines)
  list(APPEND lines "[end]")
  set(kind "")
  set(done "")
  set(notices "")
  set(text_names "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^\\[")
      if(kind AND NOT component IN_LIST done)
        list(APPEND done "${component}")
        payonce_notice_file(notice_file "${kind}" "${name}" "${component}")
        file(READ "${notice_file}" notice)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${notice_file}")
        string(APPEND notices
          "${component}${version}: ${licence}\n${homepage}\n\n${notice}\n"
          "------------------------------------------------------------------------------\n\n")
      endif()
      set(kind "")
      set(version "")
      if(line MATCHES "^\\[(file|tarball|debian) (.+)\\]$")
        set(kind "${CMAKE_MATCH_1}")
        set(name "${CMAKE_MATCH_2}")
      endif()
    elseif(line MATCHES "^version = (.+)$")
      set(version " ${CMAKE_MATCH_1}")
    elseif(line MATCHES "^text = (.+)$")
      list(APPEND text_names "${CMAKE_MATCH_1}")
    elseif(line MATCHES "^(component|licence|homepage) = (.+)$")
      set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    endif()
  endforeach()

  foreach(text_name IN LISTS text_names)
    file(READ "/usr/share/common-licenses/${text_name}" text)
    string(APPEND notices "/usr/share/common-licenses/${text_name}\n\n${text}\n"
      "------------------------------------------------------------------------------\n\n")
  endforeach()

  set(raw "payonce_licence")
  string(FIND "${notices}" ")${raw}\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "a licence notice contains the raw string delimiter")
  endif()
  file(WRITE "${out}.new"
    "// Written by cmake/generated.cmake from third_party/manifest.txt.\n"
    "#include \"app/licenses.h\"\n\n"
    "namespace payonce::app {\n\n"
    "std::string_view third_party_licenses() {\n"
    "  return R\"${raw}(${notices})${raw}\";\n"
    "}\n\n"
    "}  // namespace payonce::app\n")
  configure_file("${out}.new" "${out}" COPYONLY)
endfunction()

# payonce_notice_file(VARIABLE KIND NAME COMPONENT): where the notice of a manifest section is.
function(payonce_notice_file variable kind name component)
  set(committed "${PROJECT_SOURCE_DIR}/third_party/licenses/${component}.txt")
  set(packaged "/usr/share/doc/${name}/copyright")
  if(EXISTS "${committed}")
    set(${variable} "${committed}" PARENT_SCOPE)
  elseif(kind STREQUAL "debian" AND EXISTS "${packaged}")
    set(${variable} "${packaged}" PARENT_SCOPE)
  else()
    message(FATAL_ERROR "no licence notice of ${component}: neither ${committed} nor ${packaged}")
  endif()
endfunction()

payonce_licenses("${payonce_generated_dir}/licenses.cc")

# The version is looked up at every build, but version.cc is written only when it differs, so that
# a build without a new commit compiles nothing.
add_custom_target(payonce_version
  COMMAND "${CMAKE_COMMAND}"
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "-DOUT=${payonce_generated_dir}/version.cc"
    "-DVERSION=${PROJECT_VERSION}"
    "-DBUILD_TYPE=${CMAKE_BUILD_TYPE}"
    "-DSANITIZER=${PAYONCE_SANITIZER}"
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    -P "${PROJECT_SOURCE_DIR}/cmake/version.cmake"
  BYPRODUCTS "${payonce_generated_dir}/version.cc"
  COMMENT "Looking up the version"
  VERBATIM)

add_library(payonce_generated STATIC
  "${payonce_generated_dir}/licenses.cc" "${payonce_generated_dir}/version.cc")
add_dependencies(payonce_generated payonce_version)
target_include_directories(payonce_generated PUBLIC "${PROJECT_SOURCE_DIR}/src")
