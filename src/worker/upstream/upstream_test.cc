// SPDX-License-Identifier: Apache-2.0
// Against servers of our own that answer what the test says.
#include "worker/upstream/upstream.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "net/http/server.h"

namespace serin::worker {
namespace {

using model::Remote;
using std::chrono::milliseconds;
using testing::HasSubstr;

Remote remote(Remote::Protocol protocol, std::string url) {
  Remote made;
  made.protocol = protocol;
  made.url = std::move(url);
  made.model = "m";
  return made;
}

model::Package package(Remote declared) {
  model::Package made;
  made.root = std::filesystem::temp_directory_path();
  made.manifest.engine = model::EngineKind::kRemote;
  made.manifest.remote = std::move(declared);
  return made;
}

TEST(HealthUrl, IsBelowTheBaseByProtocolAndBelowTheRootWhereDeclared) {
  Remote openai = remote(Remote::Protocol::kOpenAi, "http://h:1/v1");
  EXPECT_EQ(health_url(openai), "http://h:1/v1/models");
  openai.health_path = "/healthz";
  EXPECT_EQ(health_url(openai), "http://h:1/healthz");
  EXPECT_EQ(health_url(remote(Remote::Protocol::kOpenInference, "http://h:1")),
            "http://h:1/v2/models/m/ready");
  EXPECT_EQ(health_url(remote(Remote::Protocol::kHttp, "https://h/app")), "https://h/");
  EXPECT_EQ(health_url(remote(Remote::Protocol::kHttp, "unix:/s:/app")), "unix:/s:/");
}

bool up(const Remote& declared, std::uint16_t status) {
  return judge_probe(declared, net::Response{status, {}, {}}).up;
}

TEST(Probe, TakesADeclaredPathAtItsWordAndAGuessedOneAsASignOfLife) {
  Remote openai = remote(Remote::Protocol::kOpenAi, "http://h:1/v1");
  EXPECT_TRUE(up(openai, 200) && up(openai, 404));
  EXPECT_FALSE(up(openai, 401) || up(openai, 503));
  openai.health_path = "/healthz";
  EXPECT_FALSE(up(openai, 404));
  const Remote plain = remote(Remote::Protocol::kHttp, "http://h:1");
  EXPECT_TRUE(up(plain, 404) && up(plain, 500));
  EXPECT_FALSE(up(remote(Remote::Protocol::kOpenInference, "http://h:1"), 404));
  EXPECT_THAT(judge_probe(openai, net::Response{401, {}, {}}).reason, HasSubstr("key"));
  EXPECT_EQ(judge_probe(openai, fail(Code::kUnavailable, "refused")).reason, "refused");
}

TEST(Upstream, StartsNoCommandThatNobodyAllowed) {
  Remote declared = remote(Remote::Protocol::kHttp, "http://127.0.0.1:{port}");
  declared.command = {"rm", "-rf", "/"};
  const auto opened = Upstream::open(package(declared), {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, Code::kPermissionDenied);
  EXPECT_THAT(opened.error().message, HasSubstr("rm -rf /; if you trust it"));
}

TEST(Upstream, WantsTheKeyThatThePackageNames) {
  Remote declared = remote(Remote::Protocol::kOpenAi, "http://127.0.0.1:1/v1");
  declared.key_variable = "SERIN_UPSTREAM_TEST";
  ::unsetenv("SERIN_UPSTREAM_TEST");
  EXPECT_THAT(Upstream::open(package(declared), {}).error().message,
              HasSubstr("set SERIN_UPSTREAM_TEST"));
  ::setenv("SERIN_UPSTREAM_TEST", "two words", 1);
  const Error error = Upstream::open(package(declared), {}).error();
  EXPECT_THAT(error.message, HasSubstr("must hold one key"));
  EXPECT_THAT(error.message, testing::Not(HasSubstr("words")));
  ::setenv("SERIN_UPSTREAM_TEST", "sk-1", 1);
  const auto opened = Upstream::open(package(declared), {});
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ((*opened)->request("GET", "/models").headers.get("authorization"), "Bearer sk-1");
}

TEST(Upstream, LooksItsHostUpBeforeAndNeverAgain) {
  const auto opened =
      Upstream::open(package(remote(Remote::Protocol::kHttp, "http://localhost:1")), {});
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_THAT((*opened)->address().addresses.at("localhost"), testing::Contains("127.0.0.1"));
  EXPECT_EQ(Upstream::open(package(remote(Remote::Protocol::kHttp, "http://no.such.invalid:1")), {})
                .error()
                .code,
            Code::kUnavailable);
}

TEST(Upstream, AsksForItsPortAlone) {
  Sandbox sandbox;
  (*Upstream::open(package(remote(Remote::Protocol::kHttp, "http://127.0.0.1:4711")), {}))
      ->allow(sandbox);
  EXPECT_EQ(sandbox.connect, std::vector<std::uint16_t>{4711});
  EXPECT_FALSE(sandbox.connect_unix || sandbox.datagrams);
  Sandbox local;
  (*Upstream::open(package(remote(Remote::Protocol::kHttp, "unix:/tmp/s")), {}))->allow(local);
  EXPECT_TRUE(local.connect.empty());
  EXPECT_TRUE(local.connect_unix);
}

// 0, or the errno of connecting.
int connecting(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0
                                                                                          : errno;
}

TEST(Upstream, IsAllThatAWorkerInFrontOfItCanCall) {
  if (landlock_abi() < 4) return;  // an older kernel knows no ports
  net::ServerOptions options;
  options.port = 0;
  const auto upstream = *net::Server::create(options, [](const auto&) {});
  const auto other = *net::Server::create(options, [](const auto&) {});
  const pid_t child = ::fork();
  if (child == 0) {
    Sandbox sandbox = sandbox_for({});
    const std::string url = "http://127.0.0.1:" + std::to_string(upstream->port());
    (*Upstream::open(package(remote(Remote::Protocol::kHttp, url)), {}))->allow(sandbox);
    const bool shut = enter_sandbox(sandbox).has_value() && connecting(upstream->port()) == 0 &&
                      connecting(other->port()) == EACCES && ::socket(AF_INET, SOCK_DGRAM, 0) == -1;
    ::_exit(shut ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(Upstream, IsUpWhileItAnswersAndOnceItsProofSucceeds) {
  std::atomic<int> status{503};
  std::atomic<bool> proven{false};
  net::ServerOptions options;
  options.port = 0;
  const auto server = *net::Server::create(options, [&](std::shared_ptr<net::Exchange> exchange) {
    exchange->respond({static_cast<std::uint16_t>(status.load()), {}, {}});
  });
  UpstreamOptions wanted;
  wanted.probe_interval = milliseconds(1);
  const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
  const auto upstream = *Upstream::open(package(remote(Remote::Protocol::kOpenAi, url)), wanted);
  ASSERT_TRUE(upstream
                  ->begin([&]() -> Status {
                    if (proven) return {};
                    return fail(Code::kFailedPrecondition, "text is \"x\"");
                  })
                  .has_value());
  const auto reason = [&](std::string_view holds) {
    for (int i = 0; i < 10'000; ++i) {
      const UpstreamHealth health = upstream->health();
      if (!health.up && health.reason.find(holds) != std::string::npos) return true;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  };
  EXPECT_TRUE(reason("answered 503"));
  status = 200;
  EXPECT_TRUE(reason("golden request failed: text is"));
  proven = true;
  EXPECT_TRUE(upstream->wait_up(milliseconds(30'000)).has_value());
  status = 500;
  EXPECT_TRUE(reason("answered 500"));
}

TEST(Upstream, ThatDoesNotComeUpSaysWhy) {
  const auto upstream =
      *Upstream::open(package(remote(Remote::Protocol::kOpenAi, "http://127.0.0.1:1/v1")), {});
  ASSERT_TRUE(upstream->begin().has_value());
  const Status waited = upstream->wait_up(milliseconds(300));
  ASSERT_FALSE(waited.has_value());
  EXPECT_THAT(waited.error().message, HasSubstr("within 300 ms: cannot connect to 127.0.0.1:1"));
}

}  // namespace
}  // namespace serin::worker
