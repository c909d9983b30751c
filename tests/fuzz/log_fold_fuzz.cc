// Histories that nobody wrote: entries behind good checksums, in any order and with any content.
//
// The input is a list of bodies (docs/log-format.md), each with its length in two bytes before it.
// Each is decoded as the next entry and folded. Whatever they say, the fold takes an entry or
// refuses it, and never reaches an assertion; what it took leaves no client's account overdrawn,
// and the ledger in balance; and the same entries again give the same rows.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "fuzz/sealed.h"
#include "log/codec.h"
#include "support/machine_world.h"

namespace payonce::log {
namespace {

using fuzz::require;
using testing_support::Folded;

constexpr std::uint64_t kSalt = 0x0123456789abcdef;
constexpr std::size_t kEntriesMax = 200;

void check_books(const core::Rows& rows) {
  std::map<std::string, WideAmount> sums;
  rows.accounts.for_each_changed([&](const std::string& id, const core::Account& account) {
    sums[std::string(account.currency.code())] += account.posted;
    require(account.held >= 0, "no hold is negative", id);
    require(account.system || account.available() >= 0, "no client's account is overdrawn", id);
  });
  for (const auto& [code, sum] : sums) {
    require(sum == 0, "the ledger is in balance", code);
  }
}

void log_fold(std::string_view rest) {
  Folded first;
  std::vector<core::Record> taken;
  bool whole = true;
  for (core::Seq seq = 1; rest.size() > 2 && taken.size() < kEntriesMax;) {
    const std::size_t size = static_cast<unsigned char>(rest[0]) |
                             static_cast<std::size_t>(static_cast<unsigned char>(rest[1])) << 8;
    rest.remove_prefix(2);
    const std::string_view body = rest.substr(0, size);
    rest.remove_prefix(body.size());
    auto record = decode_record(seq, fuzz::sealed_entry(body, seq, kSalt), kSalt);
    if (!record) {
      continue;
    }
    if (!core::fold(first.rows, *record)) {
      whole = false;  // a server stops here too: the rows may be half changed
      break;
    }
    check_books(first.rows);
    taken.push_back(std::move(*record));
    ++seq;
  }
  Folded second;
  require(second.fold(taken), "what was taken once is taken again");
  if (whole) {
    require(second.all() == first.all(), "the same entries give the same rows");
    require(second.indexes.entries == first.indexes.entries, "and the same secondary keys");
  }
}

}  // namespace
}  // namespace payonce::log

PAYONCE_FUZZ_TARGET(payonce::log::log_fold)
