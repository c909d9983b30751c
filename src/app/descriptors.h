// app/descriptors.h: how many connections the process may hold open.
#pragma once

#include <cstddef>

namespace payonce::app {

// Raises the process's limit of open descriptors as far as `connections` need it and the system
// permits; returns for how many of them there is room, beside the files that are needed anyway.
[[nodiscard]] std::size_t make_room_for_connections(std::size_t connections);

}  // namespace payonce::app
