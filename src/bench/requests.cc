#include "bench/requests.h"

namespace payonce::bench {

void append_get(std::string& out, std::string_view host, std::string_view path) {
  out.append("GET ").append(path).append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n\r\n");
}

void append_post(std::string& out, std::string_view host, std::string_view path,
                 std::string_view headers, std::string_view body) {
  out.append("POST ").append(path).append(" HTTP/1.1\r\nHost: ").append(host);
  out.append("\r\nContent-Type: application/json\r\nContent-Length: ");
  out.append(std::to_string(body.size())).append("\r\n").append(headers).append("\r\n");
  out.append(body);
}

}  // namespace payonce::bench
