// SPDX-License-Identifier: Apache-2.0
#include "gateway/scoring/samples.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

TEST(Sample, HasBodiesAsTheyAreBestRead) {
  const auto body = [](std::string_view type, std::string_view bytes) {
    return json::parse(sample_json({.request_id = "r",
                                    .service = "s",
                                    .version = "v",
                                    .request_type = "application/json",
                                    .request = R"({"seed": 7})",
                                    .response_type = type,
                                    .response = bytes}))
        .at("response");
  };
  EXPECT_EQ(body("application/json", R"({"a": 1})"), json::parse(R"({"a": 1})"));
  EXPECT_EQ(body("text/plain; charset=utf-8", "é\n"), "é\n");
  EXPECT_EQ(body("text/plain", "\xff"), json::parse(R"({"base64": "/w=="})"));
  EXPECT_EQ(body("image/png", "\x89PNG"), json::parse(R"({"base64": "iVBORw=="})"));
}

TEST(Sample, HasPromptAndAnswerAsTextsWhereThereAreSome) {
  const auto sample = [](std::string_view request, std::string_view answer) {
    return json::parse(sample_json({.request_id = "r",
                                    .service = "s",
                                    .version = "v",
                                    .request_type = "application/json",
                                    .request = request,
                                    .response_type = "application/json",
                                    .response = "{}",
                                    .answer = answer}))
        .as_object();
  };
  EXPECT_EQ(sample(R"({"prompt": "Say"})", "yes").at("prompt"), "Say");
  EXPECT_EQ(sample(R"({"prompt": "Say"})", "yes").at("answer"), "yes");
  const auto chat = sample(
      R"({"messages": [{"role": "system", "content": "Be kind."},
                       {"role": "user", "content": [{"type": "text", "text": "Say"}]}]})",
      "yes");
  EXPECT_EQ(chat.at("prompt"), "Be kind.\nSay");
  EXPECT_EQ(sample(R"({"input": ["a", "b"]})", "").at("prompt"), "a\nb");
  for (const char* request : {R"({"seed": 7})", R"({"prompt": [291, 3252]})", "[]", "?"}) {
    const auto none = sample(request, "\xff");
    EXPECT_FALSE(none.contains("prompt")) << request;
    EXPECT_FALSE(none.contains("answer")) << "it is no text";
  }
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

TEST(SampleLog, GivesEveryScorerItsPartOnce) {
  SampleLog log(100);
  for (int i = 0; i < 10; ++i) log.add(i / 10.0, "{}", {});
  EXPECT_EQ(lines(log.unscored("judge", 1, 64)), 10u);
  EXPECT_EQ(lines(log.unscored("judge", 0.25, 64)), 3u);
  EXPECT_EQ(lines(log.unscored("judge", 1, 4)), 4u);
  EXPECT_EQ(log.unscored("judge", 1, 1), "{\"number\":100,\"sample\":{}}\n");
  const auto evidence = log.score(100, "judge", 0.5);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_TRUE(evidence->late);
  EXPECT_EQ(evidence->scores[0], std::make_pair(std::string("judge"), 0.5));
  EXPECT_FALSE(log.score(100, "judge", 0.5)) << "it counts once";
  EXPECT_FALSE(log.score(101, "judge", std::nullopt)) << "it has none";
  EXPECT_FALSE(log.score(99, "judge", 0.5)) << "there is no such sample";
  EXPECT_EQ(lines(log.unscored("judge", 1, 64)), 8u);
  EXPECT_EQ(lines(log.unscored("other", 1, 64)), 10u);
}

TEST(SampleLog, IsBoundedByNumberAndBytes) {
  SampleLog log(1);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < SampleLog::kSamples; ++i) lost += log.add(0, "{}", {});
  EXPECT_EQ(lost, 0u);
  log.unscored("judge", 1, 1);
  EXPECT_EQ(log.add(0, "{}", {}), 0u) << "the oldest was asked for";
  EXPECT_EQ(log.add(0, "{}", {}), 1u);
  SampleLog large(1);
  for (int i = 0; i < 20; ++i) lost += large.add(0, std::string(SampleLog::kSampleBytes, ' '), {});
  EXPECT_EQ(lost, 20 - SampleLog::kBytes / SampleLog::kSampleBytes);
}

// The gateway's part of it: which requests are offered, and what becomes of scores.
class Sampling : public testing::Test {
 protected:
  static Service sampled(const FakeWorker& one, const FakeWorker& two) {
    Service made = service_of("a", {one.url()});
    made.versions.push_back({"v2", {}, false, {{"r2", two.url()}}});
    made.split.candidate = "v2";
    made.split.weight = 0.5;
    made.sample = 1;
    return made;
  }
  static std::vector<json::object> samples(const TestGateway& gateway) {
    std::vector<json::object> all;
    const std::string text = gateway.admin("GET", "/samples?service=a&scorer=judge").body;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
      all.push_back(json::parse(text.substr(at, text.find('\n', at) - at)).as_object());
    return all;
  }
  FakeWorker one_{says("one")}, two_{says("two")};
};

TEST_F(Sampling, OffersRequestsWithTheirAnswersAndCountsTheirScores) {
  const TestGateway gateway({sampled(one_, two_)});
  for (int i = 0; i < 6; ++i) gateway.post("/services/a/generate", R"({"seed": 1})");
  gateway.post("/services/a:v2/generate");  // nobody drew it by lot
  const auto all = samples(gateway);
  ASSERT_EQ(all.size(), 6u);
  std::string scores;
  for (const json::object& one : all) {
    const json::value& sample = one.at("sample");
    EXPECT_EQ(sample.at("request"), json::parse(R"({"seed": 1})"));
    EXPECT_EQ(sample.at("response"), sample.at("version") == "v1" ? "one" : "two");
    EXPECT_EQ(sample.at("answer"), sample.at("response"));
    EXPECT_EQ(sample.at("contentType"), "text/plain");
    scores += R"({"number": )" + json::serialize(one.at("number")) + R"(, "score": 0.5})" + "\n";
  }
  EXPECT_EQ(gateway.admin("POST", "/scores?service=a&scorer=judge", scores).body,
            R"({"counted":6})");
  EXPECT_EQ(gateway.admin("POST", "/scores?service=a&scorer=judge", scores).body,
            R"({"counted":0})");
  EXPECT_TRUE(samples(gateway).empty());
  std::size_t late = 0;
  for (const json::object& record : gateway.evidence("a")) {
    if (!record.contains("late")) continue;
    ++late;
    EXPECT_EQ(record.at("scores"), (json::object{{"judge", 0.5}}));
  }
  EXPECT_EQ(late, 6u);
}

TEST_F(Sampling, TakesThePartOfBothVersionsThatIsWanted) {
  Service service = sampled(one_, two_);
  service.sample = 0.5;
  const TestGateway gateway({service});
  for (int i = 0; i < 60; ++i) gateway.post("/services/a/generate");
  EXPECT_GT(samples(gateway).size(), 10u);
  EXPECT_LT(samples(gateway).size(), 50u);
  const std::string ours = gateway.admin("GET", "/samples?service=a&scorer=judge&part=0.25").body;
  EXPECT_LT(lines(ours), samples(gateway).size());
}

TEST_F(Sampling, OffersNothingThatIsTooLargeOrThatNobodyWants) {
  FakeWorker large(says(std::string(SampleLog::kSampleBytes, 'x')));
  const TestGateway gateway({sampled(large, large)});
  gateway.post("/services/a/generate");
  EXPECT_TRUE(samples(gateway).empty());
  EXPECT_THAT(
      gateway.get("/metrics").body,
      testing::HasSubstr(R"(serin_gateway_samples_total{service="a",result="too_large"} 1)"));
  Service unwanted = sampled(one_, two_);
  unwanted.sample = 0;
  const TestGateway other({unwanted});
  other.post("/services/a/generate");
  EXPECT_TRUE(samples(other).empty());
}

TEST_F(Sampling, SaysWhatIsWrongWithAQuestion) {
  const TestGateway gateway({sampled(one_, two_)});
  EXPECT_EQ(gateway.admin("GET", "/samples?service=b&scorer=judge").status, 404);
  EXPECT_EQ(gateway.admin("GET", "/samples?service=a").status, 400);
  EXPECT_EQ(gateway.admin("GET", "/samples?service=a&scorer=judge&part=2").status, 400);
  for (const char* score : {"{}", "x", R"({"number": 1, "score": 2})", R"({"score": 1})"})
    EXPECT_EQ(gateway.admin("POST", "/scores?service=a&scorer=judge", score).status, 400) << score;
}

}  // namespace
}  // namespace serin::gateway
