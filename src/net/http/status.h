// SPDX-License-Identifier: Apache-2.0
// The one mapping between error codes and HTTP statuses, after google.rpc.Code.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace serin::net {

// 400, 401, 403, 404, 409, 429, 499 (the client went away), 500, 501, 503, 504.
// Three reasons go before the code: "body_too_large" is 413, "slow_client" is 408, "bad_upstream"
// is 502.
std::uint16_t http_status(const Error& error);
Code code_of_http_status(std::uint16_t status);

}  // namespace serin::net
