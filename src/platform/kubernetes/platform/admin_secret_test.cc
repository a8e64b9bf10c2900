// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/admin_secret.h"

#include <gmock/gmock.h>

#include "base/base64.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

const WallTime kNow = std::chrono::system_clock::now();
constexpr auto kDay = 24h;

json::object made(const json::value& live = nullptr, WallTime now = kNow) {
  const auto secret = admin_secret_of(live, "shop", now);
  EXPECT_TRUE(secret) << secret.error().message;
  return *secret;
}
std::string data(const json::object& secret, std::string_view key) {
  const json::value* found = secret.at("data").as_object().if_contains(key);
  return found == nullptr ? "" : *from_base64(found->as_string());
}

TEST(AdminSecret, StaysAsItIsWhileItIsGood) {
  const json::object first = made();
  EXPECT_EQ(first.at("metadata").at("name"), "serin-gateway-admin");
  EXPECT_EQ(data(first, "token").size(), 64U);
  EXPECT_EQ(made(first), first);
  EXPECT_EQ(made(first, kNow + 200 * kDay), first);
}

TEST(AdminSecret, HasAnotherCertificateLongBeforeTheFirstEndsAndBelievesBoth) {
  const json::object first = made();
  const json::object second = made(first, kNow + 300 * kDay);
  EXPECT_NE(data(second, "tls.crt"), data(first, "tls.crt"));
  EXPECT_NE(data(second, "tls.key"), data(first, "tls.key"));
  EXPECT_EQ(data(second, "token"), data(first, "token"));
  const auto before = *admin_access_of(first, "shop"), after = *admin_access_of(second, "shop");
  EXPECT_EQ(before.server_name, "serin-gateway.shop");
  EXPECT_THAT(after.authorities, HasSubstr(data(first, "tls.crt")));
  EXPECT_THAT(after.authorities, HasSubstr(data(second, "tls.crt")));
  EXPECT_NE(after.digest, before.digest);
  EXPECT_EQ(made(second, kNow + 300 * kDay), second);
}

TEST(AdminSecret, IsMadeWholeWhereSomebodyHasTakenAPartAway) {
  const json::object whole = made();
  for (const char* key : {"tls.crt", "tls.key", "token"}) {
    SCOPED_TRACE(key);
    json::object live = whole;
    live["data"].as_object().erase(key);
    const json::object again = made(live);
    EXPECT_NE(data(again, key), "");
    EXPECT_NE(data(again, key), data(whole, key));
    EXPECT_TRUE(admin_access_of(again, "shop"));
  }
  json::object spoilt = whole;
  spoilt["data"] = "no";
  EXPECT_TRUE(admin_access_of(made(spoilt), "shop"));
  EXPECT_EQ(admin_access_of(spoilt, "shop").error().code, Code::kFailedPrecondition);
}

}  // namespace
}  // namespace serin::platform::kubernetes
