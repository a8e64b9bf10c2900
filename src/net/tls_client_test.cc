// SPDX-License-Identifier: Apache-2.0
// Whom a client trusts and who it says that it is, against a server that asks for certificates.
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "base/files.h"
#include "net/http/client.h"
#include "net/http/echo_server.h"
#include "net/http/tls_files_for_test.h"
#include "net/io/listener.h"

namespace serin::net {
namespace {

using testing::HasSubstr;

struct Files {
  explicit Files(const std::string& owner = "the server")
      : files(make_tls_files(folder.path(), owner)),
        certificate(*read_file(files.certificate)),
        key(*read_file(files.key)) {}

  TemporaryDirectory folder = *TemporaryDirectory::create();
  TlsFiles files;
  std::string certificate, key;
};

// Wants a certificate that `trusted` vouches for, and answers one request with its owner.
class AskingServer {
 public:
  AskingServer(const TlsFiles& own, const std::string& trusted)
      : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free),
        listener_(*listen_tcp("127.0.0.1", 0)) {
    SSL_CTX_use_certificate_chain_file(context_.get(), own.certificate.c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), own.key.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_load_verify_locations(context_.get(), trusted.c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    thread_ = std::thread([this] { answer_one(); });
  }
  ~AskingServer() {
    if (thread_.joinable()) thread_.join();
  }
  // Why it took nobody: a reason of OpenSSL. Blocks until it has made up its mind.
  int refused() {
    thread_.join();
    return refused_;
  }
  std::string url() const {
    return "https://127.0.0.1:" + std::to_string(port_of(listener_.get())) + "/";
  }

 private:
  void answer_one() {
    pollfd waiting{listener_.get(), POLLIN, 0};
    ::poll(&waiting, 1, 60'000);
    const OwnedFd peer(::accept(listener_.get(), nullptr, nullptr));
    const std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context_.get()), SSL_free);
    SSL_set_fd(tls.get(), peer.get());
    if (SSL_accept(tls.get()) != 1) {
      refused_ = ERR_GET_REASON(ERR_peek_last_error());
      return;
    }
    char request[4096];
    SSL_read(tls.get(), request, sizeof request);
    char owner[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(tls.get())),
                              NID_commonName, owner, sizeof owner);
    const std::string body(owner);
    const std::string answer =
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    SSL_write(tls.get(), answer.data(), static_cast<int>(answer.size()));
    SSL_shutdown(tls.get());
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  OwnedFd listener_;
  int refused_ = 0;
  std::thread thread_;
};

Result<Response> fetch(const std::string& url, const TlsClientOptions& tls) {
  ClientOptions options;
  options.tls = tls;
  const auto client = Client::create(std::move(options));
  ClientRequest request;
  request.url = url;
  request.timeout = std::chrono::seconds(20);
  return (*client)->fetch(std::move(request));
}

std::unique_ptr<Server> tls_server(const TlsFiles& files) {
  ServerOptions options;
  options.port = 0;
  options.tls = files;
  return std::move(*Server::create(std::move(options), echo));
}

std::string url_of(const Server& server, const std::string& host = "127.0.0.1") {
  return "https://" + host + ":" + std::to_string(server.port()) + "/";
}

TEST(TlsClient, ShowsItsCertificateToAServerThatAsks) {
  const Files server;
  const Files client("the client");
  const AskingServer asking(server.files, client.files.certificate);
  TlsClientOptions tls;
  tls.authorities = server.certificate;
  tls.certificate = client.certificate;
  tls.key = client.key;
  const auto answer = fetch(asking.url(), tls);
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_EQ(answer->body, "the client");
}

TEST(TlsClient, IsTurnedAwayWithoutACertificate) {
  const Files server;
  AskingServer asking(server.files, server.files.certificate);
  TlsClientOptions tls;
  tls.authorities = server.certificate;
  EXPECT_FALSE(fetch(asking.url(), tls).has_value());
  EXPECT_EQ(asking.refused(), SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
}

TEST(TlsClient, TrustsItsOwnAuthoritiesAndNoOthers) {
  const Files files;
  const Files others("somebody else");
  const auto server = tls_server(files.files);
  TlsClientOptions tls;
  tls.authorities = others.certificate + files.certificate;
  EXPECT_TRUE(fetch(url_of(*server), tls).has_value());
  tls.authorities = others.certificate;
  const Trusting trusting(files.files.certificate);
  const auto stranger = fetch(url_of(*server), tls);
  ASSERT_FALSE(stranger.has_value());
  EXPECT_THAT(stranger.error().message, HasSubstr("its certificate is refused"));
}

TEST(TlsClient, VerifiesTheNameThatItWasGivenInsteadOfTheHost) {
  const Files files;
  const auto server = tls_server(files.files);
  TlsClientOptions tls;
  tls.authorities = files.certificate;
  tls.server_name = "localhost";
  EXPECT_TRUE(fetch(url_of(*server), tls).has_value());
  tls.server_name = "another.example";
  const auto wrong = fetch(url_of(*server), tls);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(wrong.error().message, HasSubstr("hostname mismatch"));
}

TEST(TlsClient, BelievesAnyServerOnlyWhereItIsToldTo) {
  const Files files;
  const auto server = tls_server(files.files);
  TlsClientOptions tls;
  EXPECT_FALSE(fetch(url_of(*server), tls).has_value());
  tls.verify = false;
  EXPECT_TRUE(fetch(url_of(*server), tls).has_value());
}

TEST(TlsClient, SaysWhichPartOfItsIdentityIsWrong) {
  const Files files;
  const Files others("somebody else");
  const auto refused = [](TlsClientOptions tls) {
    const auto made = TlsContext::client(tls);
    return made ? std::string("none") : made.error().param;
  };
  const std::string half = files.certificate.substr(0, files.certificate.size() / 2);
  TlsClientOptions tls;
  tls.authorities = "nonsense";
  EXPECT_EQ(refused(tls), "tls.authorities");
  tls.authorities = files.certificate + half;
  EXPECT_EQ(refused(tls), "tls.authorities");
  tls = {};
  tls.certificate = half;
  tls.key = files.key;
  EXPECT_EQ(refused(tls), "tls.certificate");
  tls.certificate = files.certificate + half;
  EXPECT_EQ(refused(tls), "tls.certificate");
  tls.certificate = files.certificate + others.certificate;
  EXPECT_EQ(refused(tls), "none");
  tls.certificate = files.certificate;
  tls.key = others.key;
  EXPECT_EQ(refused(tls), "tls.key");
  tls.key = "";
  EXPECT_EQ(refused(tls), "tls.key");
  tls.key = files.key;
  EXPECT_EQ(refused(tls), "none");
}

}  // namespace
}  // namespace serin::net
