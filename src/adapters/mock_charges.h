// adapters/mock_charges.h: what the mock gateway decides about a call, and its own set of books.
//
// The decision follows from the payment method and the attempt alone, and from the book where there
// is one. The book is kept when there is a journal or `remember` asks for it; then a key is taken
// at most once, the same key has the same answer, and a key that was undone is never taken again.
// The journal is one JSON line a call, outside the data directory, by which an auditor can count
// what was taken and what was given back:
//   {"key":K,"amount":A,"currency":C,"attempt":N,"outcome":O,"repeat":B,"op":"charge"|"inquire"|
//    "void"|"refund"|"callback"} and, where they apply, "payment_method", "refund" (the id of a
//    refund of a part) and "answered":false
// Taken: a charge that is "confirmed" and no repeat; attempt 0 is no call, but what a callback is
// about to say. Given back: a void or refund that is "done" and no repeat; "nothing" was done where
// this book had taken nothing, so there was nothing to give back.
// Threads: all functions from any thread, after open(). Memory: without a book, none.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

// Words in the `detail` of replies that mean more to the caller than their text.
inline constexpr std::string_view kMockUnknownKey = "unknown_key";
inline constexpr std::string_view kMockKeyReused = "key_reused";
inline constexpr std::string_view kMockVoided = "voided";
inline constexpr std::string_view kMockRefunded = "refunded";

class MockCharges {
 public:
  // What the book knows about a key.
  struct Charge {
    Money amount;
    std::string method;       // empty when it was undone before it was charged
    std::uint32_t calls = 0;  // charges under this key
    bool accepted = false;
    bool taken = false;
    bool undone = false;  // voided, or given back as a whole
    bool told = false;    // the callback about it has been delivered
    std::int64_t returned_minor = 0;
  };

  MockCharges(double failure_rate, bool remember) : failure_rate_(failure_rate), keeps_(remember) {}
  ~MockCharges();
  MockCharges(const MockCharges&) = delete;
  MockCharges& operator=(const MockCharges&) = delete;

  // Reads the book out of the journal, and appends to it from now on. Errors: the file cannot be
  // opened, or holds a line that is none of ours.
  [[nodiscard]] Result<void> open(const std::string& journal);

  // An attempt of 0 stands for the number of calls that the book has seen.
  [[nodiscard]] core::RecordGatewayReply charge(const core::CallGateway& call);
  [[nodiscard]] core::RecordInquiryReply inquire(const core::InquireGateway& call);
  [[nodiscard]] core::RecordUndoReply undo(const core::UndoAtGateway& call);
  [[nodiscard]] core::RecordRefundReply refund(const core::RefundAtGateway& call);

  // An accepted charge becomes a taken one, right before its callback says so. False: it has been
  // undone, and there is nothing to tell.
  [[nodiscard]] bool capture(const std::string& key);
  void mark_told(const std::string& key);

  [[nodiscard]] std::optional<Charge> find(const std::string& key) const;
  // Charges with pm_async whose callback has not been delivered.
  [[nodiscard]] std::vector<std::string> untold() const;

 private:
  struct Line;

  [[nodiscard]] Result<void> replay(std::string_view text, const std::string& journal);
  void apply(const Line& line);
  void write(const Line& line);
  [[nodiscard]] core::GatewayReply charge_in_book(const core::CallGateway& call,
                                                  std::string& detail);
  [[nodiscard]] core::RefundReply refund_in_book(const core::RefundAtGateway& call,
                                                 std::string& detail);

  double failure_rate_;
  bool keeps_;
  int journal_fd_ = -1;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Charge> book_;  // guarded by mutex_
  std::unordered_set<std::string> refunds_;       // ids of refunds made; guarded by mutex_
};

}  // namespace payonce::adapters
