// tests/crash/disk_model.h: which files a power cut may leave, given the calls that wrote them.
//
// The rules: what was written to a file before a sync of it began, and that sync has returned, is
// there; so is what was written to a descriptor with O_DSYNC once that write has returned. Of all
// other writes that have begun any may be there, in any order, whole or in part by sectors. A name
// is there once its directory was synced after it; before that it may be. Files are independent of
// each other.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/random.h"
#include "trace_format.h"

namespace payonce::crash {

struct Record {
  Head head;
  std::string bytes;
  std::size_t end = SIZE_MAX;  // place of the record that says that it returned
};

// All records of a trace, in order; those of kind kEnd are linked to their calls.
[[nodiscard]] std::vector<Record> read_trace(const std::string& file);

enum class Draw : std::uint8_t {
  kNone,      // nothing that was not synced
  kAll,       // everything, in order
  kSubset,    // some writes, in order
  kShuffled,  // some writes, in any order
  kTorn,      // some sectors of some writes
  kHeads,     // the writes of the first two pages alone
  kBodies,    // all others
};
inline constexpr std::size_t kDraws = 7;
[[nodiscard]] const char* name(Draw draw);

struct File {
  std::string path;   // where it is
  std::string bytes;  // what is in it
};

// The LMDB files of a trace.
class Disk {
 public:
  // A disk that lies says that it has synced, and has not.
  Disk(const std::vector<Record>& records, bool lying);

  // What there may be when the power went right before record `cut`; a file whose name never got
  // there is left out. `draws[i]` is for the i-th file by inode.
  [[nodiscard]] std::vector<File> after_cut(std::size_t cut, const std::vector<Draw>& draws,
                                            testing_support::Random& random) const;
  [[nodiscard]] std::size_t files() const { return histories_.size(); }
  // Entries in the newest commit of the log that was complete before record `cut`.
  [[nodiscard]] std::uint64_t durable_entries(std::size_t cut, const std::string& log_file) const;

 private:
  struct History {
    std::vector<std::size_t> changes;  // places of writes and truncations
    std::vector<std::size_t> syncs;
    std::vector<std::pair<std::size_t, std::string>> paths;  // from which record on
  };

  [[nodiscard]] bool settled(const History& history, std::size_t change, std::size_t cut) const;
  [[nodiscard]] std::string content(const History& history, std::size_t cut, Draw draw,
                                    testing_support::Random& random) const;
  [[nodiscard]] std::string path(const History& history, std::size_t cut,
                                 testing_support::Random& random) const;

  const std::vector<Record>* records_;
  bool lying_;
  std::map<std::uint64_t, History> histories_;  // by inode
  std::vector<std::size_t> renames_;
  std::vector<std::size_t> directory_syncs_;
};

}  // namespace payonce::crash
