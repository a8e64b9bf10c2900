// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/issuer.h"
#include "gateway/access/signer_for_test.h"
#include "gateway/gateway_for_test.h"
#include "net/http/tls_files_for_test.h"

namespace serin::gateway {
namespace {

using testing::HasSubstr;

TEST(Discovery, IsForHttpsIssuersWithoutAQuery) {
  EXPECT_TRUE(says_its_keys("https://id.example"));
  EXPECT_TRUE(says_its_keys("https://id.example/tenant/"));
  for (const char* issuer : {"", "ada", "http://id.example", "https://", "https://id.example?a=b",
                             "https://id.example#a"})
    EXPECT_FALSE(says_its_keys(issuer)) << issuer;
}

TEST(Discovery, LooksBelowTheIssuersPath) {
  EXPECT_EQ(discovery_url("https://id.example"),
            "https://id.example/.well-known/openid-configuration");
  EXPECT_EQ(discovery_url("https://id.example/tenant/"),
            "https://id.example/tenant/.well-known/openid-configuration");
}

TEST(Discovery, BelievesTheIssuersOwnDocumentAlone) {
  const auto found = [](std::string_view document) {
    return discovered_jwks_uri(document, "https://id.example", "doc");
  };
  EXPECT_EQ(*found(R"({"issuer":"https://id.example","jwks_uri":"https://keys.example/a"})"),
            "https://keys.example/a");
  const std::pair<const char*, const char*> kWrong[] = {
      {"", "doc: is no JSON object"},
      {"[]", "doc: is no JSON object"},
      {R"({"jwks_uri":"https://k"})", "doc: is of the issuer \"\", not of \"https://id.example\""},
      {R"({"issuer":"https://id.example/","jwks_uri":"https://k"})",
       "of the issuer \"https://id.example/\""},
      {R"({"issuer":"https://ID.example","jwks_uri":"https://k"})", "of the issuer"},
      {R"({"issuer":"https://id.example"})", "jwks_uri must be there"},
      {R"({"issuer":"https://id.example","jwks_uri":"http://k"})", "begin with https://"},
      {R"({"issuer":"https://id.example","jwks_uri":7})", "jwks_uri must be there"}};
  for (const auto& [document, what] : kWrong) {
    const auto wrong = found(document);
    ASSERT_FALSE(wrong) << document;
    EXPECT_THAT(wrong.error().message, HasSubstr(what));
  }
}

TEST(Discovery, OpensTheDoorByTheNameOfARealIssuerAlone) {
  const TemporaryDirectory folder = *TemporaryDirectory::create();
  const Signer signer(JwtAlgorithm::kEs256, "k1");
  std::map<std::string, std::string> pages;  // of the issuer, filled before it is asked
  net::ServerOptions options;
  options.port = 0;
  options.tls = net::make_tls_files(folder.path());
  const net::Trusting trusting(options.tls->certificate);
  const auto issuer =
      *net::Server::create(options, [&](const std::shared_ptr<net::Exchange>& exchange) {
        const auto page = pages.find(exchange->head().path);
        exchange->respond(page == pages.end() ? net::Response{404, {}, ""}
                                              : net::Response{200, {}, page->second});
      });
  const std::string host = "https://localhost:" + std::to_string(issuer->port());
  const std::string name = host + "/tenant";
  pages["/keys"] = signer.jwks();
  pages["/tenant/.well-known/openid-configuration"] =
      R"({"issuer":")" + name + R"(","jwks_uri":")" + host + R"(/keys"})";
  FakeWorker worker(says("in"));
  Service service = service_of("a", {worker.url()});
  service.access.jwt_rules = {{.issuer = name}};
  const TestGateway gateway({service});
  const std::string token = signer.token(R"({"iss":")" + name + R"(","sub":"ada","exp":)" +
                                         std::to_string(unix_seconds(Clock::real()) + 600) + "}");
  EXPECT_TRUE(eventually([&] {
    return gateway.post("/generate", "{}", {{"authorization", "Bearer " + token}}).status == 200;
  }));
}

}  // namespace
}  // namespace serin::gateway
