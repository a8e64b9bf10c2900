// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/events.h"

#include <gmock/gmock.h>

#include "platform/kubernetes/client/api_server_for_test.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using What = EventMemory::What;

struct EventMemoryTest : testing::Test {
  EventMemory::Step happened(const std::string& key, const std::string& object = "o") {
    return memory.happened(object, key, "name-" + std::to_string(++names), clock.now());
  }
  EventMemory memory;
  ManualClock clock;
  int names = 0;
};

TEST_F(EventMemoryTest, CountsWhatHappensAgainAndWritesItNowAndThen) {
  EXPECT_EQ(happened("k").what, What::kNew);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(happened("k").what, What::kNothing);
  clock.advance(30s);
  const auto series = happened("k");
  EXPECT_EQ(series.what, What::kSeries);
  EXPECT_EQ(series.name, "name-1");
  EXPECT_EQ(series.count, 102);
  EXPECT_EQ(happened("k").what, What::kNothing);
  EXPECT_EQ(happened("other").what, What::kNew);
}

TEST_F(EventMemoryTest, BeginsAnewAfterSilenceAndWhereItsEventIsGone) {
  happened("k");
  clock.advance(9min);
  EXPECT_EQ(happened("k").what, What::kSeries);
  clock.advance(10min + 1s);
  EXPECT_EQ(happened("k").what, What::kNew);
  memory.forget("k");
  EXPECT_EQ(happened("k").what, What::kNew);
}

TEST_F(EventMemoryTest, GivesEachObjectABudget) {
  int written = 0;
  for (int i = 0; i < 1000; ++i)
    written += happened("note " + std::to_string(i)).what == What::kNew ? 1 : 0;
  EXPECT_EQ(written, 25);
  EXPECT_EQ(happened("k", "another").what, What::kNew);
  clock.advance(2min);
  for (int i = 0; i < 1000; ++i)
    written += happened("later " + std::to_string(i)).what == What::kNew ? 1 : 0;
  EXPECT_EQ(written, 27);
}

TEST_F(EventMemoryTest, RemembersABoundedNumber) {
  happened("first");
  EXPECT_EQ(happened("first").what, What::kNothing);
  for (int i = 0; i < 4096; ++i) {
    const std::string one = std::to_string(i);
    EXPECT_EQ(happened(one, "object " + one).what, What::kNew);
  }
  EXPECT_EQ(happened("first").what, What::kNew);
}

struct EventRecorderTest : testing::Test {
  // The Events that there are.
  std::vector<json::object> events(const std::string& ns = "n") {
    std::vector<json::object> found;
    const auto list = *api->list({{"events.k8s.io", "v1", "events"}, ns}, {});
    for (const json::value& item : list.items) found.push_back(item.as_object());
    return found;
  }
  ApiServerForTest server;
  std::unique_ptr<Api> api = *Api::create(server.access());
  ManualClock clock;
  EventRecorder recorder{*api, "serin.dev/operator", "operator-1", clock};
  const json::value about{{"apiVersion", "serin.dev/v1alpha1"},
                          {"kind", "GenerativeService"},
                          {"metadata", {{"name", "web"}, {"namespace", "n"}, {"uid", "u"}}}};
  const EventText text{true, "PullFailed", "Pull", "the image is not there"};
};

TEST_F(EventRecorderTest, WritesWhatHappenedToAnObject) {
  recorder.record(about, text);
  ASSERT_EQ(events().size(), 1u);
  const json::value event = events()[0];
  EXPECT_THAT(std::string(text_at(event, "/metadata/name")), StartsWith("web."));
  EXPECT_EQ(text_at(event, "/type"), "Warning");
  EXPECT_EQ(text_at(event, "/reason"), "PullFailed");
  EXPECT_EQ(text_at(event, "/action"), "Pull");
  EXPECT_EQ(text_at(event, "/note"), "the image is not there");
  EXPECT_EQ(text_at(event, "/regarding/kind"), "GenerativeService");
  EXPECT_EQ(text_at(event, "/regarding/uid"), "u");
  EXPECT_EQ(text_at(event, "/reportingController"), "serin.dev/operator");
  EXPECT_EQ(text_at(event, "/reportingInstance"), "operator-1");
  EXPECT_EQ(text_at(event, "/eventTime"), "2001-09-09T02:46:40.000000Z");
}

TEST_F(EventRecorderTest, CountsALoopInOneEvent) {
  for (int i = 0; i < 50; ++i) recorder.record(about, text);
  clock.advance(30s);
  recorder.record(about, text);
  ASSERT_EQ(events().size(), 1u);
  EXPECT_EQ(value_at(events()[0], "/series/count")->to_number<int>(), 51);
  EXPECT_EQ(server.count("POST"), 1u);
  EXPECT_EQ(server.count("PATCH"), 1u);
}

TEST_F(EventRecorderTest, WritesAnotherWhereTheFirstIsGone) {
  recorder.record(about, text);
  server.erase("/apis/events.k8s.io/v1/namespaces/n/events/" +
               std::string(text_at(events()[0], "/metadata/name")));
  clock.advance(1min);
  recorder.record(about, text);
  clock.advance(1s);
  recorder.record(about, text);
  EXPECT_EQ(events().size(), 1u);
}

TEST_F(EventRecorderTest, PutsEventsOfTheClustersObjectsWhereTheyBelong) {
  const json::value node{{"kind", "Node"}, {"metadata", {{"name", "one"}}}};
  recorder.record(node, {false, "Seen", "Look", std::string(999, 'x') + "ü" + "more"});
  ASSERT_EQ(events("default").size(), 1u);
  const json::value event = events("default")[0];
  EXPECT_EQ(text_at(event, "/type"), "Normal");
  EXPECT_EQ(text_at(event, "/note"), std::string(999, 'x'));
}

TEST_F(EventRecorderTest, GoesOnWhereAnEventIsRefused) {
  server.answer_next("POST", {refusal(403, "Forbidden")});
  recorder.record(about, text);
  EXPECT_TRUE(events().empty());
  recorder.record(about, text);
  EXPECT_EQ(events().size(), 1u);
}

}  // namespace
}  // namespace serin::platform::kubernetes
