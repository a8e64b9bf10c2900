// SPDX-License-Identifier: Apache-2.0
// HMAC with SHA-256 (RFC 2104). Pure, safe from any thread.
#pragma once

#include <string>
#include <string_view>

namespace serin {

std::string hmac_sha256(std::string_view key, std::string_view bytes);  // 32 bytes

}  // namespace serin
