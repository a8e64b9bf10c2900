// SPDX-License-Identifier: Apache-2.0
// Errors are values: what went wrong, whose fault it was, where, and what a caller may do about it.
// Codes are gRPC's canonical set; net/http_status.h and the exit codes in cli/ map them, once each.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace serin {

// https://grpc.io/docs/guides/status-codes/ with the same numbers.
enum class Code : std::uint8_t {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// "INVALID_ARGUMENT" and so on.
std::string_view name_of(Code code);

struct Error {
  Code code = Code::kUnknown;
  // A sentence for a person: what was wrong, where, and what would be right.
  std::string message;
  // For programs, stable across releases ("queue_full"); empty where the code says it all.
  std::string reason = {};
  // The field of the request or file at fault ("inputs[2].labels"); empty where there is none.
  std::string param = {};
  // How long to wait before a retry can help; unset where a retry does not help.
  std::optional<std::chrono::milliseconds> retry_after = {};

  // The same error, said to have happened while doing `what`: "what: message".
  Error within(std::string_view what) && {
    message.insert(0, ": ");
    message.insert(0, what);
    return std::move(*this);
  }
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(Code code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> invalid(std::string message, std::string param = {}) {
  return tl::unexpected<Error>(
      Error{Code::kInvalidArgument, std::move(message), {}, std::move(param)});
}

}  // namespace serin

// Leaves the function with the error, or goes on. Not inside a coroutine: use co_return there.
#define SERIN_TRY(expression)                                                 \
  do {                                                                        \
    if (auto serin_try_ = (expression); !serin_try_) [[unlikely]]             \
      return ::tl::unexpected<::serin::Error>(std::move(serin_try_).error()); \
  } while (false)

#define SERIN_TRY_CONCAT_(a, b) a##b
#define SERIN_TRY_CONCAT(a, b) SERIN_TRY_CONCAT_(a, b)
#define SERIN_TRY_ASSIGN_(temporary, target, expression)                   \
  auto temporary = (expression);                                           \
  if (!temporary) [[unlikely]]                                             \
    return ::tl::unexpected<::serin::Error>(std::move(temporary).error()); \
  target = *std::move(temporary)
// SERIN_TRY_ASSIGN(auto text, read_file(path)); declares or assigns, or leaves with the error.
#define SERIN_TRY_ASSIGN(target, expression) \
  SERIN_TRY_ASSIGN_(SERIN_TRY_CONCAT(serin_try_value_, __LINE__), target, expression)
