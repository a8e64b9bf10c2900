// SPDX-License-Identifier: Apache-2.0
// The reasons of events that anybody can be told of. docs/notifications.md says what each is about.
#pragma once

#include <span>
#include <string_view>

#include "base/error.h"

namespace serin::control::notify {

std::span<const std::string_view> reasons();

// Of a target's `events`; '*' at its end stands for anything. kInvalidArgument for one that no
// reason fits, with the one that was meant.
Status check_pattern(std::string_view pattern);

}  // namespace serin::control::notify
