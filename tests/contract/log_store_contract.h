// Every log store, and what the tests of their common rules need.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "log/lmdb_log.h"
#include "log/log_store.h"
#include "log/memory_log.h"
#include "support/temp_dir.h"

namespace payonce::log {

// Makes a log, and knows whether it can be closed and opened again.
struct Maker {
  std::string name;
  bool durable = false;
  std::function<std::unique_ptr<LogStore>(const std::string& dir)> open;
};

inline Maker memory_log() {
  return {"Memory", false, [](const std::string&) { return std::make_unique<MemoryLog>(); }};
}

inline Maker lmdb_log() {
  return {"Lmdb", true, [](const std::string& dir) -> std::unique_ptr<LogStore> {
            auto opened = LmdbLog::open(dir, std::uint64_t{256} << 20);
            EXPECT_TRUE(opened) << opened.error().message;
            return opened ? std::move(*opened) : nullptr;
          }};
}

using Entries = std::vector<std::string>;

class LogStoreContract : public testing::TestWithParam<Maker> {
 protected:
  void SetUp() override {
    log = GetParam().open(dir / "log");
    ASSERT_NE(log, nullptr);
  }
  void reopen() {
    log.reset();
    log = GetParam().open(dir / "log");
    ASSERT_NE(log, nullptr);
  }
  static Batch batch_of(const Entries& entries) {
    Batch batch;
    for (const std::string& entry : entries) {
      batch.bytes += entry;
      batch.ends.push_back(batch.bytes.size());
    }
    return batch;
  }
  void append(const Entries& entries) {
    const auto appended = log->append(batch_of(entries), log->last_seq());
    ASSERT_TRUE(appended) << appended.error().message;
  }
  // Entries from `from` on, at most `max`; checks that they are numbered densely.
  Entries read(core::Seq from, std::size_t max = 1'000'000) const {
    Entries entries;
    core::Seq next = std::max<core::Seq>(from, 1);
    const auto done = log->read(from, [&](core::Seq seq, std::string_view bytes) {
      EXPECT_EQ(seq, next++);
      entries.emplace_back(bytes);
      return entries.size() < max;
    });
    EXPECT_TRUE(done);
    return entries;
  }

  testing_support::TempDir dir;
  std::unique_ptr<LogStore> log;
};

inline std::string name_of(const testing::TestParamInfo<Maker>& made) { return made.param.name; }

}  // namespace payonce::log
