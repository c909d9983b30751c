// sim/clients.h: the people and programs that use the server, and what they remember of it.
//
// They open accounts, deposit, pay, cancel, refund, look, decide fraud checks, pass callbacks on
// and retry exhausted tasks. A call is repeated under its key until it is answered, as a careful
// client does. Whatever they are told is held against what they were told before:
//   acknowledged     what was acknowledged is found ever after
//   linearizable     no answer shows an older state than an answer that came before its request,
//                    nor another status at the same version
//   same_answer      a key has one answer, byte for byte, until it expires
//   key_expiry       a key is free again once it has expired, and not before
//   unexpected       no answer that nothing explains
// Owner: one simulation, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/commands.h"
#include "core/machine.h"
#include "sim/server.h"
#include "sim/setup.h"
#include "sim/world.h"

namespace payonce::sim {

// Writes an outcome as "kind version status", and the workflow's id as the location.
class Plain final : public core::Renderer {
 public:
  void render(const core::Outcome& outcome, core::Answer& out) override;
};

class Clients {
 public:
  struct Paid {
    std::string user;
    std::int64_t minor = 0;
  };

  Clients(World& world, Server& server, const Setup& setup);

  void begin();
  void retire();  // nothing new from now on; what has been begun is brought to its end
  [[nodiscard]] bool done() const { return calls_open_ == 0; }

  // The gateway's callback arrives at the server's door, again and again until it is taken.
  void pass_on(const core::RecordCallback& callback);

  // For those who check at the end, when every call has been answered.
  [[nodiscard]] const std::map<std::string, Paid>& payments() const { return payments_; }
  [[nodiscard]] const std::map<std::string, std::int64_t>& deposited() const { return deposited_; }
  [[nodiscard]] const std::set<std::string>& cancelled() const { return cancelled_; }
  [[nodiscard]] const std::set<std::string>& refunds() const { return refunds_; }
  [[nodiscard]] const std::set<std::string>& approved() const { return approved_; }
  [[nodiscard]] const std::set<std::string>& rejected() const { return rejected_; }
  [[nodiscard]] std::uint64_t answers() const { return answers_; }

 private:
  // One thing that a client wants done, however often it has to ask.
  struct Call {
    std::uint64_t number = 0;
    core::Input input;
    std::string subject;      // what it is about, for the trace
    std::uint64_t floor = 0;  // of the payment's version, when the request left
    std::uint32_t tries = 0;
    std::uint32_t tries_max = 0;  // 0: until it is answered
    bool answered = false;
    std::function<void(const Server::Reply&)> on_answer;  // not for refusals
    // Of a call whose key expires while there are still clients; by the wall clock.
    bool brief = false;
    bool again = false;  // or under a key that such a call has used
    std::int64_t made_us = 0;
    std::uint64_t jumps = 0;  // of the clock, before it
    std::int64_t handled_us =
        0;                     // the latest that the server's time can have been at its last answer
    std::uint32_t flying = 0;  // copies that the server has yet to answer
  };
  using CallPtr = std::shared_ptr<Call>;

  void start(core::Command command, bool keyed, std::string subject, std::uint32_t tries_max,
             std::function<void(const Server::Reply&)> on_answer);
  void start(const CallPtr& call);
  [[nodiscard]] CallPtr make_call(core::Command command, std::string subject);
  static void take_key(Call& call);
  void attempt(const CallPtr& call);
  void arrive(const CallPtr& call);
  void hear(const CallPtr& call, const Server::Reply& reply);
  void finish(const CallPtr& call);
  void retry_later(const CallPtr& call);
  void check_key(const Call& call, const Server::Reply& reply);

  void open_account(std::uint32_t number);
  void plan_payments();
  void deposit();
  void pay();
  [[nodiscard]] core::CreatePayment new_payment(const std::string& user, bool named);
  void pay_briefly();
  void use_again(const CallPtr& first);
  void judge_again(const Call& first, const Call& again, core::OutcomeKind kind);
  [[nodiscard]] bool surely_holds(const Call& call) const;
  void follow(const std::string& payment);
  void look_at(const std::string& payment);
  void cancel(const std::string& payment);
  void refund(const std::string& payment);
  void decide(const std::string& payment);
  void plan_operator();
  void operate();
  void accepted(const Server::Reply& reply, const Paid& paid);
  void saw(const std::string& payment, std::uint64_t version, std::string_view status,
           std::uint64_t floor);
  [[nodiscard]] Duration travel();
  [[nodiscard]] std::string any_account();

  World* world_;
  Random random_;
  Server* server_;
  const Setup* setup_;
  Plain plain_;
  bool retired_ = false;
  std::uint64_t next_call_ = 0;
  std::uint64_t calls_open_ = 0;
  std::uint64_t answers_ = 0;
  std::map<std::string, Paid> payments_;           // acknowledged
  std::map<std::string, std::int64_t> deposited_;  // by account, with the opening balance
  std::set<std::string> cancelled_;                // payments whose cancel was accepted
  std::set<std::string> refunds_;                  // accepted
  std::set<std::string> approved_;                 // payments that a person has approved
  std::set<std::string> rejected_;                 // payments that a person has rejected
  std::set<std::string> waiting_;                  // payments to look at when there is a server
  std::map<std::string, std::uint64_t> versions_;  // newest seen of each payment
  std::map<std::pair<std::string, std::uint64_t>, std::string> statuses_;  // seen at each version
  std::map<std::uint64_t, core::Answer> answered_;  // first answer of each keyed call
};

}  // namespace payonce::sim
