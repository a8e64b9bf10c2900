// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "base/files.h"
#include "base/json.h"
#include "gateway/token_meter.h"

namespace serin::gateway {
namespace {

EvidenceRecord record(std::uint32_t worker = 0) {
  EvidenceRecord made;
  made.version = "v1";
  made.request.worker = worker;
  return made;
}

TEST(Evidence, IsALineOfJsonWithWhatIsKnown) {
  EvidenceRecord made = record(9);
  made.request.arm = rollout::Arm::kCandidate;
  made.request.outcome = rollout::Outcome::kFailed;
  made.request.key = ~std::uint64_t{0};
  made.request.weight = 0.5;
  made.request.latency = std::numeric_limits<double>::infinity();
  made.request.time_to_first_token = 0.25;
  made.scores = {{"wellFormed", 0.93}};
  EvidenceLog log(7);
  log.add(made);
  EXPECT_EQ(json::parse(log.after(0, 10).lines),
            json::parse(R"({"number":7,"version":"v1","assigned":0.0,"arm":"candidate","weight":0.5,
                            "key":18446744073709551615,"worker":9,"outcome":"failed","latency":null,
                            "timeToFirstToken":0.25,"scores":{"wellFormed":0.93}})"));
}

TEST(Evidence, SaysWhatComparingAnswersGave) {
  EvidenceRecord made = record();
  made.compared = rollout::Comparison{
      .agreement = 0.75, .identical = false, .stable_bytes = 8, .candidate_bytes = 9};
  EXPECT_EQ(json::parse(evidence_line(1, made)).at("compared"),
            (json::object{{"agreement", 0.75},
                          {"identical", false},
                          {"stableBytes", std::uint64_t{8}},
                          {"candidateBytes", std::uint64_t{9}}}));
  made.compared = rollout::NotCompared::kTooLong;
  EXPECT_EQ(json::parse(evidence_line(1, made)).at("notCompared"), "too_long");
}

TEST(Evidence, SaysHowItEndedAndWhenItNeverDid) {
  EvidenceRecord made = record();
  Ended ended{.tried = {End::kAnswer, 200}, .worker = 4, .took = std::chrono::seconds(3)};
  ended.first_byte = std::chrono::seconds(1);
  ended.scores = "wellFormed=0.5";
  describe(ended, made);
  EXPECT_EQ(made.request.worker, 4U);
  EXPECT_EQ(made.request.outcome, rollout::Outcome::kAnswered);
  EXPECT_EQ(made.request.latency, 3.0);
  EXPECT_EQ(made.request.time_to_first_token, 1.0);
  EXPECT_EQ(made.scores.size(), 1U);
  made = record();
  describe({.tried = {End::kBroken}, .took = std::chrono::seconds(3)}, made);
  EXPECT_EQ(made.request.outcome, rollout::Outcome::kFailed);
  EXPECT_EQ(made.request.latency, std::numeric_limits<double>::infinity());
  made = record();
  describe({.tried = {End::kAnswer, 200}, .failed_before = true, .lasting = true}, made);
  EXPECT_EQ(made.request.outcome, rollout::Outcome::kFailed) << "the client saw nothing of it";
  EXPECT_FALSE(made.request.latency);
}

TEST(EvidenceLog, GivesWhatCameAfterANumber) {
  EvidenceLog log(100);
  EXPECT_EQ(log.after(0, 10).count, 0u);
  for (std::uint32_t i = 0; i < 5; ++i) log.add(record(i));
  const auto first = log.after(0, 3);
  EXPECT_EQ(first.count, 3u);
  EXPECT_EQ(first.next, 102u);
  EXPECT_EQ(first.lost, 0u);
  const auto rest = log.after(first.next, 10);
  EXPECT_EQ(rest.count, 2u);
  EXPECT_EQ(rest.next, 104u);
  const auto none = log.after(rest.next, 10);
  EXPECT_EQ(none.count, 0u);
  EXPECT_EQ(none.next, 104u);
}

TEST(EvidenceLog, ForgetsTheOldestAndSaysHowManyWereLost) {
  EvidenceLog log(100, 4);
  for (std::uint32_t i = 0; i < 10; ++i) log.add(record(i));
  const auto page = log.after(102, 10);
  EXPECT_EQ(page.lost, 3u);  // 103, 104, 105
  EXPECT_EQ(page.count, 4u);
  EXPECT_EQ(page.next, 109u);
  std::istringstream lines(page.lines);
  std::string line;
  for (std::uint64_t number = 106; std::getline(lines, line); ++number) {
    const json::value read = json::parse(line);
    EXPECT_EQ(read.at("number").to_number<std::uint64_t>(), number);
    EXPECT_EQ(read.at("worker").to_number<std::uint64_t>(), number - 100);
  }
}

TEST(EvidenceLog, TakesANumberThatIsNotItsOwnForTheBeginning) {
  EvidenceLog log(100);
  log.add(record());
  EXPECT_EQ(log.after(7, 10).count, 1u);
  EXPECT_EQ(log.after(7, 10).lost, 0u);
  EXPECT_EQ(log.after(5000, 10).count, 1u);
}

class KeptEvidence : public testing::Test {
 protected:
  EvidenceLog open(std::uint64_t first, std::size_t capacity = 100) {
    return EvidenceLog(first, capacity, *EvidenceFile::open(folder_.path() / "x.evidence"));
  }
  TemporaryDirectory folder_ = *TemporaryDirectory::create();
};

TEST_F(KeptEvidence, IsThereAfterItsProcess) {
  std::string said;
  {
    EvidenceLog log = open(100);
    for (std::uint32_t i = 0; i < 3; ++i) log.add(record(i));
    said = log.after(100, 10).lines;
  }
  EvidenceLog log = open(1000);
  log.add(record(3));
  const auto rest = log.after(100, 2);
  EXPECT_EQ(rest.lines, said);
  EXPECT_EQ(rest.next, 102u);
  EXPECT_EQ(log.after(102, 10).next, 1000u);
  EXPECT_EQ(log.after(102, 10).count, 1u);
  EXPECT_EQ(log.after(0, 10).count, 4u);
}

TEST_F(KeptEvidence, GoesOnBeyondItsNumbersWhateverTheClockSays) {
  {
    open(1000).add(record());
  }
  EvidenceLog log = open(100);
  log.add(record());
  EXPECT_EQ(log.after(1000, 10).next, 1001u);
}

TEST_F(KeptEvidence, CountsWhatIsForgottenOfIt) {
  {
    EvidenceLog log = open(100);
    for (std::uint32_t i = 0; i < 3; ++i) log.add(record(i));
  }
  EvidenceLog log = open(1000, 4);
  EXPECT_EQ(log.after(100, 10).count, 2u);
  for (std::uint32_t i = 0; i < 3; ++i) log.add(record(i));
  EXPECT_EQ(log.after(101, 10).lost, 0u);
  EXPECT_EQ(log.after(100, 10).lost, 1u);
  EXPECT_EQ(log.after(99, 10).lost, 2u);
  for (std::uint32_t i = 0; i < 3; ++i) log.add(record(i));
  EXPECT_EQ(log.after(1001, 10).lost, 0u);
  EXPECT_EQ(log.after(1000, 10).lost, 1u);
  EXPECT_EQ(log.after(102, 10).count, 4u);
}

TEST(Scores, AreReadWhereTheyAreWellFormed) {
  using Scores = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(parse_scores("wellFormed=0.93"), (Scores{{"wellFormed", 0.93}}));
  EXPECT_EQ(parse_scores(" a=1 , b=0,c=1.5,d,=1,e=x, f=0.5x,g=-1"), (Scores{{"a", 1}, {"b", 0}}));
  std::string many;
  for (int i = 0; i < 100; ++i) many += "s" + std::to_string(i) + "=1,";
  EXPECT_EQ(parse_scores(many).size(), 32u);
}

TEST(TokenMeter, CountsEventsHoweverTheirBytesAreCut) {
  const std::string stream = "data: a\n\n: ping\n\ndata: b\r\n\r\n\n\nevent: x\ndata: c\n\n";
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    TokenMeter meter;
    const Instant start{};
    for (std::size_t at = 0; at < stream.size(); at += cut)
      meter.add(std::string_view(stream).substr(at, cut), start);
    EXPECT_EQ(meter.events(), 4u) << cut;
  }
}

TEST(TokenMeter, SeesAnErrorHoweverItsBytesAreCut) {
  const std::string good =
      "data: event: error\n\nevent: err\n\n event: error\n\nevent: errors\r\n\n";
  const std::string bad = good + "event: error\r\ndata: {}\r\n\r\n";
  for (std::size_t cut = 1; cut <= bad.size(); ++cut) {
    for (const std::string& stream : {good, bad}) {
      TokenMeter meter;
      for (std::size_t at = 0; at < stream.size(); at += cut)
        meter.add(std::string_view(stream).substr(at, cut), Instant{});
      EXPECT_EQ(meter.failed(), stream == bad) << cut;
    }
  }
}

TEST(TokenMeter, MeasuresTheTimeBetweenEvents) {
  TokenMeter meter;
  const Instant start{};
  EXPECT_FALSE(meter.per_token());
  meter.add("data: a\n\n", start);
  EXPECT_FALSE(meter.per_token());
  meter.add("data: b\n\n", start + std::chrono::milliseconds(30));
  meter.add("data: c\n\n", start + std::chrono::milliseconds(80));
  EXPECT_EQ(meter.per_token(), std::chrono::milliseconds(40));
}

}  // namespace
}  // namespace serin::gateway
