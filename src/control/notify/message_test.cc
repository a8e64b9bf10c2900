// SPDX-License-Identifier: Apache-2.0
#include "control/notify/message.h"

#include <gmock/gmock.h>

#include "control/notify/target.h"

namespace serin::control::notify {
namespace {

using testing::HasSubstr;

Event an_event() {
  return {.id = 7,
          .time = Moment(std::chrono::seconds(1'700'000'000)),
          .service = "story",
          .version = "v2",
          .reason = "Promoted",
          .message = "safe at every step",
          .warning = false};
}

// The example of the specification's own libraries.
TEST(Message, IsSignedAsStandardWebhooksHasIt) {
  const auto secrets = parse_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "secret");
  ASSERT_TRUE(secrets.has_value()) << secrets.error().message;
  const Message message{"msg_p5jXN8AQM9LWM0D4loKWxJek", R"({"test": 2432232314})"};
  EXPECT_EQ(signature_of(message, 1614265330, *secrets),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  const auto two = parse_secrets(
      "# the new one\nwhsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\n"
      "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      "secret");
  EXPECT_THAT(signature_of(message, 1614265330, *two),
              HasSubstr(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
}

TEST(Message, SecretsThatAreNoneAreRefusedWithTheirLine) {
  for (const char* text : {"", "# nothing\n", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA",
                           "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"})
    EXPECT_EQ(parse_secrets(text, "secret").error().code, Code::kInvalidArgument) << text;
  EXPECT_THAT(parse_secrets("\n# x\nwhsec_!\n", "a/secret").error().message,
              HasSubstr("a/secret:3: must be whsec_"));
}

TEST(Message, KeepsItsIdentityAndSaysEverything) {
  const Message message = message_of(an_event());
  EXPECT_EQ(message_of(an_event()).id, message.id);
  EXPECT_EQ(message.id.size(), 36U);
  Event other = an_event();
  other.time += std::chrono::milliseconds(1);
  EXPECT_NE(message_of(other).id, message.id);
  const auto body = parse_json(message.body);
  EXPECT_EQ(body->at("type").as_string(), "Promoted");
  EXPECT_EQ(body->at("timestamp").as_string(), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(body->at("data").at("service").as_string(), "story");
  EXPECT_EQ(body->at("data").at("id").as_int64(), 7);
  EXPECT_THAT(environment_of(an_event(), message),
              testing::Contains(testing::Pair("SERIN_EVENT_MESSAGE", "safe at every step")));
}

TEST(Target, AsksForReasonsAndTheirBeginnings) {
  const Target target{.name = "ops", .events = {"Promoted", "Roll*"}};
  EXPECT_TRUE(wants(target, "Promoted"));
  EXPECT_TRUE(wants(target, "RolledBack"));
  EXPECT_FALSE(wants(target, "PromotedByHand"));
  EXPECT_FALSE(wants(target, "Serving"));
  const Target all{.name = "ops", .events = {"*"}};
  EXPECT_TRUE(wants(all, "Serving"));
  EXPECT_FALSE(wants(all, "WebhookFailed"));
  EXPECT_FALSE(wants(all, "CommandFailed"));
}

TEST(Target, WhatIsStoredAndNoTargetIsAnError) {
  EXPECT_EQ(read_target("[]").error().code, Code::kDataLoss);
  EXPECT_EQ(read_target("{}").error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace serin::control::notify
