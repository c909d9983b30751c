// http/request_framing.h: where a request's body ends, by its headers.
//
// RFC 9112 section 6.3: that must be beyond doubt, or two readers of one connection could see
// different requests. Private to the server, since it includes httplib.h. A pure function.
#pragma once

#include <httplib.h>

#include <cstdint>

namespace payonce::http {

struct RequestFraming {
  const char* fault = nullptr;  // why the request is refused, if it is
  bool chunked = false;
  bool has_length = false;
  std::uint64_t length = 0;  // of a body that is not chunked
  bool closes = false;       // the client wants no further answer on this connection

  [[nodiscard]] bool has_body() const { return chunked || length > 0; }
};

[[nodiscard]] RequestFraming framing_of(const httplib::Request& request);

}  // namespace payonce::http
