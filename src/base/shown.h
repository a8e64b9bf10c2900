// SPDX-License-Identifier: Apache-2.0
// What somebody wrote or sent, as messages repeat it. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace serin {

// In double quotes, escaped as in JSON, and shortened when it is long.
std::string shown(std::string_view text);
// The shortest that reads back as the same: 0.5.
std::string shown(double number);

}  // namespace serin
