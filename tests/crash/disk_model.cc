#include "disk_model.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace payonce::crash {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::uint64_t kHeadsEnd = 2 * 4096;

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_head(const Record& record) {
  return record.head.kind == Kind::kWrite && record.head.offset < kHeadsEnd;
}

void put(std::string& bytes, std::uint64_t offset, std::string_view what) {
  if (bytes.size() < offset + what.size()) {
    bytes.resize(offset + what.size(), '\0');
  }
  std::memcpy(bytes.data() + offset, what.data(), what.size());
}

void apply(std::string& bytes, const Record& record) {
  if (record.head.kind == Kind::kTruncate) {
    bytes.resize(record.head.offset, '\0');
  } else {
    put(bytes, record.head.offset, record.bytes);
  }
}

// Some of the sectors that a write touches.
void apply_torn(std::string& bytes, const Record& record, testing_support::Random& random) {
  if (record.head.kind == Kind::kTruncate) {
    return;
  }
  const std::string_view what = record.bytes;
  for (std::size_t done = 0; done < what.size();) {
    const std::uint64_t at = record.head.offset + done;
    const std::size_t size = std::min(kSector - at % kSector, what.size() - done);
    if (random.chance(50)) {
      put(bytes, at, what.substr(done, size));
    }
    done += size;
  }
}

}  // namespace

std::vector<Record> read_trace(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<Record> records;
  std::map<std::uint64_t, std::size_t> calls;
  Head head;
  while (in.read(reinterpret_cast<char*>(&head), sizeof head)) {
    Record record{.head = head, .bytes = std::string(head.size, '\0')};
    if (!in.read(record.bytes.data(), static_cast<std::streamsize>(head.size))) {
      throw std::runtime_error("the trace ends in the middle of a record");
    }
    if (head.kind == Kind::kEnd) {
      const auto failed = static_cast<std::int64_t>(head.offset) < 0;
      if (!failed) {
        records.at(calls.at(head.call)).end = records.size();
      }
    } else if (head.call != 0) {
      calls[head.call] = records.size();
    }
    records.push_back(std::move(record));
  }
  return records;
}

const char* name(Draw draw) {
  constexpr const char* kNames[kDraws] = {"none", "all",   "subset", "shuffled",
                                          "torn", "heads", "bodies"};
  return kNames[static_cast<std::size_t>(draw)];
}

Disk::Disk(const std::vector<Record>& records, bool lying) : records_(&records), lying_(lying) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    switch (record.head.kind) {
      case Kind::kFile:
        if (record.bytes.ends_with("/data.mdb")) {
          histories_[record.head.file].paths.emplace_back(i, record.bytes);
        }
        break;
      case Kind::kRename:
        renames_.push_back(i);
        break;
      case Kind::kSyncDir:
        directory_syncs_.push_back(i);
        break;
      case Kind::kWrite:
      case Kind::kTruncate:
        if (const auto found = histories_.find(record.head.file); found != histories_.end()) {
          found->second.changes.push_back(i);
        }
        break;
      case Kind::kSync:
        if (const auto found = histories_.find(record.head.file); found != histories_.end()) {
          found->second.syncs.push_back(i);
        }
        break;
      case Kind::kSend:
      case Kind::kEnd:
      case Kind::kOther:
        break;
    }
  }
}

bool Disk::settled(const History& history, std::size_t change, std::size_t cut) const {
  const Record& record = (*records_)[change];
  if (lying_ || record.end >= cut) {
    return false;
  }
  return record.head.durable != 0 || std::ranges::any_of(history.syncs, [&](std::size_t sync) {
           return sync > record.end && (*records_)[sync].end < cut;
         });
}

std::string Disk::content(const History& history, std::size_t cut, Draw draw,
                          testing_support::Random& random) const {
  std::string bytes;
  std::vector<std::size_t> open;
  std::uint64_t longest = 0;
  for (const std::size_t change : history.changes) {
    const Record& record = (*records_)[change];
    if (change >= cut) {
      break;
    }
    longest = std::max(longest, record.head.offset + record.bytes.size());
    if (settled(history, change, cut)) {
      apply(bytes, record);
    } else {
      open.push_back(change);
    }
  }
  if (draw == Draw::kShuffled) {
    for (std::size_t i = open.size(); i > 1; --i) {
      std::swap(open[i - 1], open[random.below(i)]);
    }
  }
  const unsigned share = 10 + 10 * static_cast<unsigned>(random.below(9));
  for (const std::size_t change : open) {
    const Record& record = (*records_)[change];
    const bool whole = draw == Draw::kAll || (draw == Draw::kHeads && is_head(record)) ||
                       (draw == Draw::kBodies && !is_head(record)) ||
                       ((draw == Draw::kSubset || draw == Draw::kShuffled) && random.chance(share));
    if (whole) {
      apply(bytes, record);
    } else if (draw == Draw::kTorn && random.chance(share)) {
      apply_torn(bytes, record, random);
    }
  }
  // The length may have got to the disk although the bytes have not.
  if (!open.empty() && draw != Draw::kNone && random.chance(30) && bytes.size() < longest) {
    bytes.resize(longest, '\0');
  }
  return bytes;
}

std::string Disk::path(const History& history, std::size_t cut,
                       testing_support::Random& random) const {
  std::string now;
  for (const auto& [from, path] : history.paths) {
    if (from < cut && now.empty()) {
      now = path;
    }
  }
  for (const std::size_t rename : renames_) {
    const Record& record = (*records_)[rename];
    const std::size_t zero = record.bytes.find('\0');
    const std::string from = record.bytes.substr(0, zero);
    const std::string to = record.bytes.substr(zero + 1);
    if (rename >= cut || from != now) {
      continue;
    }
    const bool synced = std::ranges::any_of(directory_syncs_, [&](std::size_t sync) {
      const Record& call = (*records_)[sync];
      return sync > record.end && call.end < cut && call.bytes == directory_of(to);
    });
    if (synced || random.chance(50)) {
      now = to;
    }
  }
  return now;
}

std::vector<File> Disk::after_cut(std::size_t cut, const std::vector<Draw>& draws,
                                  testing_support::Random& random) const {
  std::vector<File> files;
  std::size_t number = 0;
  for (const auto& [inode, history] : histories_) {
    const Draw draw = draws.at(number++);
    File file{.path = path(history, cut, random), .bytes = {}};
    if (!file.path.empty()) {
      file.bytes = content(history, cut, draw, random);
      files.push_back(std::move(file));
    }
  }
  return files;
}

std::uint64_t Disk::durable_entries(std::size_t cut, const std::string& log_file) const {
  // Of a head LMDB writes what follows its address: the size of the map, two databases, …
  constexpr std::size_t kEntriesAt = 8 + 48 + 32;
  std::uint64_t entries = 0;
  for (const auto& [inode, history] : histories_) {
    if (history.paths.back().second != log_file) {
      continue;
    }
    for (const std::size_t change : history.changes) {
      const Record& record = (*records_)[change];
      if (record.head.durable != 0 && is_head(record) && record.end < cut &&
          record.bytes.size() >= kEntriesAt + sizeof entries) {
        std::uint64_t said = 0;
        std::memcpy(&said, record.bytes.data() + kEntriesAt, sizeof said);
        entries = std::max(entries, said);
      }
    }
  }
  return entries;
}

}  // namespace payonce::crash
