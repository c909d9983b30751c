// sim/audit.h: what has to be true of a server, its ledger and its gateway.
//
// At any time, between two of its actions:
//   conserved        the accounts of a currency add up to zero, none is overdrawn, no hold is more
//                    than the account has
//   fold_is_state    the state is what a fold of the log up to it gives, row by row and key by key
// At the end, when faults have stopped and every call has been answered:
//   acknowledged     each payment that a client was told of is there, and no other
//   ended            nothing waits any more: no task, no timer, no compensation, no hold
//   one_effect       the gateway holds the money of each payment that succeeded, less its refunds,
//                    and no other money
//   balances         each account has what was deposited, less what it paid, plus what came back
//   fraud            no payment succeeded against its fraud check
//   notified         each end was told at least once on each channel that says so
//   replay           the rules decide every recorded history again as they did
// Owner: one simulation, one thread. Reads only.
#pragma once

#include "sim/clients.h"
#include "sim/gateway.h"
#include "sim/outside.h"
#include "sim/server.h"
#include "sim/world.h"

namespace payonce::sim {

class Audit {
 public:
  Audit(World& world, Server& server, const Clients& clients, const Outside& outside)
      : world_(&world), server_(&server), clients_(&clients), outside_(&outside) {}

  // False when there is nothing to look at: the process is down, or cannot read.
  bool at_any_time();
  // Whether everything has come to its end; if not, why not, for whoever loses patience.
  [[nodiscard]] bool ended(std::string& waits_for);
  void at_the_end();

 private:
  void check_balances(log::StateStore::Snapshot& state);
  void check_fold(log::StateStore::Snapshot& state);
  void check_payments(log::StateStore::Snapshot& state);
  void check_payment(log::StateStore::Snapshot& state, const core::Payment& payment);
  void check_refunds(log::StateStore::Snapshot& state);
  void check_accounts(log::StateStore::Snapshot& state);
  void check_replay(log::StateStore::Snapshot& state);

  World* world_;
  Server* server_;
  const Clients* clients_;
  const Outside* outside_;
};

}  // namespace payonce::sim
