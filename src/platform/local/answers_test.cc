// SPDX-License-Identifier: Apache-2.0
// What is read of workers' and the gateway's answers.
#include <gmock/gmock.h>

#include <cmath>

#include "platform/gateway_lines.h"
#include "platform/worker_health.h"

namespace serin::platform::local {
namespace {

using testing::HasSubstr;

TEST(WorkerHealth, SaysWhetherAndWhyNot) {
  const WorkerHealth ready = read_health(
      200,
      R"({"status":"ready","reason":"ready","serin_profile":"cpu/x/threads=1","serin_reproducible":"bitwise"})");
  EXPECT_TRUE(ready.ready);
  EXPECT_FALSE(ready.stuck);
  EXPECT_EQ(ready.profile, "cpu/x/threads=1");
  EXPECT_EQ(ready.reproducible, "bitwise");
  const WorkerHealth stuck =
      read_health(503, R"({"reason":"stuck: nothing has advanced for 61 s"})");
  EXPECT_FALSE(stuck.ready);
  EXPECT_TRUE(stuck.stuck);
  EXPECT_EQ(read_health(503, R"({"reason":"draining"})").reason, "draining");
  EXPECT_EQ(read_health(503, R"({"error":{"message":"the model is still loading"}})").reason,
            "the model is still loading");
}

TEST(WorkerHealth, SurvivesWhatIsNoAnswer) {
  for (const char* body : {"", "nonsense", "[]", R"({"reason":7})", R"({"error":"no"})"}) {
    EXPECT_FALSE(read_health(503, body).ready);
    EXPECT_EQ(read_health(503, body).reason, "it answers with status 503");
  }
}

TEST(Evidence, IsReadLineByLine) {
  const auto read = read_evidence(
      R"({"number":7,"version":"v2","assigned":3.5,"arm":"candidate","weight":0.1,"key":18446744073709551615,)"
      R"("worker":4,"outcome":"answered","latency":0.25,"timeToFirstToken":0.1,"scores":{"wellFormed":0.5}})"
      "\n"
      R"({"number":8,"version":"v1","assigned":4,"arm":"stable","weight":0.1,"key":0,"worker":1,"outcome":"failed","latency":null})"
      "\n");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  const Evidence& first = read->at(0);
  EXPECT_EQ(first.version, "v2");
  EXPECT_EQ(first.request.arm, rollout::Arm::kCandidate);
  EXPECT_EQ(first.request.key, 18446744073709551615U);
  EXPECT_EQ(first.request.outcome, rollout::Outcome::kAnswered);
  EXPECT_EQ(first.request.latency, 0.25);
  EXPECT_EQ(first.request.time_per_output_token, std::nullopt);
  ASSERT_EQ(first.scores.size(), 1U);
  EXPECT_EQ(first.scores[0], std::pair(std::string("wellFormed"), 0.5));
  EXPECT_TRUE(std::isinf(*read->at(1).request.latency));
  EXPECT_EQ(read->at(1).request.outcome, rollout::Outcome::kFailed);
  EXPECT_TRUE(read_evidence("")->empty());
}

TEST(Evidence, OfALaterScoreSaysNotHowTheRequestEnded) {
  const auto read = read_evidence(
      R"({"number":8,"version":"v2","assigned":1.5,"arm":"candidate","weight":0.1,"key":9,)"
      R"("worker":3,"late":true,"scores":{"feedback":0.25}})");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  const Evidence& evidence = read->at(0);
  EXPECT_TRUE(evidence.late);
  EXPECT_EQ(evidence.request.key, 9U);
  ASSERT_EQ(evidence.scores.size(), 1U);
  EXPECT_EQ(evidence.scores[0], std::make_pair(std::string("feedback"), 0.25));
  EXPECT_FALSE(read_evidence(R"({"version":"v2","assigned":1,"weight":0,"late":false})"));
}

TEST(Samples, AreLinesAndSoAreScores) {
  const auto read =
      read_samples("{\"number\":4,\"sample\":{\"a\": 1}}\n{\"number\":5,\"sample\":{}}\n");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(read->at(0).json, R"({"a":1})");
  EXPECT_EQ(read->at(1).number, 5U);
  EXPECT_THAT(read_samples("{}").error().message, HasSubstr("line 1 of the gateway's samples"));
  EXPECT_EQ(write_scores({{4, 0.5}, {5, std::nullopt}}),
            "{\"number\":4,\"score\":5E-1}\n{\"number\":5,\"score\":null}\n");
}

TEST(Evidence, SaysWhatComparingAnswersGave) {
  const std::string begin = R"({"version":"v1","assigned":1,"weight":0,"outcome":"answered",)";
  const auto read =
      read_evidence(begin +
                    R"("compared":{"agreement":0.75,"identical":false,"stableBytes":8,)"
                    R"("candidateBytes":9}})"
                    "\n" +
                    begin +
                    R"("notCompared":"too_long"})"
                    "\n" +
                    begin +
                    R"("notCompared":"of later"})"
                    "\n" +
                    begin +
                    R"("compared":{"agreement":2}})"
                    "\n");
  ASSERT_TRUE(read.has_value()) << read.error().message;
  const rollout::Comparison both{
      .agreement = 0.75, .identical = false, .stable_bytes = 8, .candidate_bytes = 9};
  EXPECT_EQ(std::get<rollout::Comparison>(*read->at(0).compared), both);
  EXPECT_EQ(std::get<rollout::NotCompared>(*read->at(1).compared), rollout::NotCompared::kTooLong);
  EXPECT_FALSE(read->at(2).compared);
  EXPECT_FALSE(read->at(3).compared);
}

TEST(Evidence, NamesALineThatIsNone) {
  for (const char* lines : {"nonsense", "[]", "{}", R"({"version":"v1","assigned":1,"weight":0})",
                            R"({"version":"v1","assigned":1,"weight":0,"outcome":"lost"})"}) {
    const auto read = read_evidence(lines);
    ASSERT_FALSE(read.has_value()) << lines;
    EXPECT_THAT(read.error().message, HasSubstr("line 1"));
  }
}

}  // namespace
}  // namespace serin::platform::local
