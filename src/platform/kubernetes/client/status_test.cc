// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/status.h"

#include <gtest/gtest.h>

#include "platform/kubernetes/client/api_server_for_test.h"

namespace serin::platform::kubernetes {
namespace {

TEST(Refusals, HaveTheCodeThatSaysWhatToDo) {
  struct Case {
    std::uint16_t status;
    const char* reason;
    Code code;
  };
  for (const Case& one : {
           Case{400, "BadRequest", Code::kInvalidArgument},
           Case{401, "Unauthorized", Code::kUnauthenticated},
           Case{403, "Forbidden", Code::kPermissionDenied},
           Case{404, "NotFound", Code::kNotFound},
           Case{405, "MethodNotAllowed", Code::kUnimplemented},
           Case{409, "AlreadyExists", Code::kAlreadyExists},
           Case{409, "Conflict", Code::kAborted},
           Case{410, "Gone", Code::kOutOfRange},
           Case{410, "Expired", Code::kOutOfRange},
           Case{410, "", Code::kOutOfRange},
           Case{422, "Invalid", Code::kInvalidArgument},
           Case{429, "TooManyRequests", Code::kResourceExhausted},
           Case{500, "InternalError", Code::kInternal},
           Case{500, "ServerTimeout", Code::kUnavailable},
           Case{503, "ServiceUnavailable", Code::kUnavailable},
           Case{504, "Timeout", Code::kDeadlineExceeded},
       }) {
    const Error error = error_of(refusal(one.status, one.reason, "said so"));
    EXPECT_EQ(error.code, one.code) << one.status << one.reason;
    EXPECT_EQ(error.reason, one.reason);
    EXPECT_EQ(error.message, "said so");
  }
}

TEST(Refusals, NameTheFieldsOfTheirCauses) {
  const Error error = error_of(refusal(422, "Invalid", "no",
                                       {{{"field", "spec.replicas"}},
                                        {{"reason", "x"}},
                                        {{"field", "spec.a"}},
                                        7,
                                        {{"field", "spec.replicas"}},
                                        {{"field", "spec"}}}));
  EXPECT_EQ(error.param, "spec.replicas, spec.a, spec");
}

TEST(Refusals, SayWhenToComeBack) {
  net::Response busy = refusal(429, "TooManyRequests");
  EXPECT_FALSE(error_of(busy).retry_after.has_value());
  busy.headers.add("retry-after", "2");
  EXPECT_EQ(error_of(busy).retry_after, std::chrono::seconds(2));
  busy.headers.set("retry-after", "999999999");
  EXPECT_EQ(error_of(busy).retry_after, std::chrono::hours(1));
  for (const char* none : {"-1", "soon", "", "99999999999999999999"}) {
    busy.headers.set("retry-after", none);
    EXPECT_FALSE(error_of(busy).retry_after.has_value()) << none;
  }
}

TEST(Refusals, OfAProxyBetweenUsAreShown) {
  const Error error = error_of(net::Response{502, {}, "<html>bad gateway</html>"});
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.message, "the API server answered 502: <html>bad gateway</html>");
  EXPECT_EQ(error_of(net::Response{500, {}, R"({"kind":"Status"})"}).message,
            "the API server answered 500");
}

TEST(Refusals, OfAWatchAreOfItsLastEvent) {
  EXPECT_EQ(error_of_status({{"reason", "Expired"}, {"code", 410}}).code, Code::kOutOfRange);
  EXPECT_EQ(error_of_status({{"code", 410}}).code, Code::kOutOfRange);
  EXPECT_EQ(error_of_status({{"code", "410"}}).code, Code::kInternal);
}

TEST(Repeating, IsForWhatWasNotDoneOrIsTheSameTwice) {
  const auto may = [](Code code, bool answered, bool repeatable, bool comes_back = false) {
    Error error{code, ""};
    if (comes_back) error.retry_after = std::chrono::seconds(1);
    return may_repeat(error, answered, repeatable);
  };
  const bool network = false, server = true, safe = true, once = false;
  EXPECT_TRUE(may(Code::kUnavailable, network, once));
  EXPECT_FALSE(may(Code::kAborted, network, once));
  EXPECT_TRUE(may(Code::kAborted, network, safe));
  EXPECT_FALSE(may(Code::kDeadlineExceeded, network, safe));
  EXPECT_FALSE(may(Code::kCancelled, network, safe));
  EXPECT_TRUE(may(Code::kResourceExhausted, server, once, true));
  EXPECT_FALSE(may(Code::kResourceExhausted, server, safe));  // an eviction that a budget forbids
  for (const Code trouble : {Code::kInternal, Code::kUnavailable, Code::kDeadlineExceeded}) {
    EXPECT_TRUE(may(trouble, server, safe));
    EXPECT_FALSE(may(trouble, server, once));
  }
  for (const Code refused : {Code::kNotFound, Code::kAborted, Code::kAlreadyExists,
                             Code::kPermissionDenied, Code::kInvalidArgument})
    EXPECT_FALSE(may(refused, server, safe));
}

}  // namespace
}  // namespace serin::platform::kubernetes
