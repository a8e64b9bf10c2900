// SPDX-License-Identifier: Apache-2.0
// The door with real files, and with a server of token keys that a test plays.
#include "gateway/access/door.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/digest.h"
#include "base/eventually_for_test.h"
#include "base/files.h"
#include "gateway/access/signer_for_test.h"

namespace serin::gateway {
namespace {

using std::chrono::seconds;

constexpr char kUri[] = "https://id.example/keys";
constexpr char kDocument[] = "https://id.example/.well-known/openid-configuration";

// Of doors that have nothing to fetch.
Result<std::string> nothing(const std::string&, const CancelToken&) { return std::string(); }

class AccessDoor : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(*TemporaryDirectory::create());
    rules_.key_file = folder_->path() / "keys.yaml";
    write("one");
    use();
  }
  void write(const std::string& secret, const std::string& more = "") {
    ASSERT_TRUE(write_file(rules_.key_file,
                           "keys:\n- name: team\n  hashes: [" + sha256_hex(secret) + "]\n" + more)
                    .has_value());
  }
  void use() {
    door_.use({rules_});
    door_.refresh();
  }
  void want_tokens() {
    rules_.jwt_rules = {
        {.issuer = "https://id.example", .audiences = {}, .jwks_uri = kUri, .jwks_file = {}}};
    use();
  }
  std::string token(const Signer& signer, const std::string& issuer = "https://id.example") const {
    return signer.token(R"({"iss":")" + issuer + R"(","sub":"ada","exp":)" +
                        std::to_string(unix_seconds(clock_) + 6000) + "}");
  }

  Result<Pass> enter(const net::Headers& headers) {
    net::RequestHead head;
    head.method = "POST";
    head.headers = headers;
    return door_.enter(rules_, head, "glyphs", "/generate");
  }
  Result<Pass> with(const std::string& proof) {
    return enter({{"authorization", "Bearer " + proof}});
  }
  std::string reason(const Result<Pass>& pass) { return pass ? "in" : pass.error().reason; }

  ManualClock clock_;
  Signer signer_{JwtAlgorithm::kEdDsa, "k1"};
  Result<std::string> served_ = signer_.jwks();
  std::string document_ = R"({"issuer":"https://id.example","jwks_uri":"https://id.example/keys"})";
  int fetched_ = 0;
  std::optional<TemporaryDirectory> folder_;
  AccessRules rules_;
  Door door_{clock_,
             [this](const std::string& url, const CancelToken&) -> Result<std::string> {
               ++fetched_;
               if (url == kDocument) return document_;
               EXPECT_EQ(url, kUri);
               return served_;
             },
             false};
};

TEST_F(AccessDoor, IsOpenWhereNothingIsAsked) {
  rules_ = {};
  const auto pass = enter({});
  ASSERT_TRUE(pass.has_value());
  EXPECT_EQ(pass->identity.client(), "");
  EXPECT_EQ(pass->account, nullptr);
}

TEST_F(AccessDoor, LetsKeysInThatItKnows) {
  const auto pass = with("one");
  ASSERT_TRUE(pass.has_value());
  EXPECT_EQ(pass->identity.client(), "key:team");
  EXPECT_EQ(reason(enter({{"x-api-key", "one"}})), "in");
  EXPECT_EQ(reason(with("two")), "invalid_api_key");
  EXPECT_EQ(reason(enter({})), "invalid_api_key");
  EXPECT_EQ(reason(enter({{"authorization", "Basic b25l"}})), "invalid_api_key");
  EXPECT_EQ(enter({}).error().message, "this service wants a key: Authorization: Bearer KEY");
}

TEST_F(AccessDoor, ChangesKeysWithoutARestart) {
  write("two");
  EXPECT_EQ(reason(with("one")), "in") << "until it has looked";
  door_.refresh();
  EXPECT_EQ(reason(with("one")), "invalid_api_key");
  EXPECT_EQ(reason(with("two")), "in");
}

TEST_F(AccessDoor, KeepsTheLastKeysThatCouldBeRead) {
  ASSERT_TRUE(write_file(rules_.key_file, "keys: [nonsense").has_value());
  door_.refresh();
  EXPECT_EQ(reason(with("one")), "in");
  std::filesystem::remove(rules_.key_file);
  door_.refresh();
  EXPECT_EQ(reason(with("one")), "in");
  write("three");
  door_.refresh();
  EXPECT_EQ(reason(with("three")), "in");
}

TEST_F(AccessDoor, LetsNobodyInWithoutAFileOfKeys) {
  rules_.key_file = folder_->path() / "missing";
  use();
  const auto refused = with("one");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "keys_unavailable");
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
}

TEST_F(AccessDoor, HoldsKeysToTheirScopes) {
  write("one", "  services: [prose]\n");
  door_.refresh();
  EXPECT_EQ(reason(with("one")), "service_not_allowed");
}

TEST_F(AccessDoor, CountsAKeyAcrossRequestsAndChangesOfTheFile) {
  write("one", "  limits: {requestsPerMinute: 2}\n");
  door_.refresh();
  EXPECT_TRUE(with("one")->account->begin(1, clock_).has_value());
  EXPECT_TRUE(with("one")->account->begin(1, clock_).has_value());
  EXPECT_EQ(with("one")->account->begin(1, clock_).error().reason, "rate_limited");
  write("two", "  limits: {requestsPerMinute: 3}\n");
  door_.refresh();
  EXPECT_TRUE(with("two")->account->begin(1, clock_).has_value()) << "one more than before";
  EXPECT_EQ(with("two")->account->begin(1, clock_).error().reason, "rate_limited");
  EXPECT_EQ(with("two")->account->left(clock_).requests, 3);
}

TEST_F(AccessDoor, GoesOnWithQuotasWhereTheOneBeforeItWasKilled) {
  write("one", "  limits: {requestsPerDay: 3, tokensPerDay: 100}\n");
  const auto uses = [&](Door& door, double tokens) {
    net::RequestHead head;
    head.headers = {{"authorization", "Bearer one"}};
    const auto pass = door.enter(rules_, head, "glyphs", "/generate");
    if (!pass) return pass.error().reason;
    const auto share = pass->account->begin(1, clock_);
    if (!share) return share.error().reason;
    pass->account->end(*share, tokens, clock_);
    return std::string("in");
  };
  const auto next = [&] {
    auto door = std::make_unique<Door>(clock_, nothing, false, folder_->path() / "quotas");
    door->use({rules_});
    return door;
  };
  EXPECT_EQ(uses(*next(), 50), "in");
  const auto second = next();
  EXPECT_EQ(uses(*second, 10), "in");
  EXPECT_EQ(uses(*second, 10), "in");
  EXPECT_EQ(uses(*next(), 1), "quota_exceeded") << "of requests";
  write("one", "  limits: {requestsPerDay: 10, tokensPerDay: 70}\n");
  EXPECT_EQ(uses(*next(), 1), "quota_exceeded") << "of tokens";
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(uses(*next(), 1), "in");
}

TEST_F(AccessDoor, CountsWhatTheGatewayBeforeItStillUses) {
  write("one", "  limits: {requestsPerDay: 3}\n");
  Door old(clock_, nothing, false, folder_->path() / "quotas");
  Door young(clock_, nothing, false, folder_->path() / "quotas");
  const auto account_in = [&](Door& door) {
    door.use({rules_});
    net::RequestHead head;
    head.headers = {{"authorization", "Bearer one"}};
    return door.enter(rules_, head, "glyphs", "/generate")->account;
  };
  const auto before = account_in(old), after = account_in(young);
  const auto last = before->begin(1, clock_), first = after->begin(1, clock_);
  ASSERT_TRUE(last && first);
  after->end(*first, 1, clock_);
  before->end(*last, 1, clock_);
  young.refresh();
  EXPECT_TRUE(after->begin(1, clock_).has_value());
  EXPECT_EQ(after->begin(1, clock_).error().reason, "quota_exceeded");
}

TEST_F(AccessDoor, LetsTokensInThatTheirIssuerSigned) {
  want_tokens();
  const auto pass = with(token(signer_));
  ASSERT_TRUE(pass.has_value()) << pass.error().message;
  EXPECT_EQ(pass->identity.client(), "jwt:https://id.example#ada");
  EXPECT_EQ(reason(with(token(signer_, "https://other.example"))), "invalid_token");
  EXPECT_EQ(reason(with("a.b.c")), "invalid_token");
  EXPECT_EQ(reason(with("one")), "in") << "a key will do as well";
}

TEST_F(AccessDoor, FetchesKeysOfTokensEveryFiveMinutes) {
  want_tokens();
  EXPECT_EQ(fetched_, 1);
  clock_.advance(seconds(299));
  door_.refresh();
  EXPECT_EQ(fetched_, 1);
  clock_.advance(seconds(1));
  door_.refresh();
  EXPECT_EQ(fetched_, 2);
}

TEST_F(AccessDoor, FetchesSoonerForAKeyThatItLacks) {
  want_tokens();
  const Signer newer(JwtAlgorithm::kEdDsa, "k2");
  served_ = newer.jwks();
  EXPECT_EQ(reason(with(token(newer))), "unknown_token_key");
  door_.refresh();
  EXPECT_EQ(fetched_, 1) << "but not sooner than ten seconds after the last time";
  clock_.advance(seconds(10));
  door_.refresh();
  EXPECT_EQ(fetched_, 2);
  EXPECT_EQ(reason(with(token(newer))), "in");
}

TEST_F(AccessDoor, KeepsKeysOfTokensWhileTheirServerIsAway) {
  want_tokens();
  served_ = fail(Code::kUnavailable, "away");
  clock_.advance(seconds(301));
  door_.refresh();
  EXPECT_EQ(fetched_, 2);
  EXPECT_EQ(reason(with(token(signer_))), "in");
}

TEST_F(AccessDoor, LetsNoTokenInBeforeItHasKeys) {
  served_ = fail(Code::kUnavailable, "away");
  want_tokens();
  EXPECT_EQ(reason(with(token(signer_))), "keys_unavailable");
  served_ = signer_.jwks();
  clock_.advance(seconds(10));
  door_.refresh();
  EXPECT_EQ(reason(with(token(signer_))), "in");
}

TEST_F(AccessDoor, FindsKeysOfTokensByTheIssuersNameAlone) {
  rules_.jwt_rules = {{.issuer = "https://id.example"}};
  use();
  EXPECT_EQ(fetched_, 2);
  EXPECT_EQ(reason(with(token(signer_))), "in");
  const Signer newer(JwtAlgorithm::kEdDsa, "k2");
  served_ = newer.jwks();
  EXPECT_EQ(reason(with(token(newer))), "unknown_token_key");
  clock_.advance(seconds(10));
  door_.refresh();
  EXPECT_EQ(fetched_, 4) << "where they are may have changed too";
  EXPECT_EQ(reason(with(token(newer))), "in");
}

TEST_F(AccessDoor, BelievesNoDocumentOfAnotherIssuer) {
  const std::string right = document_;
  document_ = R"({"issuer":"https://id.example/","jwks_uri":"https://id.example/keys"})";
  rules_.jwt_rules = {{.issuer = "https://id.example"}};
  use();
  EXPECT_EQ(fetched_, 1) << "what it names is not asked";
  EXPECT_EQ(reason(with(token(signer_))), "keys_unavailable");
  document_ = right;
  clock_.advance(seconds(10));
  door_.refresh();
  EXPECT_EQ(reason(with(token(signer_))), "in");
}

TEST_F(AccessDoor, ReadsKeysOfTokensFromAFile) {
  const std::string file = folder_->path() / "jwks.json";
  ASSERT_TRUE(write_file(file, signer_.jwks()).has_value());
  rules_ = {
      .key_file = {},
      .jwt_rules = {
          {.issuer = "https://id.example", .audiences = {}, .jwks_uri = {}, .jwks_file = file}}};
  use();
  EXPECT_EQ(reason(with(token(signer_))), "in");
  EXPECT_EQ(reason(with("one")), "invalid_token") << "there are no keys here";
  const Signer newer(JwtAlgorithm::kEdDsa, "k2");
  ASSERT_TRUE(write_file(file, newer.jwks()).has_value());
  door_.refresh();
  EXPECT_EQ(reason(with(token(newer))), "in");
  EXPECT_EQ(reason(with(token(signer_))), "unknown_token_key");
}

// A door that looks by itself.
class AccessDoorThreads : public ::testing::Test {
 protected:
  void write(const std::string& secret) {
    ASSERT_TRUE(
        write_file(rules_.key_file, "keys:\n- name: a\n  hashes: [" + sha256_hex(secret) + "]\n")
            .has_value());
  }
  bool lets_in(Door& door, const std::string& secret) {
    net::RequestHead head;
    head.headers = {{"authorization", "Bearer " + secret}};
    return door.enter(rules_, head, "s", "/").has_value();
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  AccessRules rules_{.key_file = folder_.path() / "keys.yaml", .jwt_rules = {}};
};

TEST_F(AccessDoorThreads, LookAgain) {
  Door door(Clock::real(), nothing, true);
  door.use({rules_});
  write("one");
  EXPECT_TRUE(eventually([&] { return lets_in(door, "one"); }));
}

TEST_F(AccessDoorThreads, HoldNothingUpWhileAnIssuerIsSilent) {
  std::atomic<bool> asked{false}, over{false};
  const auto silent = [&](const std::string&, const CancelToken& cancel) -> Result<std::string> {
    asked = true;
    EXPECT_TRUE(eventually([&] { return cancel.cancelled(); })) << "the door goes";
    over = true;
    return fail(Code::kCancelled, "cancelled");
  };
  {
    Door door(Clock::real(), silent, true);
    write("one");
    rules_.jwt_rules = {{.issuer = "https://id.example"}};
    door.use({rules_});
    ASSERT_TRUE(eventually([&] { return asked.load(); }));
    write("two");
    door.use({rules_});
    EXPECT_TRUE(lets_in(door, "two"));
    write("three");
    EXPECT_TRUE(eventually([&] { return lets_in(door, "three"); }));
    EXPECT_FALSE(over);
  }
  EXPECT_TRUE(over);
}

}  // namespace
}  // namespace serin::gateway
