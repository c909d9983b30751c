// Work to count the instructions of: perf/micro/instructions.py runs this under valgrind.
//
// usage: core_instructions decide|encode|fold PAYMENTS
//
// Each mode does what the one before does, and more: so differences tell the parts apart.
//   decide  create, gateway reply and notification of each payment: decide and evolve
//   encode  and its events as entries of the log, with checksums
//   fold    and the entries read back and folded a second time, as the checkpoint does

#include <charconv>
#include <string_view>

#include "micro/payments.h"

namespace payonce::perf {
namespace {

void fold_again(const log::Batch& entries, core::Seq first, core::Rows& rows) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto record = log::decode_record(first + i, entries.entry(i), kSalt);
    if (!record || !core::fold(rows, *record)) {
      fail("an entry does not fold");
    }
  }
}

int run(std::string_view mode, std::size_t payments) {
  const bool folds = mode == "fold";
  const bool encodes = folds || mode == "encode";
  if (!encodes && mode != "decide") {
    fail("usage: core_instructions decide|encode|fold PAYMENTS");
  }
  core::NoRows nothing;
  core::Rows rows(nothing, nullptr);
  Till till(/*keep=*/folds);
  log::Batch entries;
  if (folds) {
    encode(till.records, entries);
    fold_again(entries, till.records.front().seq, rows);
  }
  for (std::size_t i = 0; i < payments; ++i) {
    till.records.clear();
    till.carry_one();
    if (encodes) {
      encode(till.records, entries);
      if (folds) {
        fold_again(entries, till.records.front().seq, rows);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace payonce::perf

int main(int argc, char** argv) {
  std::size_t payments = 0;
  const std::string_view count = argc == 3 ? argv[2] : "";
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), payments);
  if (error != std::errc{} || end != count.data() + count.size()) {
    payonce::perf::fail("usage: core_instructions decide|encode|fold PAYMENTS");
  }
  return payonce::perf::run(argv[1], payments);
}
