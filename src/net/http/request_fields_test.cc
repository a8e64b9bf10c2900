// SPDX-License-Identifier: Apache-2.0
#include "net/http/request_fields.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

using std::chrono::milliseconds;

Result<std::optional<Duration>> asked(std::string_view timeout) {
  RequestHead head;
  head.headers.add("serin-timeout", timeout);
  return requested_timeout(head);
}

TEST(RequestedTimeout, NoneIsNone) { EXPECT_EQ(requested_timeout({}).value(), std::nullopt); }

TEST(RequestedTimeout, ReadsSecondsAndMilliseconds) {
  EXPECT_EQ(asked("250ms").value(), milliseconds(250));
  EXPECT_EQ(asked("1.5s").value(), milliseconds(1500));
  EXPECT_EQ(asked("2").value(), milliseconds(2000));
  EXPECT_EQ(asked("86400").value(), std::chrono::hours(24));
}

TEST(RequestedTimeout, AnythingElseIsRefusedByName) {
  for (const char* text :
       {"", "s", "1m", "1 s", "-1s", "0", "nan", "inf", "86401", "1e300", "soon"}) {
    const auto timeout = asked(text);
    ASSERT_FALSE(timeout) << text;
    EXPECT_EQ(timeout.error().param, "Serin-Timeout");
  }
}

TEST(RequestedTimeout, GrpcHasItsOwn) {
  RequestHead head;
  head.method = "POST";
  head.http2 = true;
  head.headers.add("content-type", "application/grpc");
  head.headers.add("serin-timeout", "nonsense");
  head.headers.add("grpc-timeout", "250m");
  EXPECT_EQ(requested_timeout(head).value(), milliseconds(250));
}

}  // namespace
}  // namespace serin::net
