#include "http/request_framing.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>

#include "http/headers.h"

namespace payonce::http {
namespace {

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Digits as a number; one that is too large is larger than every limit.
std::uint64_t to_length(std::string_view digits) {
  std::uint64_t length = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  return code == std::errc() ? length : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

// One way through the few headers there are is quicker than to look each of them up.
RequestFraming framing_of(const httplib::Request& request) {
  RequestFraming framing;
  int codings = 0;
  int lengths = 0;
  int hosts = 0;
  bool plain = true;
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "Transfer-Encoding")) {
      ++codings;
      plain = plain && equal_ignoring_case(value, "chunked");
    } else if (equal_ignoring_case(name, "Content-Length")) {
      ++lengths;
      plain = plain && is_number(value);
      framing.length = to_length(value);
    } else if (equal_ignoring_case(name, "Host")) {
      ++hosts;
    } else if (equal_ignoring_case(name, "Connection")) {
      framing.closes = framing.closes || lists_token(value, "close");
    }
  }
  framing.chunked = codings > 0;
  framing.has_length = lengths > 0;
  const bool old = request.version == "HTTP/1.0";
  if (!plain || codings + lengths > 1 || (framing.chunked && old)) {
    framing.fault = "the length of the body is given in no way, or in more than one";
  } else if (hosts > 1 || (hosts == 0 && !old)) {  // RFC 9112 section 3.2
    framing.fault = "there must be one Host header";
  }
  return framing;
}

}  // namespace payonce::http
