// SPDX-License-Identifier: Apache-2.0
// The admin API on a port: over TLS, for who shows the token, and for nobody else.
#include <gmock/gmock.h>

#include "gateway/gateway_for_test.h"
#include "net/http/tls_files_for_test.h"

namespace serin::gateway {
namespace {

using testing::HasSubstr;

const std::string kToken(40, 't');

class AdminPortTest : public testing::Test {
 protected:
  AdminPort port(const std::string& token = kToken + "\n") const {
    const auto file = folder_.path() / "token";
    EXPECT_TRUE(write_file(file, token));
    AdminPort port;
    port.tls = tls_;
    port.token = file;
    return port;
  }
  // As somebody who trusts this one certificate.
  Result<net::Response> ask(const TestGateway& gateway, const std::string& authorization,
                            const std::string& scheme = "https") const {
    net::ClientOptions options;
    options.tls.authorities = *read_file(tls_.certificate);
    const auto client = *net::Client::create(options);
    net::ClientRequest request;
    request.url = scheme + "://127.0.0.1:" + std::to_string(gateway.admin_port()) + "/config";
    request.timeout = kPatience;
    if (!authorization.empty()) request.headers.add("authorization", authorization);
    return client->fetch(std::move(request));
  }
  static GatewayOptions with(AdminPort port) {
    GatewayOptions options;
    options.admin_port = std::move(port);
    return options;
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  net::TlsFiles tls_ = net::make_tls_files(folder_.path());
};

TEST_F(AdminPortTest, AnswersWhoShowsTheToken) {
  const TestGateway gateway({service_of("a", {"http://127.0.0.1:1"})}, 1, with(port()));
  const auto answer = ask(gateway, "Bearer " + kToken);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(read_config(answer->body, "f")->services.at(0).name, "a");
}

TEST_F(AdminPortTest, TellsOthersNothing) {
  const TestGateway gateway({service_of("a", {"http://127.0.0.1:1"})}, 1, with(port()));
  for (const std::string& shown :
       {std::string(), "Bearer " + std::string(40, 'u'), "Bearer " + kToken + "t",
        "Basic " + kToken, std::string("Bearer ")}) {
    const auto answer = ask(gateway, shown);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status, 401) << shown;
    EXPECT_EQ(answer->headers.get("www-authenticate"), "Bearer");
    EXPECT_THAT(answer->body, testing::Not(HasSubstr("revision")));
  }
  EXPECT_EQ(gateway.admin("GET", "/config").status, 200);  // the socket asks for none
}

TEST_F(AdminPortTest, SpeaksTlsAlone) {
  const TestGateway gateway({service_of("a", {"http://127.0.0.1:1"})}, 1, with(port()));
  EXPECT_FALSE(ask(gateway, "Bearer " + kToken, "http"));
}

TEST_F(AdminPortTest, IsNotOpenedWithATokenThatCanBeGuessedOrIsNotThere) {
  const auto refused = [](AdminPort port) {
    GatewayOptions options = with(std::move(port));
    options.data.port = 0;
    const auto made = Gateway::create(options, Config{});
    EXPECT_FALSE(made);
    return made ? std::string() : made.error().message;
  };
  EXPECT_THAT(refused(port("short\n")), HasSubstr("a token has at least 32 letters"));
  AdminPort missing = port();
  missing.token = folder_.path() / "missing";
  EXPECT_THAT(refused(missing), HasSubstr("missing"));
}

}  // namespace
}  // namespace serin::gateway
