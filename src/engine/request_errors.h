// SPDX-License-Identifier: Apache-2.0
// The errors of a request's fields, with their reasons for programs (request.h lists them), and how
// what was sent is shown.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace serin::engine {

inline tl::unexpected<Error> refuse(std::string_view reason, std::string_view param,
                                    std::string message) {
  return fail(Error{Code::kInvalidArgument, std::string(param) + ": " + std::move(message),
                    std::string(reason), std::string(param)});
}
inline tl::unexpected<Error> wrong_type(std::string_view param, std::string message) {
  return refuse("invalid_type", param, std::move(message));
}
inline tl::unexpected<Error> wrong_value(std::string_view param, std::string message) {
  return refuse("invalid_value", param, std::move(message));
}

// What somebody sent, for a message: shortened and escaped.
std::string shown(std::string_view text);
std::string shown(double number);  // 0.5

}  // namespace serin::engine
