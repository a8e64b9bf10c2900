// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/certificate.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "net/http/client.h"
#include "net/http/server.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;

const WallTime kNow = std::chrono::system_clock::now();

// A server that shows the pair, asked by somebody who believes `authority` and expects `name`.
Result<net::Response> ask(const KeyPair& pair, const std::string& authority,
                          const std::string& name) {
  const auto folder = *TemporaryDirectory::create();
  net::ServerOptions listen;
  listen.port = 0;
  listen.tls = net::TlsFiles{(folder.path() / "cert").string(), (folder.path() / "key").string()};
  EXPECT_TRUE(write_file(listen.tls->certificate, pair.certificate));
  EXPECT_TRUE(write_file(listen.tls->key, pair.key));
  const auto server = net::Server::create(
      listen, [](const std::shared_ptr<net::Exchange>& exchange) { exchange->respond({}); });
  EXPECT_TRUE(server) << server.error().message;
  net::ClientOptions options;
  options.tls.authorities = authority;
  options.tls.server_name = name;
  const auto client = *net::Client::create(options);
  net::ClientRequest request;
  request.url = "https://127.0.0.1:" + std::to_string((*server)->port()) + "/";
  return client->fetch(std::move(request));
}

TEST(Certificate, IsBelievedByWhoWasToldItAndUnderItsNameAlone) {
  const auto ours = make_certificate("serin-gateway.shop", kNow, kNow + 1h);
  const auto other = make_certificate("serin-gateway.shop", kNow, kNow + 1h);
  ASSERT_TRUE(ours && other);
  EXPECT_TRUE(ask(*ours, ours->certificate, "serin-gateway.shop"));
  EXPECT_TRUE(ask(*ours, other->certificate + ours->certificate, "serin-gateway.shop"));
  EXPECT_FALSE(ask(*ours, other->certificate, "serin-gateway.shop"));
  EXPECT_FALSE(ask(*ours, ours->certificate, "serin-gateway.bank"));
}

TEST(Certificate, SaysHowLongItIsValid) {
  const auto until = std::chrono::floor<std::chrono::seconds>(kNow) + 24h * 365;
  const auto made = make_certificate("a", kNow, until);
  ASSERT_TRUE(made);
  EXPECT_EQ(valid_until(made->certificate), WallTime(until));
  EXPECT_EQ(valid_until("-----BEGIN CERTIFICATE-----\nx"), std::nullopt);
  EXPECT_EQ(valid_until(""), std::nullopt);
}

TEST(Token, IsAnotherEachTime) {
  const auto one = make_token(), other = make_token();
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->size(), 64U);
  EXPECT_NE(*one, *other);
}

}  // namespace
}  // namespace serin::platform::kubernetes
