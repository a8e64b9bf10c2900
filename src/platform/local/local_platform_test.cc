// SPDX-License-Identifier: Apache-2.0
// The local platform with real processes: those of program_for_test.cc in place of `serin`.
#include "platform/local/local_platform.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

#include "base/eventually_for_test.h"
#include "base/json.h"
#include "model/package_samples.h"
#include "model/registry.h"
#include "net/http/client.h"
#include "platform/contract_for_test.h"
#include "platform/local/process.h"

namespace serin::platform {
namespace {

namespace fs = std::filesystem;
using local::LocalOptions;
using local::LocalPlatform;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kLong{60'000};  // never waited for when things are right

// A state folder, packages whose workers behave as told, and the platform on them.
class LocalWorld final : public World {
 public:
  LocalWorld() {
    options_.state = folder_.path() / "state";
    options_.program = SERIN_TEST_PROGRAM;
    options_.port = 0;
    options_.gpus = {"0", "5"};
    options_.source.cache = folder_.path() / "cache";
    options_.life.ask_every = milliseconds(50);
    options_.life.ask_starting = milliseconds(10);
    options_.life.restarts.first = milliseconds(20);
    options_.tick_busy = milliseconds(5);
    options_.tick_steady = milliseconds(20);
    options_.housekeeping = milliseconds(50);
    good_ = package("good", R"({"reproducible":"bitwise"})");
    other_ = package("other", R"({"reproducible":"bitwise","lines":1})");
    broken_ = package("broken", R"({"readyAfterMs":600000,"endAfterMs":1})");
    open();
  }
  ~LocalWorld() override {
    if (platform_) EXPECT_TRUE(platform_->shut_down(kLong));
  }

  std::string package(const std::string& name, const std::string& behaviour) {
    const fs::path root = folder_.path() / name;
    fs::create_directories(root);
    EXPECT_TRUE(write_file(root / "behaviour.json", behaviour));
    model::samples::make_package(root);
    return root.string();
  }
  void open() {
    auto opened = LocalPlatform::open(options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    platform_ = *std::move(opened);
    platform_->start();
  }
  void close() { platform_.reset(); }

  LocalPlatform& platform() override { return *platform_; }
  LocalOptions& options() { return options_; }
  const fs::path& folder() const { return folder_.path(); }
  std::string good_package() override { return good_; }
  std::string other_package() override { return other_; }
  std::string broken_package() override { return broken_; }
  bool until(const std::function<bool()>& holds) override { return eventually(holds); }
  void crash(const ReplicaStatus& replica) override { ::kill(replica.pid, SIGKILL); }
  void restart() override {
    close();
    open();
  }

 private:
  TemporaryDirectory folder_ = *TemporaryDirectory::create("sl");
  LocalOptions options_;
  std::string good_, other_, broken_;
  std::unique_ptr<LocalPlatform> platform_;
};

INSTANTIATE_TEST_SUITE_P(Local, PlatformContract,
                         testing::Values(MakeWorld{"local",
                                                   [] { return std::make_unique<LocalWorld>(); }}),
                         [](const auto& info) { return info.param.name; });

class Local : public testing::Test {
 protected:
  LocalPlatform& platform() { return world_.platform(); }
  void ensure(const std::string& package, const Resources& resources = {}, int replicas = 1,
              const std::string& label = "v1") {
    auto model = platform().resolve(package);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    VersionSpec spec;
    spec.service = "story";
    spec.label = label;
    spec.model = *std::move(model);
    spec.replicas = replicas;
    spec.resources = resources;
    const Status done = platform().ensure(spec);
    ASSERT_TRUE(done.has_value()) << done.error().message;
  }
  VersionStatus seen() {
    const auto all = platform().observe("story");
    return all && !all->empty() ? all->front() : VersionStatus();
  }
  ReplicaStatus first() {
    const VersionStatus now = seen();
    return now.replicas.empty() ? ReplicaStatus() : now.replicas.front();
  }
  bool ready(int count = 1) {
    return world_.until([&] {
      const VersionStatus now = seen();
      return now.ready() == count && static_cast<int>(now.replicas.size()) == count;
    });
  }
  bool is(ReplicaState state) {
    return world_.until([&] { return first().state == state; });
  }
  static Traffic traffic() {
    Traffic traffic;
    traffic.service = "story";
    traffic.stable = "v1";
    return traffic;
  }
  void route() {
    Status routed;
    // The gateway may be on its way.
    ASSERT_TRUE(world_.until([&] {
      routed = platform().route(traffic());
      return routed || routed.error().code != Code::kUnavailable;
    }));
    ASSERT_TRUE(routed.has_value()) << routed.error().message;
  }
  // What the gateway was last told, by itself.
  json::value told() {
    auto client = net::Client::create();
    net::ClientRequest request;
    request.url = "unix:" + platform().admin_socket() + ":/config";
    const auto response = (*client)->fetch(request);
    return response ? parse_json(response->body).value_or(json::value()) : json::value();
  }
  std::vector<std::string> told_replicas() {
    std::vector<std::string> ids;
    const json::value config = told();
    if (!config.is_object() || config.at("services").as_array().empty()) return ids;
    for (const auto& replica :
         config.at("services").at(0).at("versions").at(0).at("replicas").as_array())
      ids.emplace_back(replica.at("id").as_string());
    return ids;
  }
  // One connection to the gateway: the pid that answered it, or 0 when it was refused or cut.
  int knock() {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(platform().port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int pid = 0;
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      std::array<char, 64> text{};
      if (::recv(socket, text.data(), text.size() - 1, 0) > 0) pid = std::atoi(text.data());
    }
    ::close(socket);
    return pid;
  }
  bool gateway_serves() {
    return world_.until([&] { return platform().gateway_pid() != 0; });
  }

  LocalWorld world_;
};

TEST_F(Local, RefusesASecondSupervisorOfTheSameFolder) {
  const auto second = LocalPlatform::open(world_.options());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
}

TEST_F(Local, RefusesAStateFolderWhosePathIsTooLong) {
  LocalOptions options = world_.options();
  options.state = world_.folder() / std::string(80, 'x');
  const auto refused = LocalPlatform::open(options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
}

TEST_F(Local, SaysWhatAWorkerLastSaidWhenItEnded) {
  ensure(world_.broken_package());
  ASSERT_TRUE(is(ReplicaState::kCrashLoop));
  EXPECT_EQ(first().message, "exit code 3; it last said: something broke");
}

TEST_F(Local, WhatAFolderHadWhenItWasResolvedIsWhatRuns) {
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  const std::string digest = seen().digest;
  ASSERT_TRUE(write_file(fs::path(world_.good_package()) / "behaviour.json", "broken"));
  world_.crash(first());
  ASSERT_TRUE(world_.until([&] { return seen().crashes == 1; }));
  EXPECT_TRUE(ready());
  EXPECT_EQ(seen().digest, digest);
  EXPECT_EQ(platform().resolve(world_.good_package()).error().code, Code::kDataLoss);
}

TEST_F(Local, ResolvesNamesOfItsRegistryAndKeepsWhatRuns) {
  auto registry = model::Registry::open(world_.options().state / "registry");
  ASSERT_TRUE(registry.has_value());
  const auto held = registry->add(world_.good_package(), model::Registry::Take::kCopy);
  ASSERT_TRUE(registry->tag({"good", "v1"}, held->digest, false).has_value());
  const auto model = platform().resolve("good:v1");
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->digest, held->digest);
  ensure("good:v1");
  EXPECT_THAT(registry->list()->at(0).users, testing::ElementsAre("story/v1"));
  ASSERT_TRUE(platform().remove("story", "v1").has_value());
  EXPECT_TRUE(world_.until([&] { return registry->list()->at(0).users.empty(); }));
}

TEST_F(Local, AWorkerThatIsStoppedIsTakenOutAndReplaced) {
  world_.options().life.dead_after = milliseconds(300);
  world_.restart();
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  route();
  ASSERT_TRUE(world_.until([&] { return told_replicas().size() == 1; }));
  const int before = first().pid;
  ASSERT_EQ(::kill(before, SIGSTOP), 0);
  ASSERT_TRUE(world_.until([&] { return told_replicas().empty(); }));
  ASSERT_TRUE(world_.until([&] { return first().pid != 0 && first().pid != before; }));
  EXPECT_TRUE(ready());
  EXPECT_EQ(seen().crashes, 1U);
  EXPECT_TRUE(world_.until([&] { return told_replicas().size() == 1; }));
}

TEST_F(Local, OneThatIgnoresSigtermIsKilledWhenItsGraceIsOver) {
  world_.options().life.grace = milliseconds(200);
  world_.restart();
  ensure(world_.package("deaf", R"({"ignoreTerm":true})"));
  ASSERT_TRUE(ready());
  ASSERT_TRUE(platform().remove("story", "v1").has_value());
  EXPECT_TRUE(world_.until([&] { return platform().observe("story")->empty(); }));
}

class Memory : public Local, public testing::WithParamInterface<bool> {};

TEST_P(Memory, AWorkerThatTakesTooMuchIsEndedWithThatReason) {
  world_.options().control_groups = GetParam();
  world_.restart();
  Resources resources;
  resources.memory_bytes = std::uint64_t{64} << 20;
  ensure(world_.package("greedy", R"({"eatMiB":200})"), resources);
  ASSERT_TRUE(world_.until([&] { return seen().crashes > 0; }));
  ASSERT_TRUE(world_.until([&] {
    return first().message.find("it used more than its 64 MiB of memory") != std::string::npos;
  })) << first().message;
}

INSTANTIATE_TEST_SUITE_P(Limits, Memory, testing::Bool(), [](const auto& info) {
  return info.param ? "ByControlGroup" : "ByWatching";
});

TEST_F(Local, GivesEachWorkerADeviceOfItsOwn) {
  Resources resources;
  resources.gpus = 1;
  ensure(world_.good_package(), resources, 2);
  ASSERT_TRUE(ready(2));
  EXPECT_THAT(*platform().logs("story", seen().replicas[0].id, 1), HasSubstr("devices \"0\""));
  EXPECT_THAT(*platform().logs("story", seen().replicas[1].id, 1), HasSubstr("devices \"5\""));
}

TEST_F(Local, WhereThereIsRoomForOneTheOldOneGoesFirst) {
  Resources resources;
  resources.gpus = 2;
  ensure(world_.good_package(), resources);
  ASSERT_TRUE(ready());
  const std::string before = first().id;
  ensure(world_.other_package(), resources);
  ASSERT_TRUE(world_.until([&] { return first().id != before; }));
  EXPECT_TRUE(ready());
  EXPECT_EQ(seen().crashes, 0U);
}

TEST_F(Local, LogsAreRotatedAndKeptWithinBounds) {
  world_.options().logs.bytes = 1000;
  world_.options().logs.older = 2;
  world_.restart();
  ensure(world_.package("loud", R"({"lines":1000})"));
  ASSERT_TRUE(ready());
  const fs::path log = world_.options().state / "logs" / "story" / (first().id + ".log");
  ASSERT_TRUE(
      world_.until([&] { return fs::exists(log.string() + ".1") && fs::file_size(log) < 1000; }));
  EXPECT_FALSE(fs::exists(log.string() + ".3"));
  EXPECT_THAT(*platform().logs("story", first().id, 3), HasSubstr("a line of a log"));
}

TEST_F(Local, TheGatewayIsToldWhoIsReadyAndWhatIsBitwise) {
  ensure(world_.good_package(), {}, 2);
  ASSERT_TRUE(ready(2));
  route();
  ASSERT_TRUE(world_.until([&] { return told_replicas().size() == 2; }));
  EXPECT_TRUE(told().at("services").at(0).at("versions").at(0).at("bitwise").as_bool());
  const ReplicaStatus gone = first();
  world_.crash(gone);
  ASSERT_TRUE(world_.until([&] { return told_replicas().size() == 1; }));
  EXPECT_NE(told_replicas()[0], gone.id);
  EXPECT_TRUE(world_.until([&] { return told_replicas().size() == 2; }));
  const auto file = parse_json(*read_file(world_.options().state / "gateway.json"));
  EXPECT_EQ(file->at("revision"), told().at("revision"));
  ASSERT_TRUE(platform().unroute("story").has_value());
  EXPECT_TRUE(told().at("services").as_array().empty());
}

TEST_F(Local, ADeadGatewayIsReplacedAndNoConnectionIsRefused) {
  ASSERT_TRUE(gateway_serves());
  const int before = platform().gateway_pid();
  ASSERT_EQ(knock(), before);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  // Those that come while there is none wait in the socket's queue.
  for (int i = 0; i < 20; ++i) {
    int pid = knock();
    // One that the dying gateway had accepted is cut; none is refused.
    if (pid == 0) pid = knock();
    EXPECT_NE(pid, 0);
  }
  EXPECT_NE(knock(), before);
  EXPECT_TRUE(world_.until([&] { return platform().gateway_pid() == knock(); }));
}

TEST_F(Local, AStoppedGatewayIsReplaced) {
  ASSERT_TRUE(gateway_serves());
  const int before = platform().gateway_pid();
  ASSERT_EQ(::kill(before, SIGSTOP), 0);
  // Its threads stop one after the other; then connections wait for the successor.
  EXPECT_TRUE(world_.until([&] {
    const int answered_by = knock();
    return answered_by != 0 && answered_by != before;
  }));
  EXPECT_TRUE(world_.until(
      [&] { return !local::read_stat(before) || local::read_stat(before)->state == 'Z'; }));
}

TEST_F(Local, AGatewayOfAnotherProgramIsDrainedWhenItsSuccessorIsReady) {
  ASSERT_TRUE(gateway_serves());
  const int before = platform().gateway_pid();
  world_.options().gateway_arguments = {"--other"};
  world_.restart();
  ASSERT_TRUE(world_.until([&] {
    EXPECT_NE(knock(), 0);
    const int now = platform().gateway_pid();
    return now != 0 && now != before;
  }));
  EXPECT_TRUE(world_.until([&] { return knock() == platform().gateway_pid(); }));
}

TEST_F(Local, TheSocketComesBackFromALivingGateway) {
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  route();
  ASSERT_TRUE(gateway_serves());
  const int before = platform().gateway_pid();
  const std::uint16_t port = platform().port();
  world_.restart();
  EXPECT_EQ(platform().port(), port);
  EXPECT_EQ(platform().gateway_pid(), before);
  EXPECT_EQ(knock(), before);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  const int after = knock();
  EXPECT_NE(after == 0 ? knock() : after, before);
  EXPECT_TRUE(world_.until([&] { return told_replicas().size() == 1; }));
}

TEST_F(Local, AGatewayThatCannotGiveTheSocketBackIsReplacedOnTheSamePort) {
  ASSERT_TRUE(gateway_serves());
  const int before = platform().gateway_pid();
  const std::uint16_t port = platform().port();
  ASSERT_EQ(::kill(before, SIGSTOP), 0);
  world_.restart();
  EXPECT_EQ(platform().port(), port);
  ASSERT_TRUE(gateway_serves());
  EXPECT_NE(knock(), before);
}

TEST_F(Local, EndsThatHappenWhileNobodySupervisesAreCounted) {
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  const ReplicaStatus before = first();
  world_.close();
  ASSERT_EQ(::kill(before.pid, SIGKILL), 0);
  world_.open();
  ASSERT_TRUE(world_.until([&] { return seen().crashes == 1; }));
  ASSERT_TRUE(ready());
  EXPECT_EQ(first().id, before.id);
}

TEST_F(Local, ShutDownEndsEverythingAndTheNextOneStartsItAgain) {
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  const ReplicaStatus before = first();
  ASSERT_TRUE(platform().shut_down(kLong));
  EXPECT_FALSE(local::read_stat(before.pid) && local::read_stat(before.pid)->state != 'Z');
  world_.restart();
  ASSERT_TRUE(ready());
  EXPECT_EQ(first().id, before.id);
  EXPECT_EQ(seen().crashes, 0U);
}

TEST_F(Local, WhoOnlyEndsStartsNothing) {
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  const ReplicaStatus before = first();
  world_.close();
  ASSERT_EQ(::kill(before.pid, SIGKILL), 0);
  world_.options().only_end = true;
  world_.open();
  ASSERT_TRUE(platform().shut_down(kLong));
  EXPECT_EQ(first().pid, 0);
  EXPECT_EQ(platform().gateway_pid(), 0);
}

TEST_F(Local, ArgumentsOfTheUserStandInPlaceOfOurs) {
  world_.options().worker_arguments = {"--threads", "7"};
  world_.restart();
  ensure(world_.good_package());
  ASSERT_TRUE(ready());
  const std::string line =
      read_file("/proc/" + std::to_string(first().pid) + "/cmdline").value_or("");
  const std::string threads("--threads\0", 10);
  ASSERT_NE(line.find(threads), std::string::npos);
  EXPECT_EQ(line.find(threads), line.rfind(threads));
  EXPECT_EQ(line.substr(line.find(threads) + threads.size(), 1), "7");
}

TEST_F(Local, EvidenceIsWhatTheGatewayTells) {
  ASSERT_TRUE(gateway_serves());
  const auto page = platform().evidence("story", "7", 10);
  ASSERT_TRUE(page.has_value()) << page.error().message;
  ASSERT_EQ(page->records.size(), 1U);
  EXPECT_EQ(page->records[0].version, "v1");
  EXPECT_EQ(page->next, "9");
  EXPECT_EQ(page->lost, 2U);
  const auto none = platform().evidence("nobody", "7", 10);
  ASSERT_TRUE(none.has_value()) << none.error().message;
  EXPECT_TRUE(none->records.empty());
  EXPECT_EQ(none->next, "7");
  EXPECT_EQ(platform().evidence("story", "7 apples", 10).error().code, Code::kInvalidArgument);
}

TEST_F(Local, SamplesAreWhatTheGatewayHas) {
  ASSERT_TRUE(gateway_serves());
  const auto samples = platform().samples("story", "judge", 0.1, 8);
  ASSERT_TRUE(samples.has_value()) << samples.error().message;
  ASSERT_EQ(samples->size(), 1U);
  EXPECT_EQ(samples->at(0).number, 4U);
  EXPECT_EQ(samples->at(0).json, R"({"requestId":"r"})");
  EXPECT_TRUE(platform().score("story", "judge", {{4, 0.5}}).has_value());
  const auto reply = platform().ask("story", "{}", milliseconds(1500), {});
  ASSERT_TRUE(reply.has_value()) << reply.error().message;
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->body, "/ask?service=story&within=1500ms {}");
  EXPECT_FALSE(platform().ask("no name", "{}", milliseconds(1500), {}).has_value());
  EXPECT_TRUE(platform().samples("nobody", "judge", 0.1, 8)->empty());
  EXPECT_FALSE(platform().samples("story", "no name", 0.1, 8).has_value());
}

// The supervisor is a process of its own here, and is killed; its children are adopted by another
// one, whose children they are not.
TEST_F(Local, WhatAKilledSupervisorRanIsAdopted) {
  world_.close();
  std::array<int, 2> told{};
  ASSERT_EQ(::pipe(told.data()), 0);
  const pid_t supervisor = ::fork();
  if (supervisor == 0) {
    world_.open();
    ensure(world_.good_package());
    if (!ready() || !gateway_serves()) ::_exit(1);
    const std::array<int, 2> pids{first().pid, platform().gateway_pid()};
    if (::write(told[1], pids.data(), sizeof pids) < 0) ::_exit(1);
    ::pause();
    ::_exit(1);
  }
  std::array<int, 2> pids{};
  ASSERT_EQ(::read(told[0], pids.data(), sizeof pids), static_cast<ssize_t>(sizeof pids));
  ASSERT_EQ(::kill(supervisor, SIGKILL), 0);
  ASSERT_EQ(::waitpid(supervisor, nullptr, 0), supervisor);
  EXPECT_TRUE(local::read_stat(pids[0]).has_value());
  EXPECT_TRUE(local::read_stat(pids[1]).has_value());
  world_.open();
  ASSERT_TRUE(ready());
  EXPECT_EQ(first().pid, pids[0]);
  EXPECT_EQ(platform().gateway_pid(), pids[1]);
  EXPECT_EQ(knock(), pids[1]);
  ::kill(pids[0], SIGKILL);
  ASSERT_TRUE(world_.until([&] { return seen().crashes == 1; }));
  EXPECT_TRUE(ready());
  ::close(told[0]);
  ::close(told[1]);
}

}  // namespace
}  // namespace serin::platform
