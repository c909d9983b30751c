// power_cut: rebuilds from a trace what a power cut may have left, and opens it.
//
//   power_cut TRACE --data DIR --scratch DIR --ids PREFIX [--from SEED] [--count N] [--disk lying]
//
// DIR is where the data was when the trace was made. Each seed draws a moment and what of the
// writes under way is there (disk_model.h). The store that opens it, in a process of its own, has
// to come up with a log that is a beginning of the one in the trace, as long as what had been
// committed by then, byte for byte; with a state that is a fold of it; without a rebuild; and with
// every id that any message had named by then. --ids says how those ids begin. Prints one line per
// failure, with its seed, and one at the end. Exit code 1 when any failed.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "app/store.h"
#include "disk_model.h"
#include "log/verify.h"

namespace payonce::crash {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMapSize = std::uint64_t{256} << 20;

struct Options {
  std::string trace;
  std::string data;
  std::string scratch;
  std::string ids;
  std::uint64_t from = 1;
  std::uint64_t count = 100;
  bool lying = false;
};

struct Moment {
  std::size_t cut = 0;
  std::vector<Draw> draws;
  std::uint64_t entries = 0;  // that must be there
};

Result<app::Store> open_store(const std::string& data, observe::Logger& log) {
  auto dir = log::DataDir::acquire(data);
  if (!dir) {
    return std::unexpected(dir.error());
  }
  return app::open_store(std::move(*dir),
                         {.path = data, .log_map_size = kMapSize, .state_map_size = kMapSize}, 1,
                         Timestamp{1}, log);
}

std::vector<std::string> entries_of(const log::LogStore& log) {
  std::vector<std::string> entries;
  const auto read = log.read(1, [&](core::Seq, std::string_view bytes) {
    entries.emplace_back(bytes);
    return true;
  });
  if (!read) {
    throw std::runtime_error(read.error().message);
  }
  return entries;
}

class Bench {
 public:
  explicit Bench(Options options)
      : options_(std::move(options)),
        records_(read_trace(options_.trace)),
        disk_(records_, options_.lying) {
    find_ids();
    testing_support::Random random(1);
    lay_out(disk_.after_cut(records_.size(), std::vector(disk_.files(), Draw::kAll), random));
    observe::Logger log(observe::Level::kError);
    const auto store = open_store(data(), log);
    if (!store) {
      throw std::runtime_error("the end of the trace does not open: " + store.error().message);
    }
    reference_ = entries_of(*store->log);
  }

  // What is wrong with the state that this seed leaves; nothing if it is as it should be.
  std::optional<std::string> run(std::uint64_t seed) {
    testing_support::Random random(seed);
    Moment moment{.cut = 1 + random.below(records_.size()), .draws = {}, .entries = 0};
    for (std::size_t i = 0; i < disk_.files(); ++i) {
      moment.draws.push_back(static_cast<Draw>(random.below(kDraws)));
    }
    moment.entries = disk_.durable_entries(moment.cut, options_.data + "/log/data.mdb");
    lay_out(disk_.after_cut(moment.cut, moment.draws, random));
    auto wrong = in_child([&] { return check(moment); });
    for (const Draw draw : moment.draws) {
      ++draws_[name(draw)];
    }
    if (wrong) {
      std::string text = "cut before record " + std::to_string(moment.cut) + " of " +
                         std::to_string(records_.size());
      for (const Draw draw : moment.draws) {
        text += std::string(", ") + name(draw);
      }
      *wrong = text + ": " + *wrong;
    }
    return wrong;
  }

  void print_summary(std::uint64_t failed) const {
    std::printf("power_cut: %llu states, %llu failed; %zu records, %zu entries; draws:",
                static_cast<unsigned long long>(options_.count),
                static_cast<unsigned long long>(failed), records_.size(), reference_.size());
    for (const auto& [draw, count] : draws_) {
      std::printf(" %s %llu", draw.c_str(), static_cast<unsigned long long>(count));
    }
    std::printf("\n");
  }

 private:
  [[nodiscard]] std::string data() const { return options_.scratch + "/data"; }

  // Where the ids that messages name are named first.
  void find_ids() {
    const std::regex pattern(options_.ids + "-[a-z]+(?![-a-z])");
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (records_[i].head.kind != Kind::kSend) {
        continue;
      }
      const std::string& text = records_[i].bytes;
      for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
        ids_.try_emplace(at->str(), i);
      }
    }
  }

  void lay_out(const std::vector<File>& files) const {
    fs::remove_all(data());
    fs::create_directories(data());
    for (const File& file : files) {
      const std::string path = data() + file.path.substr(options_.data.size());
      fs::create_directories(fs::path(path).parent_path());
      std::ofstream(path, std::ios::binary) << file.bytes;
    }
  }

  // In the child: nothing, or what is wrong.
  [[nodiscard]] std::optional<std::string> check(const Moment& moment) const {
    observe::Logger log(observe::Level::kWarn);
    const auto store = open_store(data(), log);
    if (!store) {
      return "refused: " + store.error().message;
    }
    const auto entries = entries_of(*store->log);
    if (entries.size() < moment.entries) {
      return std::to_string(moment.entries) + " entries were committed, but there are only " +
             std::to_string(entries.size());
    }
    // A log that had not got anywhere is begun anew, with another salt.
    if (moment.entries > 0 && (entries.size() > reference_.size() ||
                               !std::equal(entries.begin(), entries.end(), reference_.begin()))) {
      return "the log is another one";
    }
    const auto verified = log::verify_state(*store->log, *store->state, store->position.salt,
                                            data() + "/scratch", kMapSize);
    if (!verified) {
      return verified.error().message;
    }
    return missing_id(*store, moment.cut);
  }

  [[nodiscard]] std::optional<std::string> missing_id(const app::Store& store,
                                                      std::size_t cut) const {
    auto snapshot = store.state->snapshot();
    if (!snapshot) {
      return snapshot.error().message;
    }
    for (const auto& [id, from] : ids_) {
      core::Payment payment;
      core::Account account;
      if (from < cut && !snapshot->load(id, payment) && !snapshot->load(id, account)) {
        return id + " was named to the outside, and is lost";
      }
    }
    return std::nullopt;
  }

  template <class Check>
  std::optional<std::string> in_child(Check&& check) const {
    const std::string out = options_.scratch + "/out";
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const int file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
      const auto wrong = check();
      if (wrong) {
        std::printf("%s\n", wrong->c_str());
      }
      std::fflush(nullptr);
      ::_exit(wrong ? 1 : 0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    std::stringstream said;
    said << std::ifstream(out).rdbuf();
    if (WIFSIGNALED(status)) {
      return "killed by signal " + std::to_string(WTERMSIG(status)) + " " + said.str();
    }
    if (status != 0 || said.str().find("state_rebuilt") != std::string::npos) {
      return said.str();
    }
    return std::nullopt;
  }

  Options options_;
  std::vector<Record> records_;
  Disk disk_;
  std::vector<std::string> reference_;      // entries of the log at the end
  std::map<std::string, std::size_t> ids_;  // from which record on they have to be there
  std::map<std::string, std::uint64_t> draws_;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  std::map<std::string_view, std::string> words;
  if (argc < 2 || argc % 2 != 0) {
    return std::nullopt;
  }
  options.trace = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    words[argv[i]] = argv[i + 1];
  }
  options.data = words["--data"];
  options.scratch = words["--scratch"];
  options.ids = words["--ids"];
  options.lying = words["--disk"] == "lying";
  if (words.contains("--from")) {
    options.from = std::strtoull(words["--from"].c_str(), nullptr, 10);
  }
  if (words.contains("--count")) {
    options.count = std::strtoull(words["--count"].c_str(), nullptr, 10);
  }
  if (options.data.empty() || options.scratch.empty() || options.ids.empty()) {
    return std::nullopt;
  }
  return options;
}

int run(const Options& options) {
  Bench bench(options);
  std::uint64_t failed = 0;
  for (std::uint64_t seed = options.from; seed < options.from + options.count; ++seed) {
    if (const auto wrong = bench.run(seed)) {
      ++failed;
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong->c_str());
    }
  }
  bench.print_summary(failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace payonce::crash

int main(int argc, char** argv) {
  const auto options = payonce::crash::parse(argc, argv);
  if (!options) {
    std::fputs(
        "usage: power_cut TRACE --data DIR --scratch DIR --ids PREFIX [--from SEED] [--count N]\n"
        "                 [--disk lying]\n",
        stderr);
    return 2;
  }
  try {
    return payonce::crash::run(*options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "power_cut: %s\n", error.what());
    return 2;
  }
}
