// SPDX-License-Identifier: Apache-2.0
// The API over a real socket, asked as commands ask it.
#include <gmock/gmock.h>

#include "base/digest.h"
#include "control/api/client.h"
#include "control/api/server.h"
#include "control/api/views.h"
#include "control/world_for_test.h"
#include "net/http/tls_files_for_test.h"

namespace serin::control::api {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_.emplace(*TemporaryDirectory::create("api"));
    ServerOptions options;
    options.socket = socket_of(folder_->path()).string();
    options.status = {{"version", "0.0.0"}, {"gateway", "http://127.0.0.1:8080"}};
    options.stop = [this] { stopped_ = true; };
    auto server = Server::create(*world_.controller, std::move(options));
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    auto client = Client::create(folder_->path());
    ASSERT_TRUE(client.has_value());
    client_.emplace(std::move(*client));
  }
  Result<json::value> apply(const std::string& text, bool dry_run = false) {
    return client_->apply({.text = text, .file = "my story.yaml", .folder = "/models"}, dry_run);
  }
  // Packages move by minutes, not for want of traffic.
  void serve() {
    ASSERT_TRUE(apply(manifest_text("story:v1")));
    world_.run(seconds(4), {});
  }
  void roll() {
    serve();
    ASSERT_TRUE(apply(manifest_text("story:v2")));
    world_.run(seconds(4), {});
  }

  std::optional<TemporaryDirectory> folder_;
  ControlWorld world_;
  std::atomic<bool> stopped_{false};
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

TEST_F(ApiTest, AppliesListsAndDeletes) {
  const auto created = apply(manifest_text("story:v1"));
  ASSERT_TRUE(created.has_value()) << created.error().message;
  EXPECT_EQ(created->at("result").as_string(), "created");
  EXPECT_TRUE(created->at("warnings").as_array().empty());
  EXPECT_EQ(apply(manifest_text("story:v1"))->at("result").as_string(), "unchanged");
  world_.run(seconds(4), {});
  const auto services = client_->services();
  ASSERT_EQ(services->size(), 1U);
  EXPECT_EQ(services->at(0).at("state").as_string(), "Serving");
  const auto service = client_->service("story");
  ASSERT_TRUE(service.has_value());
  const json::value& version = service->at("versions").at(0);
  EXPECT_EQ(version.at("label").as_string(), "v1");
  EXPECT_EQ(version.at("weight").to_number<int>(), 100);
  EXPECT_EQ(version.at("ready").to_number<int>(), 1);
  EXPECT_GT(version.at("traffic").at("requestsPerSecond").to_number<double>(), 10);
  ASSERT_TRUE(client_->remove("story"));
  world_.run(seconds(3));
  EXPECT_EQ(client_->service("story").error().code, Code::kNotFound);
}

TEST_F(ApiTest, TheErrorOfAManifestComesBackWithFileLineAndField) {
  const auto wrong = apply(manifest_text("story:v1", "  rolout: {}\n"));
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, Code::kInvalidArgument);
  EXPECT_THAT(wrong.error().message,
              HasSubstr("my story.yaml:7:3: spec.rolout: is not a field; did you mean rollout?"));
  EXPECT_EQ(wrong.error().param, "spec.rolout");
  EXPECT_EQ(apply(manifest_text("story:v9")).error().code, Code::kNotFound);
}

TEST_F(ApiTest, ADryRunSaysWhatWouldBe) {
  serve();
  const auto answer = apply(manifest_text("story:v2"), true);
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->at("result").as_string(), "configured");
  EXPECT_EQ(answer->at("manifest").at("spec").at("model").as_string(), "story:v2");
  EXPECT_EQ(client_->service("story")->at("model").as_string(), "story:v1");
}

TEST_F(ApiTest, ShowsWhatEveryMetricSaysOfARollout) {
  roll();
  world_.run(seconds(5), {});
  const auto rollout = client_->rollout("story");
  ASSERT_TRUE(rollout.has_value()) << rollout.error().message;
  EXPECT_EQ(rollout->at("candidate").as_string(), "v2");
  EXPECT_EQ(rollout->at("weight").to_number<int>(), 10);
  EXPECT_EQ(rollout->at("ending").as_string(), "none");
  EXPECT_FALSE(rollout->at("nextStepAt").is_null());
  const json::array& metrics = rollout->at("metrics").as_array();
  ASSERT_EQ(metrics.size(), 6U);
  const json::value& errors = metrics[0];
  EXPECT_EQ(errors.at("name").as_string(), "errorRate");
  EXPECT_GT(errors.at("stableCount").to_number<int>(), 0);
  EXPECT_GT(errors.at("candidateCount").to_number<int>(), 0);
  for (const char* verdict : {"harmful", "safe"}) {
    EXPECT_GE(errors.at(verdict).at("share").to_number<double>(), 0);
    EXPECT_LE(errors.at(verdict).at("share").to_number<double>(), 1);
    EXPECT_GT(errors.at(verdict).at("threshold").to_number<double>(), 0);
  }
}

TEST_F(ApiTest, VerbsMoveARolloutAndSayWhoAsked) {
  roll();
  ASSERT_TRUE(client_->ask("story", Verb::kPause));
  EXPECT_EQ(client_->service("story")->at("state").as_string(), "Paused");
  EXPECT_NE(client_->rollout("story")->at("pausedBy").as_string(), "");
  ASSERT_TRUE(client_->ask("story", Verb::kResume));
  ASSERT_TRUE(client_->ask("story", Verb::kPromote));
  EXPECT_EQ(client_->service("story")->at("stable").as_string(), "v2");
  const auto refused = client_->ask("story", Verb::kAbort);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("no rollout runs"));
  const auto history = client_->rollouts("story", 5);
  ASSERT_EQ(history->size(), 1U);
  EXPECT_EQ(history->at(0).at("reason").as_string(), "PromotedByHand");
}

TEST_F(ApiTest, EventsAreReadOnFromWhereOneWas) {
  serve();
  const auto all = client_->events("story", 0, 100);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).at("reason").as_string(), "Created");
  EXPECT_EQ(client_->events("story", all->at(1).at("id").as_int64(), 100)->size(), 1U);
  EXPECT_EQ(client_->events("story", all->at(2).at("id").as_int64(), 100)->size(), 0U);
  EXPECT_EQ(client_->events("story", 0, 5000).error().code, Code::kInvalidArgument);
}

TEST_F(ApiTest, HasLogsAndItsOwnStatus) {
  serve();
  EXPECT_THAT(client_->logs("story", "", 10).value_or(""), HasSubstr("ready"));
  EXPECT_EQ(client_->logs("story", "nobody", 10).error().code, Code::kNotFound);
  EXPECT_EQ(client_->status()->at("gateway").as_string(), "http://127.0.0.1:8080");
  ASSERT_TRUE(client_->stop());
  EXPECT_TRUE(stopped_);
}

TEST_F(ApiTest, SaysThatNoControlPlaneRuns) {
  server_.reset();
  const auto answer = client_->services();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("start one with serin up"));
}

TEST_F(ApiTest, WhatIsNoPartOfItIsRefused) {
  auto client = net::Client::create();
  const std::string socket = "unix:" + socket_of(folder_->path()).string() + ":";
  std::string said;
  const auto ask = [&](const char* method, const char* path, std::string body = {}) {
    net::ClientRequest request;
    request.url = socket + path;
    request.method = method;
    request.body = std::move(body);
    const auto response = (*client)->fetch(std::move(request));
    if (response) said = response->body;
    return response ? response->status : 0;
  };
  EXPECT_EQ(ask("POST", "/v1/apply?dryrun=true", manifest_text("story:v1")), 400);
  EXPECT_THAT(said, HasSubstr("did you mean dryRun?"));
  EXPECT_TRUE(client_->services()->empty()) << "it was no dry run";
  EXPECT_EQ(ask("GET", "/v1/services?x"), 400);
  EXPECT_EQ(ask("GET", "/v1/events?"), 200);
  EXPECT_EQ(ask("GET", "/v2/services"), 404);
  EXPECT_EQ(ask("PUT", "/v1/services"), 405);
  EXPECT_EQ(ask("GET", "/v1/events?after=-1"), 400);
  EXPECT_EQ(ask("GET", "/v1/events?most=x"), 400);
  EXPECT_EQ(ask("POST", "/v1/apply", std::string(2 << 20, ' ')), 413);
  EXPECT_EQ(ask("POST", "/v1/apply", "\xff\xfe"), 400);
}

TEST_F(ApiTest, TellsHowMuchAlikeTheAnswersOfAShadowAre) {
  serve();
  ASSERT_TRUE(apply(manifest_text("story:v2", {}, "strategy: shadow, initialWeight: 50")));
  world_.run(seconds(4), {});
  world_.run(seconds(10), {.requests = 20, .stable_errors = 0.1, .candidate_errors = 0.1});
  const auto rollout = client_->rollout("story");
  ASSERT_TRUE(rollout.has_value()) << rollout.error().message;
  const json::value& agreement = rollout->at("agreement");
  EXPECT_GT(agreement.at("compared").to_number<int>(), 100);
  EXPECT_EQ(agreement.at("identical").to_number<int>(), 0);
  EXPECT_EQ(agreement.at("mean").to_number<double>(), 0.5);
  EXPECT_GT(agreement.at("notCompared").at("failed").to_number<int>(), 0);
  // Users are the stable version's, whatever the weight of the copies is.
  EXPECT_EQ(rollout->at("weight").to_number<int>(), 50);
  const auto service = client_->service("story");
  EXPECT_EQ(service->at("versions").at(0).at("weight").to_number<int>(), 100);
  EXPECT_EQ(service->at("versions").at(1).at("weight").to_number<int>(), 0);
  EXPECT_FALSE(rollout->at("nextStepAt").is_null());
}

// The same over the network, with a key for reading and one for all.
class NetworkApiTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    server_.reset();
    tls_ = net::make_tls_files(folder_->path());
    trusting_.emplace(tls_.certificate);
    keys({"eyes"}, {"ci"});
    ServerOptions options;
    options.socket = socket_of(folder_->path()).string();
    options.network = NetworkOptions{
        .address = "127.0.0.1", .port = 0, .tls = tls_, .keys = folder_->path() / "keys.yaml"};
    auto server = Server::create(*world_.controller, std::move(options));
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = std::move(*server);
    url_ = "https://127.0.0.1:" + std::to_string(server_->port());
  }
  // A key's secret is its name.
  void keys(const std::vector<std::string>& read, const std::vector<std::string>& all) {
    std::string text = "keys:\n";
    const auto add = [&](const std::string& name, const std::string& scopes) {
      text +=
          "- {name: " + name + ", hashes: [" + sha256_hex(name) + "], scopes: " + scopes + "}\n";
    };
    for (const std::string& name : read) add(name, "[read]");
    for (const std::string& name : all) add(name, "[read, write]");
    ASSERT_TRUE(write_file(folder_->path() / "keys.yaml", text));
  }
  Client with(const std::string& key) { return std::move(*Client::create(url_, key)); }
  Result<json::value> apply_with(const std::string& key, const std::string& text) {
    return with(key).apply({.text = text, .file = "story.yaml", .folder = "/models"});
  }

  net::TlsFiles tls_;
  std::optional<net::Trusting> trusting_;
  std::string url_;
};

TEST_F(NetworkApiTest, AKeyMayWhatItsScopesSay) {
  const auto created = apply_with("ci", manifest_text("story:v1"));
  ASSERT_TRUE(created.has_value()) << created.error().message;
  EXPECT_EQ(with("eyes").services()->size(), 1U);
  const Error refused = apply_with("eyes", manifest_text("story:v2")).error();
  EXPECT_EQ(refused.code, Code::kPermissionDenied);
  EXPECT_EQ(refused.reason, "scope_missing");
  EXPECT_EQ(with("eyes").remove("story").error().reason, "scope_missing");
  EXPECT_EQ(with("nobody").services().error().code, Code::kUnauthenticated);
  // Who asked stands in the events.
  EXPECT_THAT(std::string(client_->events("story", 0, 1)->at(0).at("message").as_string()),
              HasSubstr("asked for by key ci"));
}

TEST_F(NetworkApiTest, NothingAnswersWithoutAKey) {
  auto client = net::Client::create();
  const auto ask = [&](const std::string& url, const std::string& authorization) {
    net::ClientRequest request;
    request.url = url;
    if (!authorization.empty()) request.headers.add("authorization", authorization);
    const auto response = (*client)->fetch(std::move(request));
    return response ? response->status : 0;
  };
  EXPECT_EQ(ask(url_ + "/v1/status", ""), 401);
  EXPECT_EQ(ask(url_ + "/v1/nothing", ""), 401);
  EXPECT_EQ(ask(url_ + "/v1/nothing", "Bearer eyes"), 404);
  EXPECT_EQ(ask(url_ + "/v1/status", "Bearer eyes"), 200);
  // And not without TLS.
  EXPECT_EQ(ask("http" + url_.substr(5) + "/v1/status", "Bearer eyes"), 0);
}

TEST_F(NetworkApiTest, WhatIsMeantOnTheCallersMachineIsRefused) {
  const Error relative = apply_with("ci", manifest_text("./story")).error();
  EXPECT_EQ(relative.code, Code::kInvalidArgument);
  EXPECT_THAT(relative.message,
              HasSubstr("story.yaml: spec.model: ./story is meant from a folder"));
  const Error command =
      apply_with(
          "ci", manifest_text("story:v1", "  notifications: [{name: ops, command: [/bin/true]}]\n"))
          .error();
  EXPECT_EQ(command.code, Code::kPermissionDenied);
  EXPECT_EQ(command.param, "spec.notifications[0].command");
  // Here it may be.
  EXPECT_TRUE(
      apply(manifest_text("story:v1", "  notifications: [{name: ops, command: [/bin/true]}]\n")));
}

TEST_F(NetworkApiTest, WithoutTlsOrKeysThereIsNone) {
  server_.reset();
  const auto open = [&](NetworkOptions network) {
    ServerOptions options;
    options.socket = socket_of(folder_->path()).string();
    options.network = std::move(network);
    return Server::create(*world_.controller, std::move(options)).has_value();
  };
  const auto keys = folder_->path() / "keys.yaml";
  EXPECT_FALSE(open({.address = "127.0.0.1", .port = 0, .tls = tls_, .keys = "/no/such"}));
  EXPECT_FALSE(open({.address = "127.0.0.1", .port = 0, .tls = {"/no", "/no"}, .keys = keys}));
  EXPECT_TRUE(open({.address = "127.0.0.1", .port = 0, .tls = tls_, .keys = keys}));
}

TEST_F(NetworkApiTest, AnAddressThatIsNoneIsSaidSo) {
  EXPECT_EQ(Client::create("http://127.0.0.1:1", "ci").error().code, Code::kInvalidArgument);
  EXPECT_EQ(Client::create(url_, "").error().code, Code::kInvalidArgument);
  server_.reset();
  const auto gone = with("ci").services();
  EXPECT_EQ(gone.error().code, Code::kUnavailable);
  EXPECT_THAT(gone.error().message, HasSubstr(url_));
  EXPECT_THAT(gone.error().message, HasSubstr("--control-address"));
}

}  // namespace
}  // namespace serin::control::api
