// base/assert.h: the assertion that stays on.
//
// An assertion marks a bug of ours. Nothing that a client, a gateway or a disk can send may reach
// one: such input is refused by a Result or by a closed enum before it gets that far.
// A failed assertion writes one line to standard error and aborts the process; the log makes that
// safe, since nothing is acknowledged before it is durable.
#pragma once

namespace payonce {

// Writes the line and aborts. Kept out of line so that a check costs one compare and one jump.
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace payonce

#define PAYONCE_ASSERT(condition)                                  \
  do {                                                             \
    if (!(condition)) [[unlikely]] {                               \
      ::payonce::assertion_failed(#condition, __FILE__, __LINE__); \
    }                                                              \
  } while (false)
