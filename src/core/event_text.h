// core/event_text.h: an event as text, "name{field=value, …}": to compare two and to show them.
#pragma once

#include <string>

#include "core/record.h"

namespace payonce::core {

[[nodiscard]] std::string to_text(const Event& event);

}  // namespace payonce::core
