// app/descriptors.h: how many connections and calls the process may hold open.
//
// Threads: the main thread, before it serves. Errors: none; where the system does not say what it
// permits, what is wanted is taken to fit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace payonce::app {

// What takes a descriptor each.
struct Descriptors {
  std::size_t connections = 0;    // of clients
  std::size_t gateway_calls = 0;  // in flight, over HTTP
  std::size_t fraud_calls = 0;    // likewise

  bool operator==(const Descriptors&) const = default;
};

// What of that fits into `room`. Where it is too little, clients give way first, since they can be
// told to come again; calls give way, each kind by its share, where they would take more than half.
// At least one of each that is wanted.
[[nodiscard]] Descriptors fit(const Descriptors& wanted, std::size_t room);

// Raises the process's limit of open descriptors as far as that needs it and the system permits;
// returns what there is room for, beside the files that are needed anyway.
[[nodiscard]] Descriptors make_room_for(const Descriptors& wanted);

}  // namespace payonce::app
