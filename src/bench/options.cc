#include "bench/options.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace payonce::bench {
namespace {

struct Named {
  Scenario scenario;
  std::string_view name;
};

constexpr std::array kNames{
    Named{Scenario::kAccept, "accept"},
    Named{Scenario::kComplete, "complete"},
    Named{Scenario::kDuplicates, "duplicates"},
    Named{Scenario::kMixed, "mixed"},
    Named{Scenario::kHotAccount, "hot-account"},
    Named{Scenario::kHotKey, "hot-key"},
    Named{Scenario::kBatch, "batch"},
};

constexpr std::uint64_t kRateMax = 1'000'000;
constexpr std::size_t kRatesMax = 16;

}  // namespace

std::string_view name(Scenario scenario) {
  for (const Named& named : kNames) {
    if (named.scenario == scenario) {
      return named.name;
    }
  }
  return {};
}

std::optional<Scenario> find_scenario(std::string_view word) {
  for (const Named& named : kNames) {
    if (named.name == word) {
      return named.scenario;
    }
  }
  return std::nullopt;
}

std::string scenario_names() {
  std::string names;
  for (const Named& named : kNames) {
    names.append(names.empty() ? "" : ", ").append(named.name);
  }
  return names;
}

Result<config::Endpoint> parse_url(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  std::string_view address = text;
  if (address.starts_with(kScheme)) {
    address.remove_prefix(kScheme.size());
  }
  if (address.ends_with('/')) {
    address.remove_suffix(1);
  }
  auto endpoint = config::parse_endpoint(address);
  if (!endpoint) {
    return fail(Errc::kInvalid, "--url " + std::string(text) + ": " + endpoint.error());
  }
  if (endpoint->port == 0) {
    return fail(Errc::kInvalid, "--url " + std::string(text) + ": the port may not be 0");
  }
  return *endpoint;
}

Result<std::vector<std::uint64_t>> parse_rates(std::string_view text) {
  std::vector<std::uint64_t> rates;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    std::uint64_t rate = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), rate);
    if (error != std::errc() || end != word.data() + word.size() || rate < 1 || rate > kRateMax) {
      return fail(Errc::kInvalid, "a rate is a whole number of requests per second from 1 to " +
                                      std::to_string(kRateMax) + ", not '" + std::string(word) +
                                      "'");
    }
    if (std::ranges::find(rates, rate) != rates.end()) {
      return fail(Errc::kInvalid, "the rate " + std::to_string(rate) + " stands twice");
    }
    rates.push_back(rate);
    if (rates.size() > kRatesMax) {
      return fail(Errc::kInvalid, "at most " + std::to_string(kRatesMax) + " rates");
    }
    if (comma == std::string_view::npos) {
      return rates;
    }
    text.remove_prefix(comma + 1);
  }
}

}  // namespace payonce::bench
