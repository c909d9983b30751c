// An operator among the clients, who looks at the list of what has used up its attempts.
#include <string>
#include <vector>

#include "core/index_keys.h"
#include "sim/clients.h"

namespace payonce::sim {
namespace {

constexpr Duration kOperatorEvery = Duration::seconds(600);

}  // namespace

void Clients::plan_operator() {
  world_->after(Duration{random_.between(1, 2 * kOperatorEvery.us)}, [this] {
    operate();
    plan_operator();
  });
}

// Retries what has used up its attempts, as an operator does who looks at the list.
void Clients::operate() {
  Life* life = server_->life();
  if (life == nullptr) {
    return;
  }
  std::vector<std::string> tasks;
  if (auto snapshot = life->state().snapshot()) {
    snapshot->oldest_first(core::Index::kExhausted, {}, [&](std::string_view key, auto) {
      tasks.emplace_back(key);
      return tasks.size() < 50;
    });
  }
  for (const std::string& task : tasks) {
    const auto name = core::parse_task(task);
    if (!name || (!retired_ && random_.chance(50))) {
      continue;
    }
    const std::string id(name->workflow_id);
    switch (name->kind) {
      case core::TaskName::Kind::kCompensation:
        start(core::RetryCompensation{.payment_id = id}, false, id, 3, {});
        break;
      case core::TaskName::Kind::kRefund:
        start(core::RetryRefund{.refund_id = id}, false, id, 3, {});
        break;
      case core::TaskName::Kind::kNotify:
        start(core::RetryNotification{.payment_id = id, .channel = name->channel}, false, id, 3,
              {});
        break;
    }
  }
}

}  // namespace payonce::sim
