// SPDX-License-Identifier: Apache-2.0
#include "net/http/status.h"

namespace serin::net {

std::uint16_t http_status(const Error& error) {
  if (error.reason == "body_too_large") return 413;
  if (error.reason == "slow_client") return 408;
  if (error.reason == "out_of_memory") return 503;  // the caller asked for nothing too often
  if (error.reason == "bad_upstream") return 502;
  switch (error.code) {
    case Code::kCancelled:
      return 499;
    case Code::kUnknown:
      return 500;
    case Code::kInvalidArgument:
      return 400;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
      return 409;
    case Code::kPermissionDenied:
      return 403;
    case Code::kResourceExhausted:
      return 429;
    case Code::kFailedPrecondition:
      return 400;
    case Code::kAborted:
      return 409;
    case Code::kOutOfRange:
      return 400;
    case Code::kUnimplemented:
      return 501;
    case Code::kInternal:
      return 500;
    case Code::kUnavailable:
      return 503;
    case Code::kDataLoss:
      return 500;
    case Code::kUnauthenticated:
      return 401;
  }
  return 500;
}

Code code_of_http_status(std::uint16_t status) {
  switch (status) {
    case 400:
    case 405:
    case 406:
    case 411:
    case 414:
    case 415:
    case 417:
    case 422:
    case 431:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
    case 410:
      return Code::kNotFound;
    case 408:
    case 504:
      return Code::kDeadlineExceeded;
    case 409:
      return Code::kAborted;
    case 412:
      return Code::kFailedPrecondition;
    case 413:
    case 416:
      return Code::kOutOfRange;
    case 429:
      return Code::kResourceExhausted;
    case 499:
      return Code::kCancelled;
    case 500:
      return Code::kInternal;
    case 501:
      return Code::kUnimplemented;
    case 502:
    case 503:
      return Code::kUnavailable;
    default:
      break;
  }
  if (status >= 500) return Code::kInternal;
  return status >= 400 ? Code::kFailedPrecondition : Code::kUnknown;
}

}  // namespace serin::net
