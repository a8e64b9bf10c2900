// SPDX-License-Identifier: Apache-2.0
#include "gateway/config.h"

#include <gmock/gmock.h>

namespace serin::gateway {
namespace {

using testing::HasSubstr;

Config whole() {
  Version v1{
      .label = "v1",
      .package = "sha256:aa",
      .bitwise = true,
      .replicas = {{"prose-v1-0", "unix:/run/a.sock:"}, {"prose-v1-1", "http://h:5000", true}}};
  Version v2{.label = "v2", .package = "sha256:bb", .bitwise = false, .replicas = {}};
  Service service;
  service.name = "prose";
  service.versions = {v1, v2};
  service.split = {.stable = "v1",
                   .candidate = "v2",
                   .weight = 0.1,
                   .salt = "s1",
                   .sticky_by = StickyBy::kUser,
                   .user_header = "X-User",
                   .shadow = false};
  service.resilience.timeout = milliseconds(30'000);
  service.resilience.retry_attempts = 1;
  service.resilience.balancer = Resilience::Balancer::kPrefixAware;
  service.resilience.fallback.service = "small";
  service.resilience.fallback.other_version = true;
  service.resilience.fallback.answer = FixedAnswer{200, "text/plain", "later"};
  service.resilience.outliers.latency_factor = 3;
  service.resilience.guard.breaker.mode = BreakerLimits::Mode::kOn;
  service.resilience.guard.breaker.sliding_window_type = BreakerLimits::Window::kTimeBased;
  service.resilience.guard.adaptive.enabled = true;
  service.resilience.guard.hedging.max_extra_load = 0.05;
  service.resilience.guard.priorities.low = 0.5;
  service.resilience.fault = {.delay_percentage = 5,
                              .fixed_delay = milliseconds(100),
                              .abort_percentage = 1,
                              .http_status = 500,
                              .header = "x-test"};
  service.access = {.key_file = "/etc/serin/keys.yaml",
                    .jwt_rules = {{.issuer = "https://id",
                                   .audiences = {"serin"},
                                   .jwks_uri = "https://id/keys",
                                   .algorithms = {JwtAlgorithm::kEdDsa}}}};
  service.resilience.mirror_service = "shadow";
  service.resilience.mirror_percent = 12.5;
  service.sample = 0.25;
  return {.revision = 7, .services = {service}};
}

TEST(Config, IsReadAsItWasWritten) {
  const auto read = read_config(write_config(whole()), "f");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, whole());
}

TEST(Config, NeedsNoKeysOfAnIssuerThatSaysItselfWhereTheyAre) {
  Config config = whole();
  config.services[0].access.jwt_rules = {{.issuer = "https://id"}};
  const auto read = read_config(write_config(config), "f");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, config);
  config.services[0].access.jwt_rules = {{.issuer = "id"}};
  const auto wrong = read_config(write_config(config), "f");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("no https:// URL"));
}

TEST(Config, HasTheManifestsDefaults) {
  const auto read = read_config(
      R"({"revision":1,"services":[{"name":"a","versions":[{"label":"v1"}],"split":{"stable":"v1"}}]})",
      "f");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->services[0].resilience, Resilience{});
  EXPECT_EQ(read->services[0].split.weight, 0);
}

TEST(Config, MayBeEmpty) { EXPECT_EQ(read_config(R"({"revision":3})", "f")->revision, 3u); }

TEST(Resilience, IsReadInTheManifestsForm) {
  const auto read = read_resilience(
      json::parse(
          R"({"timeout":"2m","retries":{"attempts":3,"budget":"10%","backoff":"5ms"},"loadBalancer":"roundRobin",
              "connectionPool":{"maxPendingRequests":9},"fallback":{"service":"b"}})"),
      "spec.resilience");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->timeout, milliseconds(120'000));
  EXPECT_EQ(read->retry_attempts, 3);
  EXPECT_DOUBLE_EQ(read->retry_budget.share, 0.1);
  EXPECT_EQ(read->retry_backoff, milliseconds(5));
  EXPECT_EQ(read->max_pending_requests, 9u);
  EXPECT_EQ(read->balancer, Resilience::Balancer::kRoundRobin);
  EXPECT_EQ(read->fallback.service, "b");
}

TEST(Resilience, NamesThePathOfWhatIsWrong) {
  const auto read = read_resilience(json::parse(R"({"retries":{"budget":2}})"), "spec.resilience");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().param, "spec.resilience.retries.budget");
}

// A part of a whole configuration is replaced, and what is said about it.
struct Wrong {
  const char* part;
  const char* by;
  const char* path;
  const char* said;
};

TEST(Config, RefusesWhatIsWrongAndSaysWhere) {
  const Wrong cases[] = {
      {R"("revision":7)", R"("revision":-1)", "revision", "integer"},
      {R"("revision":7)", R"("revisoin":7)", "revisoin", "did you mean revision?"},
      {R"("name":"prose")", R"("name":"a/b")", "services[0].name", "letters"},
      {R"("label":"v1")", R"("label":"v2")", "services[0].versions[1].label", "twice"},
      {R"("stable":"v1")", R"("stable":"v9")", "services[0].split.stable", "no version"},
      {R"("candidate":"v2")", R"("candidate":"v1")", "services[0].split.candidate", "another"},
      {R"("candidate":"v2")", R"("candidate":"")", "services[0].split.weight", "no candidate"},
      {R"("weight":1E-1)", R"("weight":1.1)", "services[0].split.weight", "from 0 to 1"},
      {R"("stickyBy":"user")", R"("stickyBy":"moon")", "services[0].split.stickyBy", "user"},
      {R"("http://h:5000")", R"("ftp://h")", "services[0].versions[0].replicas[1].url", "http://"},
      {R"("prose-v1-1")", R"("prose-v1-0")", "services[0].versions[0].replicas[1].id", "twice"},
      {R"("30000ms")", R"("soon")", "services[0].resilience.timeout", "duration"},
      {R"("percent":1.25E1)", R"("percent":101)", "services[0].resilience.mirror.percent", "100"},
      {R"("mode":"on")", R"("mode":"half")", "services[0].resilience.circuitBreaker.mode", "on"},
      {R"("slidingWindowSize":100)", R"("slidingWindowSize":0)",
       "services[0].resilience.circuitBreaker.slidingWindowSize", "1 at least"},
      {R"("minLimit":20)", R"("minLimit":500)",
       "services[0].resilience.adaptiveConcurrency.maxLimit", "minLimit"},
      {R"("httpStatus":500)", R"("httpStatus":200)",
       "services[0].resilience.fault.abort.httpStatus", "400"},
      {R"("EdDSA")", R"("HS256")", "services[0].access.jwtRules[0].algorithms", "RS256"},
      {R"("jwksUri":"https://id/keys")", R"("jwksUri":"https://id/keys","jwksFile":"/keys")",
       "services[0].access.jwtRules[0].jwksUri", "one of them"},
      {R"("issuer":"https://id")", R"("issuer":"")", "services[0].access.jwtRules[0].issuer",
       "empty"},
  };
  for (const Wrong& wrong : cases) {
    std::string text = write_config(whole());
    const std::size_t at = text.find(wrong.part);
    ASSERT_NE(at, std::string::npos) << wrong.part << " in " << text;
    text.replace(at, std::string_view(wrong.part).size(), wrong.by);
    const auto read = read_config(text, "gateway.json");
    ASSERT_FALSE(read) << wrong.by;
    EXPECT_EQ(read.error().code, Code::kInvalidArgument);
    EXPECT_THAT(read.error().message, HasSubstr("gateway.json"));
    EXPECT_EQ(read.error().param, wrong.path) << read.error().message;
    EXPECT_THAT(read.error().message, HasSubstr(wrong.said));
  }
}

TEST(Config, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", "[]", "{\"services\":{}}", "{\"services\":[7]}", "{\"revision\":1}x"})
    EXPECT_FALSE(read_config(text, "f")) << text;
}

}  // namespace
}  // namespace serin::gateway
