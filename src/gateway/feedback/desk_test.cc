// SPDX-License-Identifier: Apache-2.0
// POST /v1/feedback at a real gateway in front of servers that a test plays.
#include "gateway/feedback/desk.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

using testing::HasSubstr;

// Two versions of a service, half of whose users, named by a field, belong to either.
class FeedbackDesk : public testing::Test {
 protected:
  void SetUp() override { start(true); }
  void start(bool keeps) {
    GatewayOptions options;
    if (keeps) options.feedback_log = log();
    options.remembered_requests = 50;
    gateway_.emplace(std::vector<Service>{service()}, 2, options);
  }
  Service service() const {
    Service made = service_of("a", {one_.url()});
    made.versions.push_back(made.versions.front());
    made.versions[0].package = "sha256:1";
    made.versions[1] = {"v2", "sha256:2", false, {{"r2", two_.url()}}};
    made.split.candidate = "v2";
    made.split.weight = 0.5;
    made.split.salt = "s";
    made.split.sticky_by = StickyBy::kUser;
    made.split.user_header = "x-user";
    if (closed_) made.access.key_file = keys();
    return made;
  }
  std::string keys() const { return folder_.path() / "keys.yaml"; }
  std::filesystem::path log() const { return folder_.path() / "feedback.jsonl"; }
  void close(const std::string& more = "") {
    std::string text = "keys:\n";
    for (const char* name : {"ann", "bob"})
      text += std::string("- {name: ") + name + ", hashes: [" + sha256_hex(name) + "]}\n";
    ASSERT_TRUE(write_file(keys(), text + more));
    closed_ = true;
    gateway_->config().services = {service()};
    gateway_->apply();
  }
  static net::Headers as(const std::string& key, net::Headers more = {}) {
    more.add("authorization", "Bearer " + key);
    return more;
  }

  // The id of a request that was answered.
  std::string ask(net::Headers headers, const std::string& path = "/services/a/generate") {
    const net::Response answer = gateway_->post(path, "{}", std::move(headers));
    EXPECT_EQ(answer.status, 200) << answer.body;
    version_ = answer.headers.get("serin-version");
    return std::string(answer.headers.get("x-request-id"));
  }
  net::Response say(const std::string& body, net::Headers headers = {},
                    const std::string& path = "/v1/feedback") const {
    return gateway_->post(path, body, std::move(headers));
  }
  static std::string rating(const std::string& id, const std::string& value) {
    return R"({"requestId": ")" + id + R"(", "rating": )" + value + "}";
  }
  std::vector<json::object> late() const {
    auto records = gateway_->evidence("a");
    std::erase_if(records, [](const json::object& record) { return !record.contains("late"); });
    return records;
  }
  std::vector<json::object> kept() const {
    std::vector<json::object> lines;
    const std::string text = read_file(log()).value_or("");
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      lines.push_back(json::parse(text.substr(at, end - at)).as_object());
      at = end + 1;
    }
    return lines;
  }
  static std::string code(const net::Response& response) {
    return std::string(json::parse(response.body).at("error").at("code").as_string());
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  FakeWorker one_{says("one")}, two_{says("two")};
  bool closed_ = false;
  std::string version_;  // that answered last
  std::optional<TestGateway> gateway_;
};

TEST_F(FeedbackDesk, MakesARatingEvidenceAboutTheVersionThatAnswered) {
  const std::string id = ask({{"x-user", "ann"}});
  const net::Response said = say(rating(id, "0.25"), {{"x-user", "ann"}});
  ASSERT_EQ(said.status, 200) << said.body;
  EXPECT_EQ(json::parse(said.body), (json::object{{"requestId", id},
                                                  {"service", "a"},
                                                  {"version", version_},
                                                  {"repeated", false},
                                                  {"evidence", true}}));
  const auto records = gateway_->evidence("a");
  ASSERT_EQ(records.size(), 2u);
  const json::object& request = records[0];
  const json::object& late = records[1];
  EXPECT_TRUE(late.at("late").as_bool());
  EXPECT_FALSE(late.contains("outcome"));
  for (const char* field : {"version", "assigned", "arm", "weight", "key", "worker"})
    EXPECT_EQ(late.at(field), request.at(field)) << field;
  EXPECT_EQ(late.at("scores"), (json::object{{"feedback", 0.25}}));
  ASSERT_EQ(kept().size(), 1u);
  EXPECT_EQ(kept()[0].at("package"), version_ == "v1" ? "sha256:1" : "sha256:2");
}

TEST_F(FeedbackDesk, TakesARatingOnce) {
  const std::string id = ask({{"x-user", "ann"}});
  EXPECT_EQ(say(rating(id, "\"up\""), {{"x-user", "ann"}}).status, 200);
  const net::Response again = say(rating(id, "1"), {{"x-user", "ann"}});
  EXPECT_EQ(again.status, 200);
  EXPECT_TRUE(json::parse(again.body).at("repeated").as_bool());
  const net::Response other = say(rating(id, "0.5"), {{"x-user", "ann"}});
  EXPECT_EQ(other.status, 409);
  EXPECT_EQ(code(other), "already_rated");
  EXPECT_EQ(late().size(), 1u);
  EXPECT_EQ(kept().size(), 1u);
}

TEST_F(FeedbackDesk, KeepsACorrectionWithoutMakingItEvidence) {
  const std::string id = ask({{"x-user", "ann"}});
  const net::Response said =
      say(R"({"requestId": ")" + id + R"(", "correction": "Paris"})", {{"x-user", "ann"}});
  ASSERT_EQ(said.status, 200) << said.body;
  EXPECT_FALSE(json::parse(said.body).as_object().contains("evidence"));
  EXPECT_TRUE(late().empty());
  ASSERT_EQ(kept().size(), 1u);
  EXPECT_EQ(kept()[0].at("correction"), "Paris");
}

TEST_F(FeedbackDesk, RefusesWhatItWouldNotKeep) {
  start(false);
  const std::string id = ask({{"x-user", "ann"}});
  const net::Response refused =
      say(R"({"requestId": ")" + id + R"(", "correction": "Paris"})", {{"x-user", "ann"}});
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(code(refused), "feedback_not_kept");
  EXPECT_EQ(say(rating(id, "1"), {{"x-user", "ann"}}).status, 200) << "a rating is evidence";
}

TEST_F(FeedbackDesk, TakesNothingThatCannotBeWritten) {
  const std::string id = ask({{"x-user", "ann"}});
  std::filesystem::create_directory(log());
  const net::Response refused = say(rating(id, "1"), {{"x-user", "ann"}});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(code(refused), "feedback_not_kept");
  EXPECT_TRUE(late().empty());
  std::filesystem::remove(log());
  const net::Response again = say(rating(id, "1"), {{"x-user", "ann"}});
  EXPECT_FALSE(json::parse(again.body).at("repeated").as_bool());
  EXPECT_EQ(late().size(), 1u);
}

TEST_F(FeedbackDesk, SaysWhyARatingIsNoEvidence) {
  const auto because = [&](const std::string& id) {
    const net::Response said = say(rating(id, "1"));
    EXPECT_EQ(said.status, 200) << said.body;
    const json::value read = json::parse(said.body);
    EXPECT_FALSE(read.at("evidence").as_bool());
    return std::string(read.at("because").as_string());
  };
  EXPECT_THAT(because(ask({})), HasSubstr("nobody knows whose"));
  EXPECT_THAT(because(ask({}, "/services/a:v2/generate")), HasSubstr("named its version"));
  gateway_->config().services[0].split.weight = 0;
  gateway_->apply();
  EXPECT_THAT(because(ask({})), HasSubstr("no rollout"));
  EXPECT_TRUE(late().empty());
}

TEST_F(FeedbackDesk, KnowsOnlyAnswersAndTheLastOfThem) {
  const net::Response unknown = say(rating("req-0", "1"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(code(unknown), "unknown_request");
  const std::string first = ask({{"x-user", "ann"}});
  for (int i = 0; i < 50; ++i) ask({});
  EXPECT_EQ(say(rating(first, "1"), {{"x-user", "ann"}}).status, 404);
  gateway_->get("/services/a/generate");
  EXPECT_EQ(say("not json").status, 400);
  EXPECT_EQ(json::parse(say(R"({"requestId": "r", "rating": 2})").body).at("error").at("param"),
            "rating");
  EXPECT_EQ(say(std::string(kFeedbackBytes + 1, ' ')).status, 413);
}

TEST_F(FeedbackDesk, IsAtItsServicesPathToo) {
  const std::string id = ask({{"x-user", "ann"}});
  EXPECT_EQ(say(rating(id, "1"), {{"x-user", "ann"}}, "/services/b/v1/feedback").status, 404);
  EXPECT_EQ(say(rating(id, "1"), {{"x-user", "ann"}, {"serin-service", "b"}}).status, 404);
  EXPECT_EQ(say(rating(id, "1"), {{"x-user", "ann"}}, "/services/a/v1/feedback?x=1").status, 200);
  EXPECT_EQ(say("{}", {}, "/services/a/v1/feedback/more").status, 200) << "a worker's own";
}

TEST_F(FeedbackDesk, LetsNobodyRateForOthers) {
  const std::string id = ask({{"x-user", "ann"}});
  EXPECT_EQ(code(say(rating(id, "1"), {{"x-user", "bob"}})), "not_your_request");
  EXPECT_EQ(code(say(rating(id, "1"))), "not_your_request");
  close();
  const std::string of_ann = ask(as("ann"));
  EXPECT_EQ(say(rating(of_ann, "1")).status, 401);
  EXPECT_EQ(code(say(rating(of_ann, "1"), as("bob"))), "not_your_request");
  EXPECT_EQ(say(rating(of_ann, "1"), as("ann")).status, 200);
  EXPECT_EQ(late().size(), 1u);
}

TEST_F(FeedbackDesk, TakesAKeyThatMayRateAllForOneRater) {
  close("- {name: judge, hashes: [" + sha256_hex("judge") + "], rateAny: true}\n");
  const std::string of_ann = ask(as("ann")), of_bob = ask(as("bob"));
  EXPECT_EQ(say(rating(of_ann, "0"), as("judge")).status, 200);
  EXPECT_EQ(say(rating(of_bob, "0"), as("judge")).status, 200);
  const auto records = late();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].at("key"), records[1].at("key"));
  EXPECT_EQ(kept()[0].at("client"), "judge");
}

TEST_F(FeedbackDesk, CountsAmongTheRequestsOfItsKey) {
  close("- {name: eve, hashes: [" + sha256_hex("eve") + "], limits: {requestsPerMinute: 2}}\n");
  const std::string id = ask(as("eve"));
  EXPECT_EQ(say(rating(id, "0"), as("eve")).status, 200);
  const net::Response limited = say(rating(id, "0"), as("eve"));
  EXPECT_EQ(limited.status, 429);
  EXPECT_EQ(code(limited), "rate_limited");
}

TEST_F(FeedbackDesk, IsCountedAndLogged) {
  const std::string id = ask({{"x-user", "ann"}});
  say(rating(id, "1"), {{"x-user", "ann"}});
  say(rating(id, "1"), {{"x-user", "ann"}});
  say(rating("none", "1"));
  const std::string metrics = gateway_->get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr(R"(serin_gateway_feedback_total{service="a",result="taken"} 1)"));
  EXPECT_THAT(metrics,
              HasSubstr(R"(serin_gateway_feedback_total{service="a",result="repeated"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(result="unknown_request"} 1)"));
}

}  // namespace
}  // namespace serin::gateway
