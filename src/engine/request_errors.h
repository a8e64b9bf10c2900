// SPDX-License-Identifier: Apache-2.0
// The errors of a request's fields, with their reasons for programs (request.h lists them).
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/shown.h"

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

}  // namespace serin::engine
