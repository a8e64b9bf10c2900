// SPDX-License-Identifier: Apache-2.0
#include "net/http/status.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

TEST(HttpStatus, MapsEveryCode) {
  const std::pair<Code, int> rows[] = {
      {Code::kCancelled, 499},          {Code::kUnknown, 500},
      {Code::kInvalidArgument, 400},    {Code::kDeadlineExceeded, 504},
      {Code::kNotFound, 404},           {Code::kAlreadyExists, 409},
      {Code::kPermissionDenied, 403},   {Code::kResourceExhausted, 429},
      {Code::kFailedPrecondition, 400}, {Code::kAborted, 409},
      {Code::kOutOfRange, 400},         {Code::kUnimplemented, 501},
      {Code::kInternal, 500},           {Code::kUnavailable, 503},
      {Code::kDataLoss, 500},           {Code::kUnauthenticated, 401}};
  for (const auto& [code, status] : rows)
    EXPECT_EQ(http_status({code, ""}), status) << name_of(code);
}

TEST(HttpStatus, LetsTheReasonOfALimitGoBeforeTheCode) {
  EXPECT_EQ(http_status({Code::kResourceExhausted, "", "body_too_large"}), 413);
  EXPECT_EQ(http_status({Code::kOutOfRange, "", "body_too_large"}), 413);
  EXPECT_EQ(http_status({Code::kDeadlineExceeded, "", "slow_client"}), 408);
  EXPECT_EQ(http_status({Code::kResourceExhausted, "", "out_of_memory"}), 503);
}

TEST(HttpStatus, GivesBackACodeForAStatus) {
  for (const int status : {400, 401, 403, 404, 429, 499, 500, 501, 503, 504})
    EXPECT_EQ(http_status({code_of_http_status(static_cast<std::uint16_t>(status)), ""}), status);
  EXPECT_EQ(code_of_http_status(418), Code::kFailedPrecondition);
  EXPECT_EQ(code_of_http_status(599), Code::kInternal);
  EXPECT_EQ(code_of_http_status(200), Code::kUnknown);
}

}  // namespace
}  // namespace serin::net
