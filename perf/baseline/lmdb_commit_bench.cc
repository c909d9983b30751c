// What one durable commit costs here with nothing around it: bare LMDB, synchronous, appending.
//
// For each batch size: a fresh environment, --commits transactions, each of which appends that
// many records to the integer-keyed main database and commits with LMDB's default durability (no
// NOSYNC, NOMETASYNC or MAPASYNC). The time of a commit runs from begin to the end of commit.
// One JSON line per batch size goes to standard output. Any LMDB error ends the program with 1.
//
// usage: lmdb_commit_bench --dir DIR [--commits N] [--record-bytes N] [--batches N,N,...]

#include <lmdb.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kCommitsDefault = 1000;
constexpr std::size_t kCommitsMax = 1'000'000;
constexpr std::size_t kRecordBytesDefault = 200;
constexpr std::size_t kRecordBytesMax = 64 << 10;
constexpr std::size_t kBatchMax = 4096;
constexpr std::size_t kWarmupCommits = 20;
constexpr std::size_t kMapBytes = std::size_t{64} << 30;  // Address space only.

struct Options {
  std::filesystem::path dir;
  std::size_t commits = kCommitsDefault;
  std::size_t record_bytes = kRecordBytesDefault;
  std::vector<std::size_t> batches = {1, 8, 64};
};

struct Measured {
  std::vector<double> commit_us;  // One entry per commit.
  double seconds = 0;
};

[[noreturn]] void usage_error(const std::string& problem) {
  std::fprintf(stderr,
               "lmdb_commit_bench: %s\nusage: lmdb_commit_bench --dir DIR [--commits N] "
               "[--record-bytes N] [--batches N,N,...]\n",
               problem.c_str());
  std::exit(2);
}

void check(int code, const char* call) {
  if (code == MDB_SUCCESS) return;
  std::fprintf(stderr, "lmdb_commit_bench: %s: %s\n", call, mdb_strerror(code));
  std::exit(1);
}

std::size_t parse_number(std::string_view text, std::size_t max) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 1 || value > max) {
    usage_error("bad number: " + std::string(text));
  }
  return value;
}

std::vector<std::size_t> parse_batches(std::string_view text) {
  std::vector<std::size_t> batches;
  while (true) {
    const auto comma = text.find(',');
    batches.push_back(parse_number(text.substr(0, comma), kBatchMax));
    if (comma == std::string_view::npos) return batches;
    text.remove_prefix(comma + 1);
  }
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) usage_error("no value for " + flag);
    const std::string_view value = argv[i + 1];
    if (flag == "--dir") {
      options.dir = value;
    } else if (flag == "--commits") {
      options.commits = parse_number(value, kCommitsMax);
    } else if (flag == "--record-bytes") {
      options.record_bytes = parse_number(value, kRecordBytesMax);
    } else if (flag == "--batches") {
      options.batches = parse_batches(value);
    } else {
      usage_error("unknown flag " + flag);
    }
  }
  if (options.dir.empty()) usage_error("--dir is required");
  return options;
}

// Appends `batch` records starting at key `next` and commits them. Returns the time it took.
double timed_commit(MDB_env* env, MDB_dbi dbi, std::size_t& next, std::size_t batch,
                    std::string& record) {
  const auto begin = Clock::now();
  MDB_txn* txn = nullptr;
  check(mdb_txn_begin(env, nullptr, 0, &txn), "mdb_txn_begin");
  for (std::size_t i = 0; i < batch; ++i) {
    std::size_t sequence = next++;
    record[sequence % record.size()] = static_cast<char>('a' + sequence % 26);
    MDB_val key{sizeof sequence, &sequence};
    MDB_val value{record.size(), record.data()};
    check(mdb_put(txn, dbi, &key, &value, MDB_APPEND), "mdb_put");
  }
  check(mdb_txn_commit(txn), "mdb_txn_commit");
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

MDB_dbi open_main_db(MDB_env* env) {
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  check(mdb_txn_begin(env, nullptr, 0, &txn), "mdb_txn_begin");
  check(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &dbi), "mdb_dbi_open");
  check(mdb_txn_commit(txn), "mdb_txn_commit");
  return dbi;
}

Measured measure(const std::filesystem::path& env_dir, const Options& options, std::size_t batch) {
  MDB_env* env = nullptr;
  check(mdb_env_create(&env), "mdb_env_create");
  check(mdb_env_set_mapsize(env, kMapBytes), "mdb_env_set_mapsize");
  check(mdb_env_open(env, env_dir.c_str(), 0, 0600), "mdb_env_open");
  const MDB_dbi dbi = open_main_db(env);

  std::string record(options.record_bytes, 'x');
  std::size_t next = 1;
  for (std::size_t i = 0; i < kWarmupCommits; ++i) timed_commit(env, dbi, next, batch, record);

  Measured measured;
  measured.commit_us.reserve(options.commits);
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < options.commits; ++i) {
    measured.commit_us.push_back(timed_commit(env, dbi, next, batch, record));
  }
  measured.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  mdb_env_close(env);
  return measured;
}

// The smallest value that at least `fraction` of the sorted values do not exceed.
double percentile(const std::vector<double>& sorted, double fraction) {
  const auto rank = std::ceil(fraction * static_cast<double>(sorted.size()));
  return sorted[std::max<std::size_t>(static_cast<std::size_t>(rank), 1) - 1];
}

void print_json(const Options& options, std::size_t batch, Measured& measured) {
  std::sort(measured.commit_us.begin(), measured.commit_us.end());
  const double commits_per_s = static_cast<double>(options.commits) / measured.seconds;
  std::printf(
      "{\"bench\":\"lmdb_commit\",\"batch\":%zu,\"commits\":%zu,\"record_bytes\":%zu,"
      "\"p50_us\":%.1f,\"p99_us\":%.1f,\"commits_per_s\":%.1f,\"records_per_s\":%.1f}\n",
      batch, options.commits, options.record_bytes, percentile(measured.commit_us, 0.50),
      percentile(measured.commit_us, 0.99), commits_per_s,
      commits_per_s * static_cast<double>(batch));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  for (const std::size_t batch : options.batches) {
    const auto env_dir = options.dir / ("lmdb-commit-bench-" + std::to_string(getpid()));
    std::error_code error;
    if (!std::filesystem::create_directory(env_dir, error)) {
      std::fprintf(stderr, "lmdb_commit_bench: cannot create %s: %s\n", env_dir.c_str(),
                   error.message().c_str());
      return 1;
    }
    Measured measured = measure(env_dir, options, batch);
    std::filesystem::remove_all(env_dir, error);
    print_json(options, batch, measured);
  }
  return 0;
}
