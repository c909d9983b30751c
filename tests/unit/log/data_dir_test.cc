#include "log/data_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing::HasSubstr;
using testing_support::TempDir;

TEST(DataDir, Absent_IsMade) {
  const TempDir dir;
  const auto data = DataDir::acquire(dir / "new/data");
  ASSERT_TRUE(data) << data.error().message;
  EXPECT_TRUE(std::filesystem::is_directory(dir / "new/data"));
  EXPECT_EQ(data->log_path(), dir / "new/data/log");
  EXPECT_EQ(data->state_path(), dir / "new/data/state");
}

TEST(DataDir, SecondAcquire_IsInUseAndNamesTheHolder) {
  const TempDir dir;
  const auto first = DataDir::acquire(dir / "data");
  ASSERT_TRUE(first);
  const auto second = DataDir::acquire(dir / "data");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::kInUse);
  EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(getpid())));
  EXPECT_THAT(second.error().message, HasSubstr(dir / "data"));
}

TEST(DataDir, OtherProcess_IsInUse) {
  const TempDir dir;
  const auto first = DataDir::acquire(dir / "data");
  ASSERT_TRUE(first);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto second = DataDir::acquire(dir / "data");
    _exit(!second && second.error().code == Errc::kInUse ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(DataDir, KilledHolder_LeavesItFree) {
  const TempDir dir;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = DataDir::acquire(dir / "data");
    kill(getpid(), held ? SIGKILL : SIGTERM);
    _exit(1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  EXPECT_TRUE(DataDir::acquire(dir / "data"));
}

TEST(DataDir, Released_MayBeAcquiredAgain) {
  const TempDir dir;
  { ASSERT_TRUE(DataDir::acquire(dir / "data")); }
  EXPECT_TRUE(DataDir::acquire(dir / "data"));
}

TEST(DataDir, Moved_KeepsTheLock) {
  const TempDir dir;
  auto first = DataDir::acquire(dir / "data");
  ASSERT_TRUE(first);
  {
    const DataDir moved = std::move(*first);
    EXPECT_EQ(DataDir::acquire(dir / "data").error().code, Errc::kInUse);
  }
  EXPECT_TRUE(DataDir::acquire(dir / "data"));
}

TEST(DataDir, PathBelowARegularFile_IsIo) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto data = DataDir::acquire(dir / "file/data");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, Errc::kIo);
  EXPECT_THAT(data.error().message, HasSubstr(dir / "file"));
}

TEST(DataDir, RegularFileInItsPlace_IsIo) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto data = DataDir::acquire(dir / "file");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code, Errc::kIo);
}

TEST(DataDir, FreeBytes_AreThoseOfTheFileSystem) {
  const TempDir dir;
  const auto data = DataDir::acquire(dir / "data");
  ASSERT_TRUE(data);
  const auto free = data->free_bytes();
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 0U);
}

}  // namespace
}  // namespace payonce::log
