// http/prepared.h: a POST that has been read: its body as a tree, its key as hashes. Private to
// http.
#pragma once

#include <optional>
#include <string>

#include "core/commands.h"
#include "http/api.h"

namespace payonce::http {

struct Api::Prepared {
  Value body;
  std::optional<core::KeyedRequest> keyed;
};

// A place among those who may wait. Bounded, so that waiting requests cannot keep out the others.
class Api::WaitSlot {
 public:
  explicit WaitSlot(std::counting_semaphore<>& slots)
      : slots_(slots.try_acquire() ? &slots : nullptr) {}
  ~WaitSlot() {
    if (slots_ != nullptr) {
      slots_->release();
    }
  }
  WaitSlot(const WaitSlot&) = delete;
  WaitSlot& operator=(const WaitSlot&) = delete;
  [[nodiscard]] explicit operator bool() const { return slots_ != nullptr; }

 private:
  std::counting_semaphore<>* slots_;
};

// What every renderer does with outcomes of the key itself. False: not one of these.
[[nodiscard]] bool render_key_outcome(const core::Outcome& outcome, std::string_view path,
                                      core::Answer& out);

// The machine's answer as a reply.
[[nodiscard]] Reply to_reply(core::Answer&& answer);
void set_problem(core::Answer& out, const Problem& problem, std::string_view path);

}  // namespace payonce::http
