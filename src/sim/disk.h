// sim/disk.h: a log on a disk that loses what was not synced, and that outlives the process.
//
// A commit writes one frame behind the others: its length, a checksum, the entries. A crash may cut
// it short: then any of its 512-byte sectors are there (Fault::kTorn). Opening looks for the first
// frame that is not whole and cuts the file there; so a commit is there as a whole or not at all,
// which is what LogStore promises and LMDB's pages do on the real disk.
// After a commit that failed, what is written behind its remains is lost with the next start,
// unless all of it had come through, or nothing: whoever goes on all the same is found out. Owner:
// one simulation, one thread. Everything is kept aside as well, for those who check.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "log/log_store.h"
#include "sim/world.h"

namespace payonce::sim {

class Disk final : public log::LogStore {
 public:
  explicit Disk(World& world) : world_(&world), random_(world.random.fork()) {}

  // A process has started, and reads what is there.
  void reopen();
  // The process has died: it writes nothing any more.
  void cut_off() { dead_ = true; }
  [[nodiscard]] bool dead() const { return dead_; }
  // Called where a commit is the moment at which the process dies.
  void set_on_crash(std::function<void()> on_crash) { on_crash_ = std::move(on_crash); }
  void set_full(bool full) { full_ = full; }

  [[nodiscard]] Result<void> append(const log::Batch& batch, core::Seq expected_last) override;
  [[nodiscard]] Result<void> read(core::Seq from, const Visit& visit) const override;
  [[nodiscard]] core::Seq last_seq() const override { return entries_.size(); }
  [[nodiscard]] core::Seq first_seq() const override { return first_; }
  void drop_below(core::Seq floor) override { floor_ = floor; }

  // Everything that ever became durable, dropped or not; for those who check.
  [[nodiscard]] std::string_view entry(core::Seq seq) const;
  [[nodiscard]] std::uint64_t commits() const { return commits_; }

 private:
  struct Place {
    std::size_t offset;
    std::size_t size;
  };

  void write_torn(const std::string& frame);
  // The entries of the frame at `offset`; false: it is not whole.
  [[nodiscard]] bool take_frame(std::size_t& offset);
  void drop(std::size_t quota);

  World* world_;
  mutable Random random_;
  std::function<void()> on_crash_;
  std::string file_;
  std::vector<Place> entries_;
  core::Seq first_ = 1;
  core::Seq floor_ = 0;
  std::size_t synced_ = 0;  // bytes of whole frames that no failed write precedes
  std::size_t synced_entries_ = 0;
  std::uint64_t commits_ = 0;
  bool dead_ = false;
  bool broken_ = false;  // a write has failed in this life
  bool full_ = false;
};

}  // namespace payonce::sim
