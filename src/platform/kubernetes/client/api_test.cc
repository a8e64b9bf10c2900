// SPDX-License-Identifier: Apache-2.0
// Every call of the API, and every way in which a server can fail it.
#include "platform/kubernetes/client/api.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/eventually_for_test.h"
#include "base/files.h"
#include "platform/kubernetes/client/api_server_for_test.h"
#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const Resource kPods{"", "v1", "pods"};
const Resource kDeployments{"apps", "v1", "deployments"};
const Target kPod{kPods, "n", "a"};
const std::string kPodPath = "/api/v1/namespaces/n/pods/a";

ApiOptions quick() {
  ApiOptions options;
  options.manager = "tester";
  options.backoff = {1ms, 2ms};
  options.event_bytes = 4096;
  return options;
}

struct ApiTest : testing::Test {
  std::vector<std::string> names(const List& list) const {
    std::vector<std::string> found;
    for (const json::value& item : list.items) found.push_back(key_of(item).name);
    return found;
  }
  void put_pods(int count) {
    for (int i = 0; i < count; ++i)
      server.put("/api/v1/namespaces/n/pods/" + std::string(1, static_cast<char>('a' + i)));
  }
  std::string last_target() const { return server.asked().back().target; }

  ApiServerForTest server;
  std::unique_ptr<Api> api = *Api::create(server.access(), Clock::real(), quick());
};

TEST_F(ApiTest, GetsAnObjectOrSaysThatThereIsNone) {
  server.put(kPodPath, {{"spec", {{"x", 1}}}});
  const auto pod = api->get(kPod);
  ASSERT_TRUE(pod.has_value()) << pod.error().message;
  EXPECT_EQ(key_of(*pod).name, "a");
  const auto none = api->get({kDeployments, "n", "web"});
  EXPECT_EQ(none.error().code, Code::kNotFound);
  EXPECT_THAT(none.error().message, StartsWith("deployments.apps n/web: "));
  EXPECT_EQ(last_target(), "/apis/apps/v1/namespaces/n/deployments/web");
}

TEST_F(ApiTest, EscapesWhatItPutsIntoAPath) {
  EXPECT_EQ(api->get({kPods, "n", "a/../b?"}).error().code, Code::kInvalidArgument);
  api->get({kPods, "n", "system:node"});
  EXPECT_THAT(last_target(), HasSubstr("/pods/system%3Anode"));
}

TEST_F(ApiTest, ListsInPagesOfOneMoment) {
  put_pods(7);
  const auto list = api->list({kPods, "n"}, {.labels = "app in (x,y)", .page = 3});
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_THAT(names(*list), ElementsAre("a", "b", "c", "d", "e", "f", "g"));
  EXPECT_EQ(text_at(list->items[6], "/kind"), "Pod");
  EXPECT_EQ(text_at(list->items[6], "/apiVersion"), "v1");
  EXPECT_EQ(server.count("GET", "limit=3"), 3u);
  EXPECT_EQ(server.count("GET", "labelSelector=app%20in%20%28x%2Cy%29"), 3u);
  EXPECT_FALSE(list->version.empty());
  EXPECT_THAT(names(*api->list({kPods}, {})), testing::SizeIs(7));
}

TEST_F(ApiTest, ListsAllAtOnceWhereAPageComesTooLate) {
  put_pods(5);
  int pages = 0;
  server.script([&](const Asked&) -> std::optional<net::Response> {
    if (++pages == 2) server.forget_history();
    return std::nullopt;
  });
  const auto list = api->list({kPods, "n"}, {.page = 2});
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_THAT(names(*list), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_EQ(pages, 3);
}

TEST_F(ApiTest, TrimsWhatItLists) {
  server.put(kPodPath, {{"spec", {{"x", 1}}}});
  const auto list = api->list({kPods}, {.trim = [](json::object& pod) { pod.erase("spec"); }});
  EXPECT_EQ(value_at(list->items[0], "/spec"), nullptr);
}

TEST_F(ApiTest, RefusesAListThatIsNone) {
  for (const json::value& wrong :
       {json::value{{"kind", "PodList"}}, json::value{{"metadata", {{"resourceVersion", 5}}}},
        json::value{{"metadata", {{"resourceVersion", "5"}}}, {"items", 7}},
        json::value{{"metadata", {{"resourceVersion", "5"}}}, {"items", {1, 2}}}, json::value(7)}) {
    server.answer_next("GET", {json_response(200, wrong)});
    EXPECT_EQ(api->list({kPods}, {}).error().code, Code::kInternal) << wrong;
  }
  server.answer_next(
      "GET", {json_response(200, {{"metadata", {{"resourceVersion", "5"}}}, {"items", nullptr}})});
  EXPECT_TRUE(api->list({kPods}, {}).has_value());
}

TEST_F(ApiTest, BoundsWhatItLists) {
  put_pods(3);
  ApiOptions few = quick();
  few.list_items = 2;
  const auto list = (*Api::create(server.access(), Clock::real(), few))->list({kPods}, {});
  EXPECT_EQ(list.error().code, Code::kResourceExhausted);
  EXPECT_THAT(list.error().message, HasSubstr("more than 2"));
}

TEST_F(ApiTest, CreatesOnceAndSaysWhatIsThereAlready) {
  const json::value pod{{"metadata", {{"name", "a"}}}};
  ASSERT_TRUE(api->create({kPods, "n"}, pod).has_value());
  EXPECT_EQ(server.asked().back().target, "/api/v1/namespaces/n/pods?fieldManager=tester");
  EXPECT_EQ(api->create({kPods, "n"}, pod).error().code, Code::kAlreadyExists);
}

TEST_F(ApiTest, UpdatesTheVersionThatItKnows) {
  const json::value first = server.put(kPodPath);
  ASSERT_TRUE(api->update(kPod, first).has_value());
  const auto stale = api->update(kPod, first);
  EXPECT_EQ(stale.error().code, Code::kAborted);
  EXPECT_EQ(stale.error().reason, "Conflict");
  EXPECT_EQ(api->update(kPod, {{"metadata", {{"name", "a"}}}}).error().param,
            "metadata.resourceVersion");
}

TEST_F(ApiTest, AppliesAsItsManagerAndNamesTheFieldsOfOthers) {
  const json::value wanted{{"spec", {{"replicas", 2}}}};
  ASSERT_TRUE(api->apply({kDeployments, "n", "web"}, wanted, false).has_value());
  EXPECT_EQ(server.asked().back().media, "application/apply-patch+yaml");
  EXPECT_THAT(last_target(), HasSubstr("?fieldManager=tester&force=false"));
  server.answer_next(
      "PATCH", {refusal(409, "Conflict", "Apply failed with 1 conflict",
                        {{{"reason", "FieldManagerConflict"}, {"field", ".spec.replicas"}}})});
  const auto conflict = api->apply({kDeployments, "n", "web"}, wanted, false);
  EXPECT_EQ(conflict.error().code, Code::kAborted);
  EXPECT_EQ(conflict.error().param, ".spec.replicas");
  api->apply({kDeployments, "n", "web"}, wanted, true);
  EXPECT_THAT(last_target(), HasSubstr("force=true"));
}

TEST_F(ApiTest, ReachesSubresources) {
  server.put(kPodPath);
  api->merge({kPods, "n", "a", "status"}, {{"status", {{"phase", "Running"}}}});
  EXPECT_THAT(last_target(), StartsWith(kPodPath + "/status?"));
  EXPECT_EQ(server.asked().back().media, "application/merge-patch+json");
  api->patch(kPod, {{{"op", "add"}, {"path", "/x"}, {"value", 1}}});
  EXPECT_EQ(server.asked().back().media, "application/json-patch+json");
  ASSERT_TRUE(api->create({kPods, "n", "a", "eviction"}, {{"kind", "Eviction"}}).has_value());
  EXPECT_THAT(last_target(), StartsWith(kPodPath + "/eviction?"));
}

TEST_F(ApiTest, RemovesOnlyTheOneThatIsMeant) {
  const json::value pod = server.put(kPodPath);
  EXPECT_EQ(api->remove(kPod, {.uid = "another"}).error().code, Code::kAborted);
  ASSERT_TRUE(api->remove(kPod, {.propagation = "Foreground", .uid = std::string(uid_of(pod))})
                  .has_value());
  EXPECT_THAT(server.asked().back().body, HasSubstr(R"("propagationPolicy":"Foreground")"));
  EXPECT_EQ(api->remove(kPod).error().code, Code::kNotFound);
}

TEST_F(ApiTest, ChangesNothingInADryRun) {
  server.put(kPodPath);
  const Call dry{.dry_run = true};
  ASSERT_TRUE(api->apply(kPod, {{"spec", 1}}, true, dry).has_value());
  ASSERT_TRUE(api->remove(kPod, {}, dry).has_value());
  ASSERT_TRUE(api->create({kPods, "n"}, {{"metadata", {{"name", "b"}}}}, dry).has_value());
  EXPECT_FALSE(server.stored(kPodPath)->contains("spec"));
  EXPECT_FALSE(server.stored("/api/v1/namespaces/n/pods/b").has_value());
}

TEST_F(ApiTest, ReadsLogsAndWhatAGroupHas) {
  server.answer_next("GET", {net::Response{200, {}, "line\n"}});
  EXPECT_EQ(*api->logs({.ns = "n", .pod = "a", .container = "c", .previous = true}), "line\n");
  EXPECT_THAT(last_target(),
              HasSubstr("/pods/a/log?container=c&tailLines=100&limitBytes=1048576&previous=true"));
  server.answer_next("GET", {json_response(200, {{"resources", {{{"name", "deployments"}}}}}),
                             refusal(404, "NotFound")});
  EXPECT_EQ(text_at(api->resources("apps", "v1")->at(0), "/name"), "deployments");
  EXPECT_EQ(last_target(), "/apis/apps/v1");
  EXPECT_EQ(api->resources("none", "v1").error().code, Code::kNotFound);
}

net::Response busy() {
  net::Response response = refusal(429, "TooManyRequests");
  response.headers.add("retry-after", "0");
  return response;
}

TEST_F(ApiTest, AsksAgainWhereThatIsSafe) {
  server.put(kPodPath);
  server.answer_next("GET", {refusal(500, "InternalError"), refusal(503, ""), busy(),
                             net::Response{504, {}, "garbage"}});
  EXPECT_TRUE(api->get(kPod).has_value());
  EXPECT_EQ(server.count("GET"), 5u);
  server.answer_next("PATCH", {refusal(500, "InternalError")});
  EXPECT_TRUE(api->apply(kPod, {{"spec", 1}}, true).has_value());
  server.answer_next("DELETE", {refusal(503, "ServiceUnavailable")});
  EXPECT_TRUE(api->remove(kPod).has_value());
}

TEST_F(ApiTest, AsksOnceWhereTwiceIsNotTheSame) {
  server.answer_next("POST", {refusal(500, "InternalError")});
  const json::value pod{{"metadata", {{"name", "a"}}}};
  EXPECT_EQ(api->create({kPods, "n"}, pod).error().code, Code::kInternal);
  EXPECT_EQ(server.count("POST"), 1u);
  server.answer_next("POST", {busy()});  // it was turned away at the door
  EXPECT_TRUE(api->create({kPods, "n"}, pod).has_value());
  server.answer_next("POST", {refusal(429, "TooManyRequests", "the disruption budget")});
  EXPECT_EQ(api->create({kPods, "n", "a", "eviction"}, {}).error().code, Code::kResourceExhausted);
}

TEST_F(ApiTest, GivesUpAfterSoManyTries) {
  server.script([](const Asked&) { return refusal(500, "InternalError", "etcd is ill"); });
  const auto none = api->get(kPod);
  EXPECT_EQ(none.error().message, "pods n/a: etcd is ill");
  EXPECT_EQ(server.count("GET"), 5u);
}

TEST_F(ApiTest, DoesNotWaitLongerThanItsCallerDoes) {
  server.script([](const Asked&) {
    net::Response later = busy();
    later.headers.set("retry-after", "3000");
    return later;
  });
  EXPECT_EQ(api->get(kPod, {.timeout = 20s}).error().code, Code::kResourceExhausted);
  EXPECT_EQ(server.count("GET"), 1u);
}

TEST_F(ApiTest, EndsWhenItIsCancelled) {
  server.script([](const Asked&) {
    net::Response later = busy();
    later.headers.set("retry-after", "30");
    return later;
  });
  const Call call{.timeout = 60s};
  std::thread canceller([&] {
    eventually([&] { return server.count("GET") == 1; });
    call.cancel.cancel();
  });
  EXPECT_FALSE(api->get(kPod, call).has_value());
  canceller.join();
  EXPECT_EQ(server.count("GET"), 1u);
}

TEST_F(ApiTest, WaitsForAServerThatComesBack) {
  server.put(kPodPath);
  ApiOptions patient = quick();
  patient.attempts = 10'000;
  // What it says is over at once, so that it runs at every try.
  const TemporaryDirectory folder = *TemporaryDirectory::create();
  const auto tries = folder.path() / "tries";
  Access access = server.access();
  access.plugin = ExecPlugin{
      .version = "v1",
      .command = "sh",
      .arguments = {"-c", "echo >> " + tries.string() + R"(; echo '{"kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "t", "expirationTimestamp": "2001-01-01T00:00:00Z"}}')"}};
  const auto waiting = *Api::create(access, Clock::real(), patient);
  server.stop();
  std::thread reader([&] { EXPECT_TRUE(waiting->get(kPod).has_value()); });
  EXPECT_TRUE(eventually([&] { return std::filesystem::file_size(tries) >= 3; }));
  server.start();
  reader.join();
}

TEST_F(ApiTest, SaysThatNobodyAnswers) {
  server.stop();
  const auto none = api->get(kPod);
  EXPECT_EQ(none.error().code, Code::kUnavailable);
  EXPECT_THAT(none.error().message, StartsWith("pods n/a: cannot connect to 127.0.0.1:"));
  server.start();
}

class WatchTest : public ApiTest {
 protected:
  // Watches until it ends, or has seen `most` events; what it saw as "put a 101".
  Status watch(const std::string& version, std::size_t most = 100, const CancelToken& cancel = {}) {
    return api->watch(
        {kPods, "n"}, {.fields = "metadata.name!=z"},
        {.version = version, .lasts = 60s, .cancel = cancel}, [&](WatchEvent&& event) -> Status {
          static constexpr const char* kNames[] = {"put ", "gone ", "mark "};
          seen.push_back(kNames[static_cast<int>(event.kind)] + key_of(event.object).name + " " +
                         std::string(version_of(event.object)));
          if (seen.size() >= most) return fail(Code::kUnknown, "enough");
          return {};
        });
  }
  // What happens once somebody watches.
  std::thread meanwhile(std::function<void()> act) {
    return std::thread([this, act = std::move(act)] {
      EXPECT_TRUE(eventually([&] { return server.watches() == 1; }));
      act();
    });
  }

  std::vector<std::string> seen;
};

TEST_F(WatchTest, TellsWhatHappensAfterAVersion) {
  server.put(kPodPath);  // 101
  const auto list = *api->list({kPods, "n"}, {});
  server.put(kPodPath);  // 102, before the watch begins
  auto acting = meanwhile([&] {
    server.put("/api/v1/namespaces/n/pods/b");
    server.put("/api/v1/namespaces/other/pods/c");
    server.erase(kPodPath);
    server.bookmark();
    server.end_watches(true);
  });
  const Status ended = watch(list.version);
  acting.join();
  ASSERT_TRUE(ended.has_value()) << ended.error().message;
  EXPECT_THAT(seen, ElementsAre("put a 102", "put b 103", "gone a 105", "mark  105"));
  EXPECT_THAT(last_target(),
              HasSubstr("?watch=true&allowWatchBookmarks=true&resourceVersion=101&timeoutSeconds=60"
                        "&fieldSelector=metadata.name%21%3Dz"));
}

TEST_F(WatchTest, SaysThatItsVersionIsForgotten) {
  server.forget_history();
  EXPECT_EQ(watch("1").error().code, Code::kOutOfRange);
  server.script([](const Asked&) { return refusal(410, "Gone"); });  // as some servers say it
  EXPECT_EQ(watch("1").error().code, Code::kOutOfRange);
}

TEST_F(WatchTest, EndsWithItsReadersError) {
  for (const char* name : {"a", "b", "c"})
    server.put("/api/v1/namespaces/n/pods/" + std::string(name));
  EXPECT_THAT(watch("100", 2).error().message, HasSubstr("enough"));
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_TRUE(eventually([&] { return server.watches() == 0; }));
}

TEST_F(WatchTest, SaysThatItWasCutInTheMiddleOfAnEvent) {
  for (const bool in_order : {true, false}) {
    auto acting = meanwhile([&] {
      server.send_to_watches(R"({"type":"ADDED","obj)");
      server.end_watches(in_order);
    });
    const Status cut = watch("100");
    acting.join();
    EXPECT_EQ(cut.error().code, Code::kAborted) << cut.error().message;
  }
  EXPECT_TRUE(seen.empty());
}

TEST_F(WatchTest, RefusesWhatIsNoEventOrTooLong) {
  for (const std::string& wrong :
       {std::string("garbage\n"), std::string("{\"type\":\"ADDED\",\"object\":7}\n"),
        std::string(5000, 'x')}) {
    auto acting = meanwhile([&] { server.send_to_watches(wrong); });
    EXPECT_EQ(watch("100").error().code, Code::kInvalidArgument) << wrong;
    acting.join();
    EXPECT_TRUE(eventually([&] { return server.watches() == 0; }));
  }
}

TEST_F(WatchTest, EndsWhenItIsCancelled) {
  const CancelToken cancel;
  auto acting = meanwhile([&] { cancel.cancel(); });
  EXPECT_EQ(watch("100", 100, cancel).error().code, Code::kCancelled);
  acting.join();
}

TEST_F(WatchTest, IsAnsweredLikeEveryOtherRequest) {
  server.script([](const Asked&) { return refusal(403, "Forbidden", "pods is forbidden"); });
  const Status refused = watch("100");
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_EQ(refused.error().message, "watching pods in n: pods is forbidden");
}

}  // namespace
}  // namespace serin::platform::kubernetes
