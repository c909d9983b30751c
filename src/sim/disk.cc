#include "sim/disk.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/ids.h"

namespace payonce::sim {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::size_t kWord = 8;
constexpr std::size_t kHeader = 3 * kWord;  // bytes behind it, checksum of those, entries

void put_word(std::string& out, std::uint64_t value) {
  for (std::size_t i = 0; i < kWord; ++i) {
    out.push_back(static_cast<char>(value >> (8 * i)));
  }
}

std::uint64_t word_at(std::string_view bytes, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kWord; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[offset + i])) << (8 * i);
  }
  return value;
}

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t sum = bytes.size();
  for (const char c : bytes) {
    sum = mix64(sum ^ static_cast<unsigned char>(c));
  }
  return sum;
}

std::string frame_of(const log::Batch& batch) {
  std::string body;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    put_word(body, batch.entry(i).size());
    body += batch.entry(i);
  }
  std::string frame;
  put_word(frame, body.size());
  put_word(frame, checksum(body));
  put_word(frame, batch.size());
  return frame + body;
}

}  // namespace

void Disk::reopen() {
  dead_ = false;
  broken_ = false;
  entries_.resize(synced_entries_);
  while (take_frame(synced_)) {
  }
  synced_entries_ = entries_.size();
  file_.resize(synced_);
}

bool Disk::take_frame(std::size_t& offset) {
  const std::string_view bytes = file_;
  if (bytes.size() - offset < kHeader) {
    return false;
  }
  const std::size_t size = word_at(bytes, offset);
  if (size == 0 || size > bytes.size() - offset - kHeader ||
      checksum(bytes.substr(offset + kHeader, size)) != word_at(bytes, offset + kWord)) {
    return false;
  }
  std::size_t at = offset + kHeader;
  for (std::uint64_t left = word_at(bytes, offset + 2 * kWord); left > 0; --left) {
    const std::size_t entry = word_at(bytes, at);
    entries_.push_back({at + kWord, entry});
    at += kWord + entry;
  }
  PAYONCE_ASSERT(at == offset + kHeader + size);
  offset = at;
  return true;
}

Result<void> Disk::append(const log::Batch& batch, core::Seq expected_last) {
  if (dead_) {
    return fail(Errc::kIo, "the process has ended");
  }
  if (last_seq() != expected_last) {
    return fail(Errc::kInvalid, "the log ends elsewhere");
  }
  if (batch.empty()) {
    drop(log::drop_quota(0));
    return {};
  }
  ++commits_;
  if (random_.chance_ppm(world_->rates.commit_slow)) {
    world_->spend(Duration{random_.magnitude(Duration::seconds(20).us)});
  }
  const std::string frame = frame_of(batch);
  const bool crash = random_.chance_ppm(world_->rates.crash_at_commit);
  const bool fails = full_ || random_.chance_ppm(world_->rates.commit_fails);
  if (crash || fails) {
    // Nobody knows how much of it is there, the process least of all.
    if (random_.chance_ppm(world_->rates.torn)) {
      write_torn(frame);
    } else if (random_.chance(50)) {
      file_ += frame;
    }
    dead_ = crash;
    broken_ = true;
    if (crash) {
      on_crash_();
    }
    return fail(full_ ? Errc::kFull : Errc::kIo, "the commit failed");
  }
  drop(log::drop_quota(batch.size()));
  // Behind a write that failed nothing is reached any more, though it looks written until then.
  std::size_t offset = file_.size();
  file_ += frame;
  PAYONCE_ASSERT(take_frame(offset));
  if (!broken_) {
    synced_ = offset;
    synced_entries_ = entries_.size();
  }
  return {};
}

void Disk::write_torn(const std::string& frame) {
  const std::size_t start = file_.size();
  file_ += frame;
  for (std::size_t sector = start / kSector; sector * kSector < file_.size(); ++sector) {
    if (random_.chance(50)) {
      const std::size_t from = std::max(sector * kSector, start);
      const std::size_t to = std::min((sector + 1) * kSector, file_.size());
      std::fill(file_.begin() + static_cast<std::ptrdiff_t>(from),
                file_.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    }
  }
}

void Disk::drop(std::size_t quota) {
  const core::Seq floor = std::min<core::Seq>(floor_, last_seq());
  const core::Seq from = log::oldest_droppable(first_);
  if (from < floor) {
    first_ = std::min<core::Seq>(floor, from + quota);
  }
}

Result<void> Disk::read(core::Seq from, const Visit& visit) const {
  if (random_.chance_ppm(world_->rates.read_fails)) {
    return fail(Errc::kIo, "the log cannot be read");
  }
  const core::Seq last = last_seq();
  for (core::Seq seq = std::max<core::Seq>(from, 1); seq <= last; ++seq) {
    if (seq != 1 && seq < first_) {
      return log::dropped_error(seq, first_);
    }
    if (!visit(seq, entry(seq))) {
      return {};
    }
  }
  return {};
}

std::string_view Disk::entry(core::Seq seq) const {
  const Place& place = entries_[seq - 1];
  return std::string_view(file_).substr(place.offset, place.size);
}

}  // namespace payonce::sim
