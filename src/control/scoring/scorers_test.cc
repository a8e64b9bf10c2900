// SPDX-License-Identifier: Apache-2.0
// Real commands and a real server as scorers, of the samples of a platform in memory.
#include "control/scoring/scorers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "base/eventually_for_test.h"
#include "base/files.h"
#include "control/scoring/scorer.h"
#include "net/http/server.h"
#include "platform/fake_for_test.h"

namespace serin::control {
namespace {

using testing::HasSubstr;

TEST(Score, IsANumberFromZeroToOne) {
  EXPECT_EQ(*read_score(R"({"score": 0.87})"), 0.87);
  EXPECT_EQ(*read_score(R"({"score": 1, "why": "fine"})"), 1);
  for (const char* line : {"", "0.5", "{}", R"({"score": "1"})", R"({"score": 1.1})", "null"}) {
    const auto score = read_score(line);
    ASSERT_FALSE(score) << line;
    EXPECT_THAT(score.error().message, HasSubstr("which is not {\"score\""));
  }
}

class ScorersTest : public testing::Test {
 protected:
  static ScorerSpec command(const std::string& script, double seconds = 30) {
    return {.name = "judge",
            .command = {"/bin/sh", "-c", script},
            .url = {},
            .sample = 1,
            .timeout = rollout::Seconds(seconds)};
  }
  static ScorerSpec service(const std::string& name) {
    return {.name = "judge",
            .command = {},
            .url = {},
            .service = name,
            .sample = 1,
            .timeout = rollout::Seconds(30)};
  }
  void offer(int samples) {
    for (int i = 0; i < samples; ++i)
      platform_.add_sample("story",
                           {++number_, R"({"requestId":"r)" + std::to_string(number_) + "\"}"});
  }
  Scored run(const ScorerSpec& spec, int samples, const CancelToken& cancel = {}) {
    offer(samples);
    return run_scorer(spec, *platform_.samples("story", "judge", 1, 16), *client_, platform_,
                      cancel);
  }
  std::string trouble_of(Scorers& scorers) {
    std::vector<Scorers::Trouble> troubles;
    eventually([&] {
      if (troubles.empty()) troubles = scorers.take("story");
      return !troubles.empty();
    });
    return troubles.empty() ? "none" : troubles[0].scorer + ": " + troubles[0].message;
  }

  ManualClock clock_;
  platform::FakePlatform platform_{clock_};
  std::unique_ptr<net::Client> client_ = *net::Client::create();
  std::uint64_t number_ = 0;
};

TEST_F(ScorersTest, ACommandScoresAllThatItIsGiven) {
  const Scored scored = run(
      command(
          R"(while read line; do case "$line" in *r2*) echo '{"score": 0.25}';; *) echo '{"score": 1}';; esac; done)"),
      3);
  EXPECT_EQ(scored.trouble, "");
  ASSERT_EQ(scored.scores.size(), 3u);
  EXPECT_EQ(scored.scores[0].score, 1);
  EXPECT_EQ(scored.scores[1].score, 0.25);
  EXPECT_EQ(scored.scores[2].number, 3u);
}

TEST_F(ScorersTest, ACommandThatFailsSaysWhy) {
  EXPECT_THAT(run(command("echo no such model >&2; exit 3"), 2).trouble,
              HasSubstr("ended with 3: no such model"));
  EXPECT_THAT(run(command("sleep 100", 0.1), 2).trouble, HasSubstr("did not end within 100 ms"));
  EXPECT_THAT(run(command("while read line; do echo good; done"), 1).trouble,
              HasSubstr("it said \"good\""));
  EXPECT_THAT(run(command(R"(echo '{"score": 1}')"), 1).trouble, HasSubstr("it wrote 1 lines for"));
}

TEST_F(ScorersTest, OneThatIsAwayLeavesItsSamplesForWhenItIsBack) {
  ScorerSpec missing = command("");
  missing.command = {"/no/such/judge"};
  const Scored unstarted = run(missing, 2);
  EXPECT_THAT(unstarted.trouble, HasSubstr("/no/such/judge"));
  EXPECT_TRUE(unstarted.scores.empty());
  EXPECT_EQ(unstarted.failed, 0u);
  ScorerSpec unreachable = service("");
  unreachable.service.clear();
  unreachable.url = "http://127.0.0.1:1/score";
  EXPECT_TRUE(run(unreachable, 1).scores.empty());
}

TEST_F(ScorersTest, OneThatComesBackScoresWhatWaited) {
  platform_.set_reply("judge", {503, "no worker"});
  Scorers scorers(platform_);
  platform_.add_sample("story", {++number_, R"({"answer":"yes"})"});
  scorers.want("story", {service("judge")});
  EXPECT_THAT(trouble_of(scorers), HasSubstr("it answered 503: no worker; answers wait for it"));
  EXPECT_TRUE(platform_.scores("judge").empty());
  platform_.set_reply("judge", {200, R"({"predictions":[{"score":{"data":[0.75]}}]})"});
  EXPECT_TRUE(eventually([&] { return !platform_.scores("judge").empty(); }));
}

TEST_F(ScorersTest, ALineTooManyLeavesAllWithoutAScore) {
  const Scored scored =
      run(command(R"(echo loading; while read line; do echo '{"score": 1}'; done)"), 2);
  EXPECT_THAT(scored.trouble, HasSubstr("3 lines for 2 answers"));
  ASSERT_EQ(scored.scores.size(), 2u);
  for (const platform::SampleScore& score : scored.scores) EXPECT_FALSE(score.score);
}

TEST_F(ScorersTest, OneThatIsEndedLeavesItsSamples) {
  const TemporaryDirectory folder = *TemporaryDirectory::create();
  const std::string runs = (folder.path() / "runs").string();
  const CancelToken cancel;
  std::thread ends([&] {
    eventually([&] { return std::filesystem::exists(runs); });
    cancel.cancel();
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(run(command("echo > " + runs + "; sleep 100", 90), 2, cancel).scores.empty());
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(60));
  ends.join();
}

TEST_F(ScorersTest, AServerScoresOneAfterTheOther) {
  net::ServerOptions options;
  options.port = 0;
  auto server = *net::Server::create(options, [](std::shared_ptr<net::Exchange> exchange) {
    exchange->read_body([exchange](const Result<std::string>& body) {
      const bool bad = body && body->find("r2") != std::string::npos;
      exchange->respond(
          {static_cast<std::uint16_t>(bad ? 500 : 200), {}, bad ? "no room" : R"({"score": 0.5})"});
    });
  });
  const Scored scored = run({.name = "judge",
                             .command = {},
                             .url = "http://127.0.0.1:" + std::to_string(server->port()) + "/score",
                             .sample = 1,
                             .timeout = rollout::Seconds(30)},
                            3);
  ASSERT_EQ(scored.scores.size(), 3u);
  EXPECT_EQ(scored.scores[0].score, 0.5);
  EXPECT_FALSE(scored.scores[1].score);
  EXPECT_EQ(scored.scores[2].score, 0.5);
  EXPECT_EQ(scored.failed, 1u);
  EXPECT_THAT(scored.trouble, HasSubstr("answered 500: no room"));
}

TEST_F(ScorersTest, AServiceIsAskedAboutPromptAndAnswer) {
  platform_.set_reply("judge", {200, R"({"predictions":[{"score":{"shape":[1],"data":[0.75]}}]})"});
  platform_.add_sample(
      "story", {++number_, R"({"prompt":"Say","answer":"yes","request":{},"response":{}})"});
  platform_.add_sample("story", {++number_, R"({"response":{"base64":"iVBORw=="}})"});
  platform_.add_sample("story", {++number_, R"({"response":{"choices":[]}})"});
  const Scored scored = run(service("judge"), 0);
  ASSERT_EQ(scored.scores.size(), 3u);
  EXPECT_EQ(scored.scores[0].score, 0.75);
  EXPECT_EQ(scored.scores[1].score, 0.75);
  EXPECT_FALSE(scored.scores[2].score);
  EXPECT_THAT(scored.trouble, HasSubstr("neither a text"));
  const auto asked = platform_.questions();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(json::parse(asked[0]),
            json::parse(R"({"instances":[{"prompt":"Say","answer":"yes"}]})"));
  EXPECT_EQ(json::parse(asked[1]), json::parse(R"({"instances":[{"answer":"iVBORw=="}]})"));
}

TEST_F(ScorersTest, AServiceThatGivesNoNumberSaysWhatItGives) {
  const auto trouble = [&](platform::Reply reply) {
    platform_.set_reply("judge", std::move(reply));
    platform_.add_sample("story", {++number_, R"({"answer":"yes"})"});
    return run_scorer(service("judge"), *platform_.samples("story", "judge", 1, 16), *client_,
                      platform_, {})
        .trouble;
  };
  EXPECT_THAT(trouble({400, "answer: is not a field of this model"}),
              HasSubstr("it answered 400: answer: is not a field"));
  for (const char* answer :
       {"", "[]", R"({"predictions":[]})", R"({"predictions":[{"a":{"data":[1.5]}}]})",
        R"({"predictions":[{"a":{"data":[0.5, 0.5]}}]})", R"({"predictions":[{"text":"good"}]})",
        R"({"predictions":[{"a":{"data":[1]},"b":{"data":[1]}}]})"}) {
    EXPECT_THAT(trouble({200, answer}), HasSubstr("not one output of one number")) << answer;
  }
  EXPECT_THAT(run(service("nobody"), 0).trouble, HasSubstr("it answered 404"));
}

TEST_F(ScorersTest, ScoreWhatComesWhileTheyAreWanted) {
  Scorers scorers(platform_);
  offer(3);
  scorers.want("story", {command(R"(while read line; do echo '{"score": 0.5}'; done)")});
  EXPECT_TRUE(eventually([&] { return platform_.scores("judge").size() == 3; }));
  offer(2);
  EXPECT_TRUE(eventually([&] { return platform_.scores("judge").size() == 5; }));
  EXPECT_TRUE(scorers.take("story").empty());
  ScorerSpec another = command(R"(while read line; do echo '{"score": 0.5}'; done)");
  another.name = "another";
  scorers.want("story", {another});
  offer(1);
  EXPECT_TRUE(eventually([&] { return platform_.scores("another").size() == 6; }));
  EXPECT_EQ(platform_.scores("judge").size(), 5u);
}

TEST_F(ScorersTest, ThoseThatAreWantedNoMoreAreNotWaitedFor) {
  std::promise<void> asked, let_go;
  std::atomic<bool> first = true;
  platform_.before_samples([&] {
    if (!first.exchange(false)) return;
    asked.set_value();
    let_go.get_future().wait();
  });
  Scorers scorers(platform_);
  scorers.want("story", {command("true")});
  asked.get_future().wait();
  auto done = std::async(std::launch::async, [&] { scorers.want("story", {}); });
  EXPECT_EQ(done.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  let_go.set_value();
}

TEST_F(ScorersTest, TellWhatWentWrongAndLeaveItWithoutAScore) {
  Scorers scorers(platform_);
  offer(2);
  scorers.want("story", {command("exit 7")});
  EXPECT_THAT(trouble_of(scorers), HasSubstr("judge: it ended with 7"));
  EXPECT_TRUE(eventually([&] { return platform_.scores("judge").size() == 2; }));
  EXPECT_FALSE(platform_.scores("judge")[0]);
}

}  // namespace
}  // namespace serin::control
