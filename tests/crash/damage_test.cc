// Damage: every byte of a log and of a state changed, both cut at any length, files of other
// servers, times and kinds put in their place. A start and `payonce verify` come up with the very
// contents as before, fold the state anew, or refuse by name; they never die, and never differ in
// silence. Where files are small, as here, everything is looked at before it is used.
//
// By default a part of all bytes and lengths, spread evenly from a start that is another one each
// time and repeated by PAYONCE_SEED; with PAYONCE_DAMAGE_ALL=1 all of them. A long run can be taken
// up again: PAYONCE_DAMAGE_FROM=state:159720 changes that file alone (log or state), from that byte
// on. What is left then need not have every outcome in it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "app/exit_code.h"
#include "app/store.h"
#include "app/verify.h"
#include "log/codec.h"
#include "log/page_check.h"
#include "log/verify.h"
#include "support/files.h"
#include "support/machine_world.h"
#include "support/random.h"
#include "support/random_commands.h"
#include "support/temp_dir.h"

namespace payonce::crash {
namespace {

namespace fs = std::filesystem;
using testing_support::kSalt;
using testing_support::read_file;
using testing_support::World;

constexpr std::uint64_t kMapSize = std::uint64_t{64} << 20;
constexpr std::size_t kPage = 4096;
constexpr unsigned kSecondsMax = 60;

// Thousands of small files: in memory, where that can be had.
const bool kInMemory =
    ::access("/dev/shm", W_OK) == 0 && ::setenv("TEST_TMPDIR", "/dev/shm", 0) == 0;

void write_file(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// The two data files of a directory.
struct Files {
  std::string log;
  std::string state;
};

Result<app::Store> open_store(const std::string& data, observe::Level level) {
  auto dir = log::DataDir::acquire(data);
  if (!dir) {
    return std::unexpected(dir.error());
  }
  observe::Logger log(level);
  return app::open_store(std::move(*dir),
                         {.path = data, .log_map_size = kMapSize, .state_map_size = kMapSize}, 1,
                         Timestamp{1}, log);
}

std::string entries_of(const log::LogStore& log) {
  std::string all;
  const auto read = log.read(1, [&](core::Seq seq, std::string_view bytes) {
    all.append(std::to_string(seq)).append(":").append(bytes).append(";");
    return true;
  });
  return read ? all : read.error().message;
}

// A data directory that has lived through some business: `commits` batches, a checkpoint now and
// then, and the state at the end up to the log.
Files live(std::uint64_t salt, std::size_t commands) {
  const testing_support::TempDir dir;
  const std::string data = dir / "data";
  testing_support::Random random(7);
  World world;
  for (const testing_support::Step& step :
       testing_support::RandomCommands(random, world.log.size()).take(commands)) {
    world.now = step.now;
    world.handle_input(step.input);
  }
  std::get<core::LogCreated>(world.log.front().event).salt = salt;
  {
    auto log = log::LmdbLog::open(data + "/log", kMapSize);
    EXPECT_TRUE(log);
    log::Batch batch;
    for (const core::Record& record : world.log) {
      log::encode_record(record, salt, batch.bytes);
      batch.ends.push_back(batch.bytes.size());
      if (batch.size() >= 1 + random.below(9) || &record == &world.log.back()) {
        EXPECT_TRUE((*log)->append(batch, (*log)->last_seq()));
        batch.clear();
      }
      if (random.chance(5)) {
        log.value().reset();
        EXPECT_TRUE(open_store(data, observe::Level::kError));  // a checkpoint
        log = log::LmdbLog::open(data + "/log", kMapSize);
      }
    }
  }
  EXPECT_TRUE(open_store(data, observe::Level::kError));
  return {.log = read_file(data + "/log/data.mdb"), .state = read_file(data + "/state/data.mdb")};
}

enum class End : std::uint8_t { kSame, kRebuilt, kRefused };
void PrintTo(End end, std::ostream* out) {
  constexpr const char* kNames[] = {"same", "rebuilt", "refused"};
  const auto number = static_cast<std::size_t>(end);
  *out << (number < 3 ? kNames[number] : "neither as it may be");
}

class DamageTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::printf("files are %s\n", kInMemory ? "in memory" : "on disk");
    ASSERT_TRUE(std::getenv("PAYONCE_DAMAGE_FROM") == nullptr || begin_at("log") ||
                begin_at("state"))
        << "PAYONCE_DAMAGE_FROM: want log:BYTE or state:BYTE";
    sound_ = new Files(live(kSalt, 120));
    const testing_support::TempDir dir;
    write_file(dir / "log/data.mdb", sound_->log);
    const auto log = log::LmdbLog::open(dir / "log", kMapSize);
    ASSERT_TRUE(log);
    entries_ = new std::string(entries_of(**log));
  }
  static void TearDownTestSuite() {
    delete sound_;
    delete entries_;
  }

  // How a start with these files ends; a failure when it ends in any other way than it may.
  End start_with(const Files& files, const std::string& what) {
    fs::remove_all(data_);
    write_file(data_ + "/log/data.mdb", files.log);
    write_file(data_ + "/state/data.mdb", files.state);
    return start(what);
  }

  // The same with the directory as it is.
  End start(const std::string& what) {
    std::fflush(nullptr);
    const std::string out = dir_ / "out";
    const pid_t child = ::fork();
    if (child == 0) {
      const int file = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
      ::dup2(file, STDOUT_FILENO);
      ::dup2(file, STDERR_FILENO);
      ::alarm(kSecondsMax);
      const int code = verify_and_open(data_);
      std::fflush(nullptr);
      ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    const std::string said = read_file(out);
    EXPECT_FALSE(WIFSIGNALED(status)) << what << ": signal " << WTERMSIG(status) << "\n" << said;
    EXPECT_LE(WEXITSTATUS(status), 2) << what << "\n" << said;
    ++starts_;
    const auto end = static_cast<End>(WEXITSTATUS(status));
    if (end == End::kRefused) {
      EXPECT_NE(said.find("refused: "), std::string::npos) << what;
      refusal_ = said.substr(said.rfind("refused: ") + 9);
    }
    return end;
  }

  // In the child. 0 to 2: an End; 3: not as it may be, and why is printed.
  static int verify_and_open(const std::string& data) {
    config::Options options;
    options.storage.data = data;
    options.storage.log_map_size = kMapSize;
    options.storage.state_map_size = kMapSize;
    const int verified = app::verify(options, /*json=*/false);
    const auto store = open_store(data, observe::Level::kWarn);
    std::fflush(nullptr);
    if (!store) {
      const bool named = store.error().code != Errc::kIo && store.error().message.size() > 10;
      std::printf("verify says %d; refused: %s\n", verified, store.error().message.c_str());
      return named && verified == app::kExitData ? static_cast<int>(End::kRefused) : 3;
    }
    const auto sound = log::verify_state(*store->log, *store->state, store->position.salt,
                                         data + "/scratch", kMapSize);
    if (entries_of(*store->log) != *entries_ || !sound) {
      std::printf("verify says %d; other contents: %s\n", verified,
                  sound ? "the log" : sound.error().message.c_str());
      return 3;
    }
    if (verified == app::kExitOk) {
      return static_cast<int>(End::kSame);
    }
    std::printf("verify says %d\n", verified);
    return verified == app::kExitFailed ? static_cast<int>(End::kRebuilt) : 3;
  }

  // Of `size` places some that are spread evenly, or all.
  static std::size_t stride(std::size_t size, std::size_t wanted) {
    return std::getenv("PAYONCE_DAMAGE_ALL") != nullptr ? 1
                                                        : std::max<std::size_t>(1, size / wanted);
  }

  static std::uint64_t seed() {
    const char* named = std::getenv("PAYONCE_SEED");
    return named == nullptr ? std::random_device()() : std::strtoull(named, nullptr, 10);
  }

  // What the look at the pages says; nothing when it finds them sound.
  bool pages_are_sound(const std::string& bytes) {
    const std::string file = dir_ / "pages.mdb";
    write_file(file, bytes);
    const auto looked = log::check_pages(file, log::kAllPages);
    if (!looked) {
      EXPECT_NE(looked.error().code, Errc::kIo) << looked.error().message;
      EXPECT_NE(looked.error().message.find(file), std::string::npos);
    }
    return looked.has_value();
  }

  // The byte of PAYONCE_DAMAGE_FROM when it names this file; nothing when it is not set.
  static std::optional<std::size_t> begin_at(const std::string& name) {
    const char* const from = std::getenv("PAYONCE_DAMAGE_FROM");
    if (from == nullptr || !std::string_view(from).starts_with(name + ":")) {
      return std::nullopt;
    }
    return std::strtoull(from + name.size() + 1, nullptr, 10);
  }

  // Flips one bit of every byte, another one each time. Where the pages are not sound any more,
  // that is what a start says; so only some of those are started with. Over a whole file some
  // starts are as before, and some end as `told`.
  std::map<End, int> flip(std::string Files::*file, const std::string& name, End told) {
    const bool taken_up = std::getenv("PAYONCE_DAMAGE_FROM") != nullptr;
    if (taken_up && !begin_at(name)) {
      std::printf("PAYONCE_DAMAGE_FROM is of another file\n");
      return {};
    }
    Files files = *sound_;
    std::string& bytes = files.*file;
    std::map<End, int> ends;
    std::size_t unsound = 0;
    const std::size_t step = stride(bytes.size(), 1000);
    const std::uint64_t drawn = seed();
    const std::size_t start = begin_at(name).value_or(drawn % step);
    std::size_t changed = 0;
    std::printf("PAYONCE_SEED=%llu\n", static_cast<unsigned long long>(drawn));
    for (std::size_t at = start; at < bytes.size() && !HasFailure(); at += step) {
      ++changed;
      const char before = bytes[at];
      bytes[at] = static_cast<char>(before ^ (1 << ((at / step + drawn / step) % 8)));
      if (pages_are_sound(bytes) || unsound++ % 20 == 0) {
        ++ends[start_with(files, "byte " + std::to_string(at))];
      }
      bytes[at] = before;
    }
    std::printf(
        "%zu bytes, %zu of them changed: %d starts as before, %d rebuilt, %d refused; "
        "%zu times pages were not sound\n",
        bytes.size(), changed, ends[End::kSame], ends[End::kRebuilt], ends[End::kRefused], unsound);
    EXPECT_TRUE(taken_up || (ends[End::kSame] > 0 && ends[told] > 0));
    return ends;
  }

  static std::vector<std::size_t> lengths(std::size_t size) {
    std::vector<std::size_t> all;
    for (std::size_t at = 0; at < size; at += kPage) {
      all.insert(all.end(), {at == 0 ? 0 : at - 1, at, at + 1});
    }
    const std::size_t step = stride(size, 40);
    for (std::size_t at = 0; at < size; at += step) {
      all.push_back(at);
    }
    return all;
  }

  static Files* sound_;
  static std::string* entries_;
  const testing_support::TempDir dir_;
  const std::string data_ = dir_ / "data";
  int starts_ = 0;
  std::string refusal_;
};

Files* DamageTest::sound_ = nullptr;
std::string* DamageTest::entries_ = nullptr;

TEST_F(DamageTest, Undamaged_IsTheSame) { EXPECT_EQ(start_with(*sound_, "nothing"), End::kSame); }

TEST_F(DamageTest, AByteOfTheLog_IsRefusedOrUnused) {
  auto ends = flip(&Files::log, "log", End::kRefused);
  EXPECT_EQ(ends[End::kRebuilt], 0);
}

TEST_F(DamageTest, AByteOfTheState_IsRebuiltOrUnused) {
  auto ends = flip(&Files::state, "state", End::kRebuilt);
  EXPECT_EQ(ends[End::kRefused], 0) << refusal_;
}

TEST_F(DamageTest, ALogCutAnywhere_IsRefusedAndStaysAsItIs) {
  for (const std::size_t size : lengths(sound_->log.size())) {
    const Files files{.log = sound_->log.substr(0, size), .state = sound_->state};
    if (start_with(files, "length " + std::to_string(size)) == End::kSame) {
      // What is cut off is not used.
      EXPECT_TRUE(pages_are_sound(files.log)) << size;
      continue;
    }
    ASSERT_TRUE(read_file(data_ + "/log/data.mdb") == files.log) << size;
    ASSERT_EQ(start("again " + std::to_string(size)), End::kRefused);
    ASSERT_FALSE(HasFailure());
  }
  std::printf("%d starts\n", starts_);
}

TEST_F(DamageTest, AStateCutAnywhere_IsRebuilt) {
  for (const std::size_t size : lengths(sound_->state.size())) {
    const Files files{.log = sound_->log, .state = sound_->state.substr(0, size)};
    ASSERT_NE(start_with(files, "length " + std::to_string(size)), End::kRefused) << refusal_;
    ASSERT_EQ(start("again"), End::kSame) << size;
    ASSERT_FALSE(HasFailure());
  }
  std::printf("%d starts\n", starts_);
}

TEST_F(DamageTest, TheStateOfAnotherServer_IsRebuilt) {
  const Files other = live(kSalt + 1, 120);
  EXPECT_EQ(start_with({.log = sound_->log, .state = other.state}, "state of B"), End::kRebuilt);
}

TEST_F(DamageTest, AnOldStateBesideANewLog_IsFoldedOn) {
  const Files old = live(kSalt, 60);
  EXPECT_EQ(start_with({.log = sound_->log, .state = old.state}, "old state"), End::kSame);
}

// It was rebuilt from the older log once, and what that lacked was gone.
TEST_F(DamageTest, AnOldLogBesideANewerState_IsRefusedAndNothingIsTouched) {
  const Files old = live(kSalt, 60);
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(start_with({.log = old.log, .state = sound_->state}, "old log"), End::kRefused);
    EXPECT_NE(refusal_.find("put the newer log back"), std::string::npos) << refusal_;
    EXPECT_TRUE(read_file(data_ + "/state/data.mdb") == sound_->state);
    EXPECT_TRUE(read_file(data_ + "/log/data.mdb") == old.log);
  }
}

TEST_F(DamageTest, FilesOfOtherKinds_AreRefusedOrRebuilt) {
  std::string noise(3 * kPage, '\0');
  testing_support::Random random(3);
  std::ranges::generate(noise, [&] { return static_cast<char>(random.next()); });
  std::string sqlite("SQLite format 3\0", 16);
  sqlite.resize(2 * kPage, '\0');
  const std::vector<std::string> others{std::string(),
                                        "hello\n",
                                        std::string(kPage, '\0'),
                                        std::string(64 * kPage, '\0'),
                                        std::string(2 * kPage, '\xff'),
                                        noise,
                                        sqlite,
                                        read_file("/proc/self/exe").substr(0, 32 * kPage)};
  for (const std::string& other : others) {
    const std::string what = std::to_string(other.size()) + " bytes of something else";
    EXPECT_EQ(start_with({.log = other, .state = sound_->state}, what), End::kRefused);
    EXPECT_TRUE(read_file(data_ + "/log/data.mdb") == other);
    EXPECT_EQ(start_with({.log = sound_->log, .state = other}, what), End::kRebuilt);
  }
  // LMDB files both, but of the other kind.
  EXPECT_EQ(start_with({.log = sound_->state, .state = sound_->log}, "swapped"), End::kRefused);
  EXPECT_EQ(start_with({.log = sound_->log, .state = sound_->log}, "two logs"), End::kRebuilt);
}

// The lock files hold nothing that lasts.
TEST_F(DamageTest, LockFilesOfAnyContent_DoNotMatter) {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(kPage, '\xff'), std::string(1 << 20, '\0')}) {
    fs::remove_all(data_);
    write_file(data_ + "/log/data.mdb", sound_->log);
    write_file(data_ + "/state/data.mdb", sound_->state);
    write_file(data_ + "/log/lock.mdb", bytes);
    write_file(data_ + "/state/lock.mdb", bytes);
    EXPECT_EQ(start("lock files"), End::kSame);
  }
}

}  // namespace
}  // namespace payonce::crash
