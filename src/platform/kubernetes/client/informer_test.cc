// SPDX-License-Identifier: Apache-2.0
// An informer beside a server that fails it in every way: what it knows is what there is.
#include "platform/kubernetes/client/informer.h"

#include <gmock/gmock.h>

#include "base/eventually_for_test.h"
#include "base/files.h"
#include "platform/kubernetes/client/api_server_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

const Resource kPods{"", "v1", "pods"};

std::string path_of(const std::string& name) { return "/api/v1/namespaces/n/pods/" + name; }

class InformerTest : public testing::Test {
 protected:
  void SetUp() override {
    ApiOptions quick;
    quick.backoff = {1ms, 2ms};
    api_ = *Api::create(server_.access(), Clock::real(), quick);
  }
  void start(bool wait = true) {
    informer_ = std::make_unique<Informer>(
        *api_, InformerOptions{.target = {kPods, "n"}, .backoff = {1ms, 5ms}},
        [this](const Change& change) { told(change); }, clock_);
    informer_->start();
    if (wait) EXPECT_TRUE(informer_->wait_synced(60s));
  }
  void watched() {
    EXPECT_TRUE(eventually([&] { return server_.watches() == 1; }));
  }
  // Until the pods that it knows are these.
  bool knows(const std::vector<std::string>& names) {
    return eventually([&] {
      std::vector<std::string> known;
      for (const Object& object : informer_->objects().all()) known.push_back(key_of(*object).name);
      return known == names;
    });
  }
  std::vector<std::string> told() {
    const std::lock_guard lock(mutex_);
    return told_;
  }
  std::size_t lists() const { return server_.count("GET", "limit="); }

  ApiServerForTest server_;
  ManualClock clock_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Informer> informer_;

 private:
  void told(const Change& change) {
    const std::lock_guard lock(mutex_);
    const std::string name = key_of(change.after ? *change.after : *change.before).name;
    told_.push_back((!change.before ? "+" : !change.after ? "-" : "*") + name);
  }
  std::mutex mutex_;
  std::vector<std::string> told_;
};

TEST_F(InformerTest, ListsAndThenFollows) {
  server_.put(path_of("a"));
  start();
  EXPECT_THAT(told(), ElementsAre("+a"));
  watched();
  server_.put(path_of("b"));
  server_.put(path_of("a"));
  server_.erase(path_of("b"));
  server_.put("/api/v1/namespaces/other/pods/x");
  EXPECT_TRUE(eventually([&] { return told().size() == 4; }));
  EXPECT_THAT(told(), ElementsAre("+a", "+b", "*a", "-b"));
  EXPECT_TRUE(knows({"a"}));
  EXPECT_EQ(informer_->problem(), "");
}

TEST_F(InformerTest, GoesOnWhereAWatchBrokeOff) {
  start();
  for (const bool in_order : {false, true, false}) {
    watched();
    server_.send_to_watches(R"({"type":"ADD)");
    server_.end_watches(in_order);
    server_.put(path_of("a"));
    server_.erase(path_of("a"));
    server_.put(path_of(in_order ? "c" : "b"));
  }
  EXPECT_TRUE(eventually([&] { return told().size() >= 9; }));
  EXPECT_TRUE(knows({"b", "c"}));
  EXPECT_THAT(told(), ElementsAre("+a", "-a", "+b", "+a", "-a", "+c", "+a", "-a", "*b"));
  EXPECT_EQ(lists(), 1u);
}

TEST_F(InformerTest, GoesOnFromABookmark) {
  start();
  watched();
  server_.put("/api/v1/namespaces/other/pods/x");  // a version that no event of ours has
  server_.bookmark();
  server_.put(path_of("a"));
  EXPECT_TRUE(knows({"a"}));
  server_.put("/api/v1/namespaces/other/pods/y");
  server_.bookmark();
  EXPECT_TRUE(eventually([&] {
    server_.end_watches(true);
    return server_.asked().back().query("resourceVersion") == "103";
  }));
}

TEST_F(InformerTest, ListsAnewWhatIsForgottenAndFindsWhatWentAway) {
  for (const char* name : {"a", "b", "c"}) server_.put(path_of(name));
  start();
  watched();
  server_.stop();
  server_.erase(path_of("b"));
  server_.erase(path_of("c"));
  server_.put(path_of("c"));  // another one
  server_.put(path_of("d"));
  server_.forget_history();
  server_.start();
  EXPECT_TRUE(eventually([&] { return told().size() == 7; }));
  EXPECT_TRUE(knows({"a", "c", "d"}));
  EXPECT_THAT(told(), UnorderedElementsAre("+a", "+b", "+c", "-b", "-c", "+c", "+d"));
  EXPECT_EQ(lists(), 2u);
  watched();
  server_.put(path_of("e"));
  EXPECT_TRUE(knows({"a", "c", "d", "e"}));
}

TEST_F(InformerTest, WaitsForAServerThatIsAwayAndSaysSo) {
  server_.stop();
  start(false);
  EXPECT_TRUE(eventually([&] { return !informer_->problem().empty(); }));
  EXPECT_THAT(informer_->problem(), HasSubstr("cannot connect to 127.0.0.1"));
  EXPECT_FALSE(informer_->synced());
  EXPECT_FALSE(informer_->wait_synced(1ms));
  EXPECT_EQ(informer_->heard(), std::nullopt);
  server_.put(path_of("a"));
  server_.start();
  EXPECT_TRUE(informer_->wait_synced(60s));
  EXPECT_TRUE(knows({"a"}));
  EXPECT_EQ(informer_->problem(), "");
}

TEST_F(InformerTest, IsWellAgainAsSoonAsTheServerTakesItsWatch) {
  start();
  watched();
  server_.stop();
  EXPECT_TRUE(eventually([&] { return !informer_->problem().empty(); }));
  clock_.advance(1min);
  server_.start();  // and nothing happens
  EXPECT_TRUE(eventually([&] { return informer_->problem().empty(); }));
  EXPECT_EQ(informer_->heard(), clock_.now());
  EXPECT_EQ(lists(), 1u);
}

TEST_F(InformerTest, ComesBackWhenABusyServerSaysAndNotBefore) {
  std::mutex mutex;
  std::vector<Instant> asked_at;
  server_.script([&](const Asked& asked) -> std::optional<net::Response> {
    if (asked.query("watch") != "true") return std::nullopt;
    const std::lock_guard lock(mutex);
    asked_at.push_back(std::chrono::steady_clock::now());
    if (asked_at.size() > 1) return std::nullopt;
    net::Response busy = refusal(429, "TooManyRequests");
    busy.headers.add("retry-after", "1");
    return busy;
  });
  start();
  watched();
  server_.script({});
  ASSERT_EQ(asked_at.size(), 2u);
  EXPECT_GE(asked_at[1] - asked_at[0], 1s);
}

TEST_F(InformerTest, DoesNotListAgainForAServerThatIsBusyOrIll) {
  server_.put(path_of("a"));
  start();
  watched();
  int refused = 0;
  server_.script([&](const Asked& asked) -> std::optional<net::Response> {
    if (asked.query("watch") != "true" || ++refused > 3) return std::nullopt;
    return refused == 2 ? refusal(429, "TooManyRequests") : refusal(500, "InternalError");
  });
  server_.end_watches(false);
  server_.put(path_of("b"));
  EXPECT_TRUE(knows({"a", "b"}));
  server_.script({});
  EXPECT_EQ(lists(), 1u);
}

TEST_F(InformerTest, ListsAnewWhereAnEventCannotBeRead) {
  server_.put(path_of("a"));
  start();
  for (const char* wrong : {"garbage\n", "{\"type\":\"ADDED\",\"object\":{\"metadata\":7}}\n"}) {
    watched();
    const std::size_t before = lists();
    server_.send_to_watches(wrong);
    EXPECT_TRUE(eventually([&] { return lists() == before + 1; })) << wrong;
    EXPECT_TRUE(eventually([&] { return server_.count("GET", "watch=true") == before + 1; }));
  }
  watched();
  server_.put(path_of("b"));
  EXPECT_TRUE(knows({"a", "b"}));
}

TEST_F(InformerTest, ReadsAnEventThatComesByteByByte) {
  start();
  watched();
  const std::string event =
      R"({"type":"ADDED","object":{"metadata":{"name":"a","namespace":"n","resourceVersion":"900"}}})"
      "\n";
  for (const char byte : event) server_.send_to_watches(std::string(1, byte));
  EXPECT_TRUE(knows({"a"}));
}

TEST_F(InformerTest, TakesAWatchThatAlwaysEndsAtOnceAsTrouble) {
  server_.script([](const Asked& asked) -> std::optional<net::Response> {
    if (asked.query("watch") != "true") return std::nullopt;
    return net::Response{200, {}, ""};
  });
  start();
  EXPECT_TRUE(eventually([&] { return !informer_->problem().empty(); }));
  EXPECT_THAT(informer_->problem(), HasSubstr("it ended at once and said nothing"));
}

TEST_F(InformerTest, DropsManagedFieldsAndKnowsWhenItHeardLast) {
  const json::object fields{{"metadata", {{"managedFields", {1, 2}}, {"labels", {{"x", "y"}}}}}};
  server_.put(path_of("a"), fields);
  start();
  watched();
  EXPECT_EQ(informer_->heard(), clock_.now());
  clock_.advance(1min);
  server_.put(path_of("b"), fields);
  EXPECT_TRUE(knows({"a", "b"}));
  for (const char* name : {"a", "b"}) {
    const Object pod = informer_->objects().find({"n", name});
    EXPECT_EQ(value_at(*pod, "/metadata/managedFields"), nullptr);
    EXPECT_EQ(text_at(*pod, "/metadata/labels/x"), "y");
    EXPECT_EQ(text_at(*pod, "/kind"), "Pod");
  }
  EXPECT_TRUE(eventually([&] { return informer_->heard() == clock_.now(); }));
}

TEST_F(InformerTest, EndsWhileAServerIsSilent) {
  start();
  watched();
  informer_.reset();
  EXPECT_TRUE(eventually([&] { return server_.watches() == 0; }));
}

}  // namespace
}  // namespace serin::platform::kubernetes
