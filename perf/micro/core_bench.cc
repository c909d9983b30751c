// Google Benchmark over the parts of a payment's way: decide, evolve, codec and commit.
//
//   build/release/perf/micro_bench --benchmark_filter=.   (see perf/README.md)

#include <benchmark/benchmark.h>

#include <unistd.h>

#include <filesystem>

#include "log/lmdb_log.h"
#include "micro/payments.h"

namespace payonce::perf {
namespace {

constexpr std::size_t kSample = 1000;  // payments

std::vector<core::Record> sample_records(bool with_accounts) {
  Till till(with_accounts);
  for (std::size_t i = 0; i < kSample; ++i) {
    till.carry_one();
  }
  return std::move(till.records);
}

void DecideAndEvolve(benchmark::State& state) {
  Till till;
  for (auto _ : state) {
    till.records.clear();
    till.carry_one();
  }
  state.SetLabel("one payment, three commands");
}
BENCHMARK(DecideAndEvolve);

void Evolve(benchmark::State& state) {
  const std::vector<core::Record> records = sample_records(true);
  for (auto _ : state) {
    core::NoRows nothing;
    core::Rows rows(nothing, nullptr);
    for (const core::Record& record : records) {
      if (!core::fold(rows, record)) {
        fail("an entry does not fold");
      }
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kSample));
  state.SetLabel("items are payments");
}
BENCHMARK(Evolve);

void Encode(benchmark::State& state) {
  const std::vector<core::Record> records = sample_records(false);
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    for (const core::Record& record : records) {
      log::encode_record(record, kSalt, bytes);
    }
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kSample));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
  state.SetLabel("items are payments");
}
BENCHMARK(Encode);

void Decode(benchmark::State& state) {
  const std::vector<core::Record> records = sample_records(false);
  log::Batch entries;
  encode(records, entries);
  for (auto _ : state) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      auto record = log::decode_record(records[i].seq, entries.entry(i), kSalt);
      benchmark::DoNotOptimize(record);
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kSample));
  state.SetLabel("items are payments");
}
BENCHMARK(Decode);

// Synchronous commits to a log in the working directory's file system, each of `range` payments.
void Commit(benchmark::State& state) {
  const auto payments = static_cast<std::size_t>(state.range(0));
  const std::string dir = "micro-bench-" + std::to_string(::getpid());
  std::filesystem::create_directory(dir);
  {
    auto log = log::LmdbLog::open(dir, std::uint64_t{4} << 30);
    if (!log) {
      fail(log.error().message.c_str());
    }
    std::vector<core::Record> records = sample_records(false);
    records.resize(records.size() * payments / kSample);
    log::Batch batch;
    encode(records, batch);
    for (auto _ : state) {
      if (auto appended = (*log)->append(batch, (*log)->last_seq()); !appended) {
        fail(appended.error().message.c_str());
      }
    }
  }
  std::filesystem::remove_all(dir);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * payments));
  state.SetLabel("items are payments, whole");
}
BENCHMARK(Commit)->Arg(1)->Arg(8)->Arg(64)->Iterations(1000)->UseRealTime();

}  // namespace
}  // namespace payonce::perf
