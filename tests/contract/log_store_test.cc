// The rules of every log store, whatever it is made of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <thread>

#include "contract/log_store_contract.h"
#include "support/random.h"

namespace payonce::log {
namespace {

using testing_support::Random;

TEST_P(LogStoreContract, Fresh_IsEmpty) {
  EXPECT_EQ(log->last_seq(), 0U);
  EXPECT_EQ(read(1), Entries{});
}

TEST_P(LogStoreContract, Appended_IsReadBackInOrder) {
  append({"a", "b"});
  append({"c"});
  EXPECT_EQ(log->last_seq(), 3U);
  EXPECT_EQ(read(1), (Entries{"a", "b", "c"}));
}

TEST_P(LogStoreContract, AnyBytes_AreKept) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) {
    all += static_cast<char>(byte);
  }
  append({all, std::string(1, '\0'), "x"});
  EXPECT_EQ(read(1), (Entries{all, std::string(1, '\0'), "x"}));
}

TEST_P(LogStoreContract, Read_StartsAnywhere) {
  append({"a", "b", "c", "d"});
  EXPECT_EQ(read(3), (Entries{"c", "d"}));
  EXPECT_EQ(read(4), Entries{"d"});
}

TEST_P(LogStoreContract, Read_FromZeroIsFromTheBeginning) {
  append({"a", "b"});
  EXPECT_EQ(read(0), (Entries{"a", "b"}));
}

TEST_P(LogStoreContract, Read_BehindTheEndIsNothing) {
  append({"a"});
  EXPECT_EQ(read(2), Entries{});
  EXPECT_EQ(read(1'000'000), Entries{});
}

TEST_P(LogStoreContract, Visit_MayStopEarly) {
  append({"a", "b", "c", "d"});
  EXPECT_EQ(read(1, 2), (Entries{"a", "b"}));
  EXPECT_EQ(read(2, 1), Entries{"b"});
}

TEST_P(LogStoreContract, OtherExpectedEnd_IsInvalidAndWritesNothing) {
  append({"a", "b"});
  for (const core::Seq expected : {core::Seq{0}, core::Seq{1}, core::Seq{3}, core::Seq{1} << 60}) {
    const auto appended = log->append(batch_of({"x"}), expected);
    ASSERT_FALSE(appended) << expected;
    EXPECT_EQ(appended.error().code, Errc::kInvalid);
  }
  EXPECT_EQ(log->last_seq(), 2U);
  EXPECT_EQ(read(1), (Entries{"a", "b"}));
  append({"c"});
  EXPECT_EQ(read(3), Entries{"c"});
}

TEST_P(LogStoreContract, SecondWriterWithTheSameExpectation_IsFencedOff) {
  ASSERT_TRUE(log->append(batch_of({"mine"}), 0));
  EXPECT_EQ(log->append(batch_of({"theirs"}), 0).error().code, Errc::kInvalid);
  EXPECT_EQ(read(1), Entries{"mine"});
}

TEST_P(LogStoreContract, LargeBatch_IsOneAppend) {
  Entries entries;
  for (int i = 0; i < 20'000; ++i) {
    entries.push_back("entry " + std::to_string(i));
  }
  append(entries);
  EXPECT_EQ(log->last_seq(), 20'000U);
  EXPECT_EQ(read(1), entries);
  EXPECT_EQ(read(19'999), (Entries{"entry 19998", "entry 19999"}));
}

TEST_P(LogStoreContract, LargeEntries_AreKept) {
  const Entries entries{std::string(1 << 20, 'x'), "small", std::string(70'000, 'y')};
  append(entries);
  append({"after"});
  EXPECT_EQ(read(1, 3), entries);
  EXPECT_EQ(read(4), Entries{"after"});
}

TEST_P(LogStoreContract, Reader_SeesOnlyWholeBatches_WhileTheyAreAppended) {
  // Batches of three; a reader that starts in between must see 0, 3, 6, … entries.
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) {
      append({"a", "b", "c"});
    }
  });
  std::size_t seen = 0;
  while (seen < 150) {
    const std::size_t before = seen;
    seen = read(1).size();
    EXPECT_EQ(seen % 3, 0U);
    EXPECT_GE(seen, before);
  }
  writer.join();
}

TEST_P(LogStoreContract, LastSeq_IsReadable) {
  for (core::Seq seq = 1; seq <= 20; ++seq) {
    append({"x"});
    EXPECT_EQ(log->last_seq(), seq);
    EXPECT_EQ(read(seq).size(), 1U);
  }
}

TEST_P(LogStoreContract, RandomBatches_AreReadBackFromAnywhere) {
  Random random(1);
  Entries all;
  for (int i = 0; i < 60; ++i) {
    Entries entries;
    for (std::uint64_t left = 1 + random.below(50); left > 0; --left) {
      entries.push_back("x" + random.text(random.chance(5) ? 20'000 : 300));
    }
    append(entries);
    all.insert(all.end(), entries.begin(), entries.end());
    if (GetParam().durable && random.chance(10)) {
      reopen();
    }
  }
  ASSERT_EQ(log->last_seq(), all.size());
  for (int i = 0; i < 20; ++i) {
    const std::size_t from = 1 + random.below(all.size());
    EXPECT_EQ(read(from), Entries(all.begin() + static_cast<std::ptrdiff_t>(from) - 1, all.end()));
  }
}

using DurableLogContract = LogStoreContract;

TEST_P(DurableLogContract, Reopened_HoldsEverything) {
  append({"a", "b"});
  reopen();
  EXPECT_EQ(log->last_seq(), 2U);
  append({"c"});
  reopen();
  EXPECT_EQ(read(1), (Entries{"a", "b", "c"}));
}

TEST_P(DurableLogContract, Reopened_IsFencedAtItsEnd) {
  append({"a", "b"});
  reopen();
  EXPECT_EQ(log->append(batch_of({"x"}), 0).error().code, Errc::kInvalid);
  EXPECT_EQ(log->append(batch_of({"x"}), 1).error().code, Errc::kInvalid);
  EXPECT_TRUE(log->append(batch_of({"x"}), 2));
}

INSTANTIATE_TEST_SUITE_P(Every, LogStoreContract, testing::Values(memory_log(), lmdb_log()),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Every, DurableLogContract, testing::Values(lmdb_log()), name_of);

}  // namespace
}  // namespace payonce::log
