// SPDX-License-Identifier: Apache-2.0
// API keys, what each has used, and who a request's user is.
#include "gateway/access/keys.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "gateway/access/meter.h"
#include "gateway/access/who.h"

namespace serin::gateway {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string key_entry(const std::string& name, const std::string& secret,
                      const std::string& more = "") {
  return "- name: " + name + "\n  hashes: [" + sha256_hex(secret) + "]\n" + more;
}
Result<KeyRing> parse(const std::string& entries) {
  return KeyRing::parse("keys:\n" + entries, "keys.yaml");
}
std::string refusal(const std::string& entries) {
  const auto ring = parse(entries);
  return ring ? "" : ring.error().message;
}

TEST(KeyRing, KnowsKeysByTheirHashes) {
  const auto ring = parse(key_entry("a", "one") + "- name: b\n  hashes:\n  - " + sha256_hex("two") +
                          "\n  - " + sha256_hex("three") + "\n");
  ASSERT_TRUE(ring.has_value()) << ring.error().message;
  EXPECT_EQ(ring->size(), 2U);
  EXPECT_EQ(ring->find("one")->name, "a");
  EXPECT_EQ(ring->find("two")->name, "b");
  EXPECT_EQ(ring->find("three")->name, "b") << "a key that takes another's place";
  for (const std::string& other : {std::string(), std::string("four"), sha256_hex("one")})
    EXPECT_EQ(ring->find(other), nullptr) << other;
}

TEST(KeyRing, ReadsEveryField) {
  const auto ring = parse(key_entry("a", "one",
                                    "  services: [glyphs, 'story*']\n"
                                    "  methods: [GET, POST /v1/chat/*]\n"
                                    "  priority: high\n"
                                    "  expires: 2027-01-31\n"
                                    "  limits: {requestsPerMinute: 60, tokensPerMinute: 1000, "
                                    "concurrency: 2, requestsPerDay: 500, tokensPerDay: 9000}\n"));
  ASSERT_TRUE(ring.has_value()) << ring.error().message;
  const ApiKey& key = *ring->find("one");
  EXPECT_EQ(key.services, (std::vector<std::string>{"glyphs", "story*"}));
  EXPECT_EQ(key.methods, (std::vector<std::string>{"GET", "POST /v1/chat/*"}));
  EXPECT_EQ(key.priority, Priority::kHigh);
  EXPECT_EQ(key.expires->time_since_epoch(), seconds(1'801'353'600));
  EXPECT_EQ(key.limits, (KeyLimits{60, 1000, 2, 500, 9000}));
}

TEST(KeyRing, AFileWithoutKeysLetsNobodyIn) {
  const auto ring = KeyRing::parse("keys: []", "keys.yaml");
  ASSERT_TRUE(ring.has_value());
  EXPECT_EQ(ring->find("one"), nullptr);
}

TEST(KeyRing, SaysWhatIsWrongAndWhere) {
  const std::string good = key_entry("a", "one");
  const std::pair<std::string, std::string> wrong[] = {
      {good + key_entry("a", "two"), "keys.yaml:4:3: keys[1]: another key has this name"},
      {good + key_entry("b", "one"), "keys.yaml:4:3: keys[1]: another key has the hash"},
      {key_entry("a", "one", "  priorty: low\n"),
       "keys.yaml:4:3: keys[0].priorty: is not a field; did you mean priority?"},
      {key_entry("a", "one", "  priority: urgent\n"), "keys.yaml:4:3: keys[0].priority:"},
      {key_entry("a", "one", "  expires: tomorrow\n"), "must be a day, as 2027-01-31"},
      {key_entry("a", "one", "  expires: 2027-02-30\n"), "must be a day"},
      {key_entry("a", "one", "  services: []\n"), "leave it out to allow everything"},
      {key_entry("a", "one", "  services: ['*s']\n"), "has a * that is not its last character"},
      {key_entry("a", "one", "  limits: {concurrency: 0}\n"), "must be from 1"},
      {"- name: a\n  hashes: [secret]\n", "must be SHA-256 in 64 lower-case hex digits"},
      {"- name: a\n  hashes: []\n", "must have 1 to 8 hashes"},
      {"- name: ''\n  hashes: [" + sha256_hex("one") + "]\n", "must not be empty"},
      {"- hashes: [" + sha256_hex("one") + "]\n", "name is missing"},
      {"- a\n", "must be a mapping"}};
  for (const auto& [entries, message] : wrong)
    EXPECT_NE(refusal(entries).find(message), std::string::npos) << refusal(entries);
  EXPECT_FALSE(KeyRing::parse("", "keys.yaml").has_value());
  EXPECT_FALSE(KeyRing::parse("keys: [", "keys.yaml").has_value());
}

class Scope : public ::testing::Test {
 protected:
  std::string may(std::string_view service, std::string_view method, std::string_view path) {
    const auto status = may_call(key_, service, method, path, clock_.wall());
    return status ? "yes" : status.error().reason;
  }
  ManualClock clock_;
  ApiKey key_{.name = "a"};
};

TEST_F(Scope, IsEverythingWhenNothingIsSaid) {
  EXPECT_EQ(may("any", "POST", "/v1/anything"), "yes");
}

TEST_F(Scope, NamesServices) {
  key_.services = {"glyphs", "story*"};
  EXPECT_EQ(may("glyphs", "POST", "/"), "yes");
  EXPECT_EQ(may("storyteller", "POST", "/"), "yes");
  EXPECT_EQ(may("glyphs2", "POST", "/"), "service_not_allowed");
  EXPECT_EQ(may("", "POST", "/"), "service_not_allowed");
}

TEST_F(Scope, NamesMethodsAndPaths) {
  key_.methods = {"GET", "POST /v1/chat/*", "/metadata"};
  EXPECT_EQ(may("s", "GET", "/v1/models"), "yes");
  EXPECT_EQ(may("s", "POST", "/v1/chat/completions"), "yes");
  EXPECT_EQ(may("s", "PUT", "/metadata"), "yes");
  EXPECT_EQ(may("s", "POST", "/v1/completions"), "method_not_allowed");
  EXPECT_EQ(may("s", "DELETE", "/v1/chat/completions"), "method_not_allowed");
  EXPECT_EQ(may("s", "GETS", "/"), "method_not_allowed");
}

TEST_F(Scope, EndsWhenTheKeyExpires) {
  key_.expires = clock_.wall() + seconds(1);
  EXPECT_EQ(may("s", "GET", "/"), "yes");
  clock_.advance(seconds(1));
  EXPECT_EQ(may("s", "GET", "/"), "expired_api_key");
}

class KeyMeter : public ::testing::Test {
 protected:
  Result<Meter::Share> begin(double tokens = 1) {
    return meter_.begin(tokens, clock_.now(), clock_.wall());
  }
  void end(const Meter::Share& share, double tokens) {
    meter_.end(share, tokens, clock_.now(), clock_.wall());
  }
  // A whole request; what refused it, or "".
  std::string request(double tokens = 1) {
    const auto share = begin(tokens);
    if (!share) return share.error().reason;
    end(*share, tokens);
    return "";
  }
  void limit(const KeyLimits& limits) { meter_.set(limits); }

  ManualClock clock_;
  Meter meter_;
};

TEST_F(KeyMeter, BoundsNothingByDefault) {
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(request(1e6), "");
}

TEST_F(KeyMeter, AllowsRequestsPerMinuteAndFillsUpEvenly) {
  limit({.requests_per_minute = 60});
  for (int i = 0; i < 60; ++i) ASSERT_EQ(request(), "");
  const auto refused = begin();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "rate_limited");
  EXPECT_EQ(*refused.error().retry_after, seconds(1));
  clock_.advance(seconds(2));
  EXPECT_EQ(request(), "");
  EXPECT_EQ(request(), "");
  EXPECT_EQ(request(), "rate_limited");
}

TEST_F(KeyMeter, ChargesTheTokensThatWereUsed) {
  limit({.tokens_per_minute = 600});
  const auto share = begin(100);
  ASSERT_TRUE(share.has_value());
  EXPECT_NEAR(meter_.tokens_left(clock_.now()), 500, 1e-6);
  end(*share, 40);
  EXPECT_NEAR(meter_.tokens_left(clock_.now()), 560, 1e-6);
  const auto larger = begin(10);
  end(*larger, 1160);  // 600 more than there were
  EXPECT_NEAR(meter_.tokens_left(clock_.now()), -600, 1e-6);
  const auto refused = begin(10);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "rate_limited");
  EXPECT_EQ(*refused.error().retry_after, seconds(61));
  clock_.advance(seconds(61));
  EXPECT_TRUE(begin(10).has_value());
}

TEST_F(KeyMeter, ARequestThatAsksForMoreThanThereEverIsPassesWhenTheBucketIsFull) {
  limit({.tokens_per_minute = 600});
  EXPECT_EQ(request(1e9), "");
  EXPECT_EQ(request(1), "rate_limited");
}

TEST_F(KeyMeter, BoundsRequestsAtOnce) {
  limit({.concurrency = 2});
  const auto first = begin();
  EXPECT_TRUE(begin().has_value());
  EXPECT_EQ(begin().error().reason, "rate_limited");
  end(*first, 1);
  EXPECT_EQ(meter_.in_flight(), 1);
  EXPECT_TRUE(begin().has_value());
}

TEST_F(KeyMeter, ARefusedRequestCostsNothing) {
  limit({.requests_per_minute = 10, .concurrency = 1});
  const auto share = begin();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(begin().has_value());
  end(*share, 1);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(request(), "");
}

TEST_F(KeyMeter, QuotasLastUntilMidnight) {
  limit({.requests_per_day = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(request(), "");
  const auto refused = begin();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "quota_exceeded");
  const auto left = *refused.error().retry_after;
  EXPECT_GT(left, seconds(0));
  EXPECT_LE(left, std::chrono::hours(24));
  clock_.advance(left - milliseconds(1));
  EXPECT_EQ(request(), "quota_exceeded");
  clock_.advance(milliseconds(1));
  EXPECT_EQ(request(), "");
}

TEST_F(KeyMeter, QuotasOfTokensCountWhatWasUsed) {
  limit({.tokens_per_day = 1000});
  EXPECT_EQ(request(990), "");
  EXPECT_EQ(request(20), "") << "something is left";
  EXPECT_EQ(request(1), "quota_exceeded");
}

TEST_F(KeyMeter, ARequestOverMidnightCountsWhereItEnds) {
  limit({.tokens_per_day = 1000});
  const auto share = begin(900);
  clock_.advance(std::chrono::hours(24));
  end(*share, 995);
  EXPECT_EQ(request(1), "");
  EXPECT_EQ(request(10), "");
  EXPECT_EQ(request(1), "quota_exceeded");
}

TEST_F(KeyMeter, SaysWhatARequestCountsForToday) {
  const auto share = begin(900);
  const auto today = meter_.end(*share, 5, clock_.now(), clock_.wall());
  EXPECT_EQ(today.requests, 1);
  EXPECT_EQ(today.tokens, 5);
  const auto late = begin(900);
  clock_.advance(std::chrono::hours(24));
  const auto tomorrow = meter_.end(*late, 7, clock_.now(), clock_.wall());
  EXPECT_EQ(tomorrow.requests, 0) << "it was counted when it began";
  EXPECT_EQ(tomorrow.tokens, 7);
}

TEST_F(KeyMeter, OtherLimitsKeepWhatWasUsed) {
  limit({.requests_per_minute = 10});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(request(), "");
  limit({.requests_per_minute = 12});
  EXPECT_EQ(request(), "");
  EXPECT_EQ(request(), "");
  EXPECT_EQ(request(), "rate_limited");
}

TEST(EstimatedTokens, AreThePromptAndTheAnswerThatIsAskedFor) {
  EXPECT_EQ(estimated_tokens(400, 50), 151);
  EXPECT_EQ(estimated_tokens(0, -5), 1);
}

TEST(Who, IsNamedInOrder) {
  net::Headers headers{{"x-user", "header-user"}};
  Identity identity{.key = "team-a", .issuer = "https://id", .subject = "ada"};
  const auto body = [] { return std::string("body-user"); };
  const auto named = [&](std::string_view header) {
    const User user = user_of(header, headers, identity, body);
    return std::string(name_of(user.by)) + " " + user.name;
  };
  EXPECT_EQ(named("x-user"), "header header-user");
  EXPECT_EQ(named("x-other"), "token https://id#ada");
  identity.subject.clear();
  EXPECT_EQ(named(""), "key team-a");
  identity.key.clear();
  EXPECT_EQ(named(""), "body body-user");
}

TEST(Who, ReadsTheBodyOnlyWhereNothingElseNamesSomebody) {
  bool read = false;
  const auto body = [&] {
    read = true;
    return std::string();
  };
  const Identity known{.key = "team-a", .issuer = {}, .subject = {}};
  EXPECT_EQ(user_of("", {}, known, body).by, NamedBy::kKey);
  EXPECT_FALSE(read);
  EXPECT_EQ(user_of("", {}, {}, body).by, NamedBy::kNothing);
  EXPECT_TRUE(read);
}

TEST(Who, HasOneWordForWhoseARequestIs) {
  EXPECT_EQ(Identity{}.client(), "");
  EXPECT_EQ((Identity{.key = "a", .issuer = {}, .subject = {}}.client()), "key:a");
  EXPECT_EQ((Identity{.key = {}, .issuer = "https://id", .subject = "a"}.client()),
            "jwt:https://id#a");
}

}  // namespace
}  // namespace serin::gateway
