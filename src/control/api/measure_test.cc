// SPDX-License-Identifier: Apache-2.0
// What a scraper gets of the control plane, while services move as the control plane moves them.
#include "control/api/measure.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "control/api/scrape.h"
#include "control/world_for_test.h"
#include "net/http/client.h"

namespace serin::control::api {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

class MeasureTest : public testing::Test {
 protected:
  std::string scrape() { return scraped(*world_.controller, {}).body; }
  // Lines of one metric.
  std::string lines_of(const std::string& name) {
    std::string found;
    const std::string text = scrape();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at) + 1;
      const std::string line = text.substr(at, end - at);
      if (line.starts_with(name + "{") || line.starts_with(name + " ")) found += line;
      at = end;
    }
    return found;
  }
  void serve() {
    world_.applied(manifest_text("story:v1"));
    world_.run(seconds(4), {});
  }
  void roll(const std::string& model = "story:v2") {
    serve();
    world_.applied(manifest_text(model));
    world_.run(seconds(4), {});
  }

  ControlWorld world_;
};

TEST_F(MeasureTest, AServiceHasOneStateAndItsVersionItsWorkers) {
  serve();
  EXPECT_THAT(lines_of("serin_service_state"),
              HasSubstr("serin_service_state{service=\"story\",state=\"Serving\"} 1\n"));
  EXPECT_THAT(lines_of("serin_service_state"),
              HasSubstr("serin_service_state{service=\"story\",state=\"Paused\"} 0\n"));
  EXPECT_EQ(lines_of("serin_version_weight_ratio"),
            "serin_version_weight_ratio{service=\"story\",version=\"v1\"} 1\n");
  EXPECT_EQ(lines_of("serin_version_replicas_wanted"),
            "serin_version_replicas_wanted{service=\"story\",version=\"v1\"} 1\n");
  EXPECT_THAT(
      lines_of("serin_version_replicas"),
      HasSubstr("serin_version_replicas{service=\"story\",version=\"v1\",state=\"ready\"} 1\n"));
  EXPECT_THAT(lines_of("serin_rollout_state"), HasSubstr("state=\"none\"} 1\n"));
  EXPECT_EQ(lines_of("serin_rollout_info"), "");
  EXPECT_THAT(
      lines_of("serin_events_total"),
      HasSubstr("serin_events_total{service=\"story\",type=\"Normal\",reason=\"Serving\"} 1\n"));
  EXPECT_THAT(scrape(), HasSubstr("serin_control_pass_seconds_count "));
}

TEST_F(MeasureTest, ARolloutSaysHowFarItIsAndWhatItKnows) {
  roll();
  EXPECT_EQ(lines_of("serin_rollout_weight_ratio"),
            "serin_rollout_weight_ratio{service=\"story\"} 0.1\n");
  EXPECT_THAT(lines_of("serin_rollout_state"), HasSubstr("state=\"moving\"} 1\n"));
  EXPECT_EQ(lines_of("serin_version_weight_ratio"),
            "serin_version_weight_ratio{service=\"story\",version=\"v1\"} 0.9\n"
            "serin_version_weight_ratio{service=\"story\",version=\"v2\"} 0.1\n");
  EXPECT_EQ(lines_of("serin_rollout_steps_total"),
            "serin_rollout_steps_total{service=\"story\"} 1\n");
  EXPECT_THAT(lines_of("serin_rollout_metric_verdict"),
              HasSubstr("{service=\"story\",metric=\"errorRate\",verdict=\"undecided\"} 1\n"));
  EXPECT_THAT(lines_of("serin_rollout_evidence_ratio"),
              HasSubstr("{service=\"story\",metric=\"errorRate\",verdict=\"harmful\"} "));
  EXPECT_THAT(lines_of("serin_rollout_metric_value"),
              HasSubstr("metric=\"errorRate\",arm=\"candidate\",unit=\"rate\"} 0\n"));
  EXPECT_EQ(lines_of("serin_rollout_guarantee_withdrawn"),
            "serin_rollout_guarantee_withdrawn{service=\"story\"} 0\n");
  EXPECT_NE(lines_of("serin_rollout_next_step_timestamp_seconds"), "");
}

TEST_F(MeasureTest, ARollbackIsCountedWithItsReason) {
  roll();
  world_.run(seconds(60), {.requests = 50, .stable_errors = 0, .candidate_errors = 0.5});
  EXPECT_EQ(lines_of("serin_rollouts_total"),
            "serin_rollouts_total{service=\"story\",strategy=\"canary\",ending=\"rolledBack\","
            "reason=\"Harmful\"} 1\n");
  EXPECT_THAT(lines_of("serin_rollout_verdicts_total"),
              HasSubstr("{service=\"story\",metric=\"errorRate\",verdict=\"harmful\"} 1\n"));
  EXPECT_THAT(lines_of("serin_rollout_ended_timestamp_seconds"),
              HasSubstr("version=\"v2\",reason=\"Harmful\",ending=\"rolledBack\"} "));
  EXPECT_THAT(lines_of("serin_events_total"),
              HasSubstr("type=\"Warning\",reason=\"RolledBack\"} 1\n"));
  EXPECT_EQ(lines_of("serin_rollout_metric_verdict"), "");
}

TEST_F(MeasureTest, WhatIsGoneIsToldNoMore) {
  roll("story:bad");
  world_.run(seconds(60));
  EXPECT_THAT(lines_of("serin_rollouts_total"), HasSubstr("reason=\"CrashLoop\"} 1\n"));
  ASSERT_TRUE(world_.controller->remove("story", "ada"));
  world_.run(seconds(10));
  EXPECT_THAT(scrape(), Not(HasSubstr("story")));
}

// ---- the port ----

net::Response get(const ScrapeServer& server, const std::string& path) {
  const auto client = net::Client::create();
  net::ClientRequest request;
  request.url = "http://127.0.0.1:" + std::to_string(server.port()) + path;
  auto answer = (*client)->fetch(std::move(request));
  EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
  return answer ? std::move(*answer) : net::Response{};
}

TEST_F(MeasureTest, ThePortListsWhatCanBeScrapedAndHasAllOfIt) {
  serve();
  const auto server = ScrapeServer::create(
      *world_.controller,
      {.relay = [](const std::string& process, std::string_view) -> Result<net::Response> {
        if (process == "nobody") return fail(Code::kNotFound, "there is no process \"nobody\"");
        return net::Response{200, {{"content-type", "text/plain"}}, "of " + process};
      }});
  ASSERT_TRUE(server.has_value()) << server.error().message;
  const std::string host = "127.0.0.1:" + std::to_string((*server)->port());
  const json::value targets = json::parse(get(**server, "/discovery").body);
  ASSERT_EQ(targets.as_array().size(), 3U);
  for (const json::value& target : targets.as_array()) {
    EXPECT_EQ(target.at("targets").at(0).as_string(), host);
    const std::string path(target.at_pointer("/labels/__metrics_path__").as_string());
    EXPECT_EQ(get(**server, path).status, 200) << path;
  }
  const json::object& worker = targets.at(2).at("labels").as_object();
  EXPECT_EQ(worker.at("component").as_string(), "worker");
  EXPECT_EQ(worker.at("service").as_string(), "story");
  EXPECT_EQ(worker.at("version").as_string(), "v1");
  EXPECT_EQ(get(**server, std::string(worker.at("__metrics_path__").as_string())).body,
            "of " + std::string(worker.at("instance").as_string()));
  EXPECT_THAT(get(**server, "/metrics").body, HasSubstr("serin_service_state"));
  EXPECT_EQ(get(**server, "/gateway/metrics").body, "of gateway");
  EXPECT_EQ(get(**server, "/workers/nobody/metrics").status, 404);
  EXPECT_EQ(get(**server, "/v1/services").status, 404);
}

}  // namespace
}  // namespace serin::control::api
