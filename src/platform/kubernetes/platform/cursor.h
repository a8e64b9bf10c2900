// SPDX-License-Identifier: Apache-2.0
// How far the evidence of each of several gateways has been read, as one text that the control
// plane keeps: "POD-UID:NUMBER,POD-UID:NUMBER". Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::platform::kubernetes {

using Cursor = std::map<std::string, std::uint64_t>;  // by uid

// kInvalidArgument for what is none. An empty text is the beginning.
Result<Cursor> read_cursor(std::string_view text);
std::string write_cursor(const Cursor& cursor);

}  // namespace serin::platform::kubernetes
