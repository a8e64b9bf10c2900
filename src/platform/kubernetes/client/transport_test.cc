// SPDX-License-Identifier: Apache-2.0
// Who we are on the wire: certificates and tokens that change while requests are made.
#include "platform/kubernetes/client/transport.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "net/http/tls_files_for_test.h"
#include "platform/kubernetes/client/api_server_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using testing::HasSubstr;

struct TransportTest : testing::Test {
  void SetUp() override {
    access = server.access();
    access.authority = {{}, files.certificate, "config:1:1: clusters[0].cluster.ca"};
  }
  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file(folder.path() / name, text).has_value());
  }
  std::unique_ptr<Transport> make() const {
    auto made = Transport::create(access, clock, 1 << 20);
    EXPECT_TRUE(made.has_value()) << made.error().message;
    return *std::move(made);
  }
  static net::ClientRequest request() {
    net::ClientRequest made;
    made.target = "/api/v1/pods";
    made.timeout = std::chrono::seconds(30);
    return made;
  }
  // Knows nobody but who shows that token.
  void want(const std::string& token) {
    server.script([token](const Asked& asked) -> std::optional<net::Response> {
      if (asked.token == "Bearer " + token) return std::nullopt;
      return refusal(401, "Unauthorized");
    });
  }

  TemporaryDirectory folder = *TemporaryDirectory::create();
  net::TlsFiles files = net::make_tls_files(folder.path());
  ApiServerForTest server{files};
  ManualClock clock;
  Access access;
};

TEST_F(TransportTest, ShowsTheTokenThatTheFileHasNow) {
  access.token = {{}, folder.path() / "token", "token"};
  write("token", "one");
  const auto transport = make();
  want("one");
  EXPECT_EQ(transport->fetch(request())->status, 200);
  write("token", "two");
  want("two");
  EXPECT_EQ(transport->fetch(request())->status, 200);
  want("three");
  EXPECT_EQ(transport->fetch(request())->status, 401);
  EXPECT_EQ(server.count("GET"), 3u);  // nobody else to be
}

TEST_F(TransportTest, AsksItsPluginAgainWhenTheServerKnowsNobody) {
  const auto say = [&](const std::string& token) {
    write("answer", R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
                    R"("status":{"token":")" +
                        token + R"("}})");
  };
  access.plugin = ExecPlugin{
      .version = "v1", .command = "cat", .arguments = {(folder.path() / "answer").string()}};
  say("old");
  const auto transport = make();
  say("new");
  want("new");
  EXPECT_EQ(transport->fetch(request())->status, 200);
  EXPECT_EQ(server.count("GET"), 2u);
  say("newer");
  want("newer");
  const auto nothing = [](std::string_view) -> Status { return {}; };
  EXPECT_TRUE(transport->stream(request(), nothing).has_value());
}

TEST_F(TransportTest, GivesARequestItsTimeAndNotThatOfAPlugin) {
  const std::string at = folder.path().string();
  write("quick", "");
  access.plugin =
      ExecPlugin{.version = "v1",
                 .command = "sh",
                 .arguments = {"-c", "[ -e " + at + "/quick ] || sleep 50; cat " + at + "/answer"}};
  write("answer", R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
                  R"("status":{"token":"t","expirationTimestamp":"2001-01-01T00:00:00Z"}})");
  const auto transport = make();
  std::filesystem::remove(folder.path() / "quick");
  net::ClientRequest short_of_time = request();
  short_of_time.timeout = std::chrono::milliseconds(20);
  EXPECT_EQ(transport->fetch(short_of_time).error().code, Code::kDeadlineExceeded);
  net::ClientRequest given_up = request();
  given_up.cancel.cancel();
  EXPECT_EQ(transport->fetch(given_up).error().code, Code::kCancelled);
  EXPECT_EQ(server.count("GET"), 0u);
}

TEST_F(TransportTest, KeepsItsCertificateUntilTheNewOneIsWhole) {
  access.certificate = {{}, folder.path() / "me.crt", "me"};
  access.key = {{}, folder.path() / "me.key", "me"};
  write("me.crt", *read_file(files.certificate));
  write("me.key", *read_file(files.key));
  const auto transport = make();
  EXPECT_EQ(transport->fetch(request())->status, 200);
  const TemporaryDirectory next = *TemporaryDirectory::create();
  const net::TlsFiles fresh = net::make_tls_files(next.path());
  write("me.crt", *read_file(fresh.certificate));  // and its key comes later
  EXPECT_EQ(transport->fetch(request())->status, 200);
  write("me.key", *read_file(fresh.key));
  EXPECT_EQ(transport->fetch(request())->status, 200);
}

TEST_F(TransportTest, SaysWhichFieldHasNoCertificate) {
  access.certificate = {"nonsense", {}, "config:3:5: users[0].user.client-certificate-data"};
  access.key = {"nonsense", {}, "config:4:5: users[0].user.client-key-data"};
  const auto made = Transport::create(access, clock, 1 << 20);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message,
              HasSubstr("config:3:5: users[0].user.client-certificate-data: the certificate is"));
}

TEST_F(TransportTest, GivesAStreamInPiecesAndHoldsUpAServerThatIsTooFast) {
  const std::string body(8 << 20, 'x');
  server.script([&](const Asked& asked) -> std::optional<net::Response> {
    if (asked.query("watch") != "true") return std::nullopt;
    return net::Response{200, {}, body};
  });
  const auto transport = make();
  net::ClientRequest watch = request();
  watch.target += "?watch=true";
  std::size_t got = 0;
  const Status taken = transport->stream(std::move(watch), [&](std::string_view bytes) -> Status {
    // All of it could have come while these went back and forth on the same connection.
    for (int i = 0; i < 20 && got == 0; ++i) EXPECT_EQ(transport->fetch(request())->status, 200);
    EXPECT_LE(bytes.size(), 2u << 20);  // what is read ahead, and the window of HTTP/2
    got += bytes.size();
    return {};
  });
  ASSERT_TRUE(taken.has_value()) << taken.error().message;
  EXPECT_EQ(got, body.size());
}

TEST_F(TransportTest, EndsAStreamWhoseReaderHasEnough) {
  server.script([](const Asked&) -> std::optional<net::Response> {
    return net::Response{200, {}, std::string(4 << 20, 'x')};
  });
  const auto transport = make();
  const auto enough = [](std::string_view) -> Status { return fail(Code::kUnknown, "enough"); };
  EXPECT_EQ(transport->stream(request(), enough).error().message, "enough");
  server.script({});
  EXPECT_EQ(transport->fetch(request())->status, 200);
}

}  // namespace
}  // namespace serin::platform::kubernetes
