// A gateway that knows the truth: what it took and gave back under each key, whatever of its
// answers is lost, late, or told twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::core {

class GatewayModel {
 public:
  enum class Charge : std::uint8_t { kUnknown, kPending, kCaptured, kDeclined, kGivenBack };

  // Each carries out the task as `how` says and returns its answer; 0 is always a good one.
  [[nodiscard]] Command run(const CallGateway& task, unsigned how) {
    Charge& charge = charges_[task.payment_id];
    RecordGatewayReply answer{
        .payment_id = task.payment_id, .attempt = task.attempt, .reply = {}, .detail = "gw"};
    if (charge == Charge::kUnknown) {
      answer.reply = first_call(charge, how);
      return answer;
    }
    called_after_void = called_after_void || charge == Charge::kGivenBack;
    answer.reply = how % 3 == 1                  ? GatewayReply::kNoAnswer
                   : charge == Charge::kCaptured ? GatewayReply::kConfirmed
                   : charge == Charge::kPending  ? GatewayReply::kAccepted
                                                 : GatewayReply::kDeclined;
    return answer;
  }
  [[nodiscard]] Command run(const InquireGateway& task, unsigned how) const {
    const Charge charge = of(task.payment_id);
    const InquiryReply truth = charge == Charge::kCaptured  ? InquiryReply::kConfirmed
                               : charge == Charge::kPending ? InquiryReply::kAccepted
                               : charge == Charge::kUnknown ? InquiryReply::kUnknownKey
                                                            : InquiryReply::kDeclined;
    return RecordInquiryReply{.payment_id = task.payment_id,
                              .inquiry = task.inquiry,
                              .reply = how % 3 == 1 ? InquiryReply::kNoAnswer : truth,
                              .detail = "gw"};
  }
  // 1: done, but the answer is lost; 2: not done; 3: a charge that is pending is let go on,
  // although the answer says otherwise.
  [[nodiscard]] Command run(const UndoAtGateway& task, unsigned how) {
    Charge& charge = charges_[task.payment_id];
    const unsigned way = how % 4;
    const bool keeps = way == 2 || (way == 3 && charge == Charge::kPending);
    if (!keeps && (charge == Charge::kCaptured || charge == Charge::kPending)) {
      charge = Charge::kGivenBack;
    }
    return RecordUndoReply{.payment_id = task.payment_id,
                           .call = task.call,
                           .reply = way == 1 || way == 2 ? UndoReply::kFailed : UndoReply::kDone,
                           .detail = "gw"};
  }
  [[nodiscard]] Command run(const RefundAtGateway& task, unsigned how) {
    RecordRefundReply answer{.refund_id = task.refund_id,
                             .call = task.call,
                             .reply = RefundReply::kConfirmed,
                             .detail = "gw"};
    const auto key = std::pair(task.payment_id, task.refund_id);
    const unsigned way = refunds_.contains(key) ? how % 2 : how % 4;
    if (way <= 1) {
      refunds_[key] = task.amount.minor;
    }
    answer.reply = way == 0   ? RefundReply::kConfirmed
                   : way == 3 ? RefundReply::kDeclined
                              : RefundReply::kFailed;
    return answer;
  }

  // What is pending is settled; false when nothing was. A decline may turn into a capture.
  bool settle(const std::string& payment_id, bool captured) {
    Charge& charge = charges_[payment_id];
    const bool turns = charge == Charge::kDeclined && captured && was_pending_[payment_id];
    if (charge != Charge::kPending && !turns) {
      return false;
    }
    was_pending_[payment_id] = true;
    charge = captured ? Charge::kCaptured : Charge::kDeclined;
    callbacks.push_back(RecordCallback{
        .payment_id = payment_id,
        .outcome = captured ? CallbackOutcome::kConfirmed : CallbackOutcome::kDeclined,
        .reference = "gw",
        .reason = "no",
        .webhook_id = "wh_" + std::to_string(callbacks.size())});
    return true;
  }

  [[nodiscard]] Charge of(const std::string& payment_id) const {
    const auto found = charges_.find(payment_id);
    return found == charges_.end() ? Charge::kUnknown : found->second;
  }
  // What it has of the payment's money.
  [[nodiscard]] std::int64_t has(const std::string& payment_id, std::int64_t amount) const {
    std::int64_t sum = of(payment_id) == Charge::kCaptured ? amount : 0;
    for (const auto& [key, given_back] : refunds_) {
      sum -= key.first == payment_id ? given_back : 0;
    }
    return sum;
  }

  std::vector<RecordCallback> callbacks;  // every one that was ever due
  bool called_after_void = false;

 private:
  static GatewayReply first_call(Charge& charge, unsigned how) {
    switch (how % 8) {
      case 0:
        charge = Charge::kCaptured;
        return GatewayReply::kConfirmed;
      case 1:
        charge = Charge::kCaptured;
        return GatewayReply::kNoAnswer;
      case 2:
        charge = Charge::kDeclined;
        return GatewayReply::kDeclined;
      case 3:
        return GatewayReply::kTemporaryFailure;
      case 4:
        return GatewayReply::kNoAnswer;
      case 5:
        charge = Charge::kPending;
        return GatewayReply::kNoAnswer;
      case 6:
        return GatewayReply::kRefused;
      default:
        charge = Charge::kPending;
        return GatewayReply::kAccepted;
    }
  }

  std::map<std::string, Charge> charges_;
  std::map<std::string, bool> was_pending_;
  std::map<std::pair<std::string, std::string>, std::int64_t> refunds_;
};

}  // namespace payonce::core
