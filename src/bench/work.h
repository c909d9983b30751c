// bench/work.h: what the generator sends, and what it makes of the answers.
//
// The generator knows connections and times, a Work knows requests. The load, opening accounts and
// reading them are three of them. All on the generator's thread.
#pragma once

#include <cstdint>
#include <string>

#include "bench/response.h"

namespace payonce::bench {

enum class Outcome : std::uint8_t {
  kOk,           // the right answer
  kShed,         // refused with 503 and Retry-After
  kWrong,        // any other answer
  kSocketError,  // the connection ended before the answer did, or the answer was no HTTP
  kTimeout,      // no answer in time
  kNotSent,      // was due and never left
};
inline constexpr std::size_t kOutcomes = 6;

// What a Work wants to know again when the answer is there.
struct Ticket {
  std::uint64_t subject = 0;  // for instance the number of the payment
  std::uint8_t kind = 0;
};

struct Judgement {
  Outcome outcome = Outcome::kOk;
  const char* complaint = nullptr;  // what is wrong with an answer whose status is right
};

class Work {
 public:
  Work() = default;
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  virtual ~Work() = default;

  // Appends request `sequence` as it goes over the wire. Called right before it is sent, in the
  // order of the numbers; in a closed loop again for a request that was shed.
  virtual Ticket write(std::uint64_t sequence, std::string& out) = 0;
  virtual Judgement judge(const Ticket& ticket, const Response& response) = 0;
  // The request was sent, at least in part, and there will be no answer.
  virtual void lost(const Ticket& ticket) = 0;
};

}  // namespace payonce::bench
