// bench/requests.h: the text of requests, as it goes over the wire. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace payonce::bench {

// Every payment is one unit of the server's currency, whatever that is.
inline constexpr std::string_view kAmount = "1";
inline constexpr std::string_view kOpeningBalance = "1000000000";
inline constexpr std::int64_t kOpeningUnits = 1'000'000'000;

void append_get(std::string& out, std::string_view host, std::string_view path);
// `headers` are whole lines, each with its line end.
void append_post(std::string& out, std::string_view host, std::string_view path,
                 std::string_view headers, std::string_view body);

}  // namespace payonce::bench
