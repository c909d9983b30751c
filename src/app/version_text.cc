#include "app/version_text.h"

#include "app/version.h"
#include "http/json_writer.h"

namespace payonce::app {

std::string version_json() {
  const BuildInfo& build = build_info();
  http::JsonWriter json;
  json.begin_object();
  json.member("name", "payonce");
  json.member("version", build.version);
  json.member("revision", build.git_revision);
  json.member("build", build.build_type);
  json.member("compiler", build.compiler);
  json.end_object();
  return json.take();
}

std::string version_line() {
  const BuildInfo& build = build_info();
  return std::string("payonce ")
      .append(build.version)
      .append(" (")
      .append(build.git_revision)
      .append(", ")
      .append(build.build_type)
      .append(", ")
      .append(build.compiler)
      .append(")");
}

}  // namespace payonce::app
