// SPDX-License-Identifier: Apache-2.0
// What stands somewhere in JSON that is not ours and may be anything. Pure.
#pragma once

#include <string_view>

#include "base/json.h"

namespace serin {

// What is at a JSON pointer ("/metadata/name"); null where nothing is.
const json::value* value_at(const json::value& value, std::string_view pointer);
// The text there; empty where there is none.
std::string_view text_at(const json::value& value, std::string_view pointer);

}  // namespace serin
