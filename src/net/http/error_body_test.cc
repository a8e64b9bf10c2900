// SPDX-License-Identifier: Apache-2.0
#include "net/http/error_body.h"

#include <gmock/gmock.h>

namespace serin::net {
namespace {

using std::chrono::milliseconds;

TEST(ErrorBody, HasOpenAisShape) {
  const Error error{Code::kInvalidArgument, "n must be small", "invalid_value", "n"};
  const json::value wanted = json::parse(
      R"({"error":{"message":"n must be small","type":"invalid_request_error","param":"n","code":"invalid_value"}})");
  EXPECT_EQ(json::value(error_object(error)), wanted);
}

TEST(ErrorBody, NamesTheCanonicalCodeWhereThereIsNoReason) {
  const json::object body = error_object({Code::kDeadlineExceeded, "late"});
  EXPECT_EQ(body.at("error").at("code"), "deadline_exceeded");
  EXPECT_EQ(body.at("error").at("type"), "server_error");
  EXPECT_TRUE(body.at("error").at("param").is_null());
}

TEST(ErrorBody, TypesAreThoseThatClientsKnow) {
  auto type = [](Code code) {
    return std::string(error_object({code, "x"}).at("error").at("type").as_string());
  };
  EXPECT_EQ(type(Code::kUnauthenticated), "authentication_error");
  EXPECT_EQ(type(Code::kPermissionDenied), "permission_error");
  EXPECT_EQ(type(Code::kNotFound), "not_found_error");
  EXPECT_EQ(type(Code::kResourceExhausted), "rate_limit_error");
  EXPECT_EQ(type(Code::kInternal), "server_error");
}

TEST(ErrorBody, SaysInWholeSecondsWhenToComeBack) {
  Error error{Code::kResourceExhausted, "full", "queue_full"};
  EXPECT_FALSE(error_response(error).headers.find("retry-after"));
  for (const auto& [wait, said] : {std::pair{0, "1"}, {1, "1"}, {1000, "1"}, {1001, "2"}}) {
    error.retry_after = milliseconds(wait);
    EXPECT_EQ(error_response(error).headers.get("retry-after"), said);
  }
  EXPECT_EQ(error_response(error).status, 429);
}

TEST(ErrorBody, AsksForAKeyWhereOneIsMissing) {
  EXPECT_EQ(error_response({Code::kUnauthenticated, "x"}).headers.get("www-authenticate"),
            "Bearer");
  EXPECT_EQ(error_response({Code::kNotFound, "x"}).headers.get("www-authenticate"), "");
}

TEST(ErrorBody, SaysInAStreamWhetherARetryCanHelp) {
  const std::string lost = error_event({Code::kUnavailable, "going", "draining"});
  EXPECT_TRUE(lost.starts_with("event: error\ndata: {")) << lost;
  EXPECT_THAT(lost, testing::HasSubstr(R"("retryable":true)"));
  EXPECT_THAT(error_event({Code::kInvalidArgument, "wrong"}),
              testing::HasSubstr(R"("retryable":false)"));
}

TEST(ErrorBody, OnlyWhatMaySucceedLaterIsRetryable) {
  EXPECT_TRUE(retryable({Code::kUnavailable, ""}));
  EXPECT_TRUE(retryable({Code::kResourceExhausted, ""}));
  EXPECT_TRUE(retryable({Code::kAborted, ""}));
  EXPECT_FALSE(retryable({Code::kInternal, ""}));
  EXPECT_FALSE(retryable({Code::kDeadlineExceeded, ""}));
}

}  // namespace
}  // namespace serin::net
