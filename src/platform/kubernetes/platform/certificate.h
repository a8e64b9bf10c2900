// SPDX-License-Identifier: Apache-2.0
// Certificates that vouch for themselves: of a server whose clients are told which one to believe,
// and so need no authority. ECDSA on P-256.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::platform::kubernetes {

using WallTime = std::chrono::system_clock::time_point;

struct KeyPair {
  std::string certificate, key;  // PEM
};

// For a server of that name, valid from a while ago, for clocks differ, until `until`.
Result<KeyPair> make_certificate(const std::string& name, WallTime now, WallTime until);

// Until when the first certificate of a PEM text is valid; empty where it has none.
std::optional<WallTime> valid_until(std::string_view certificate);

// 256 random bits in hexadecimal: a secret that nobody guesses.
Result<std::string> make_token();

}  // namespace serin::platform::kubernetes
