// SPDX-License-Identifier: Apache-2.0
#include "net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <climits>
#include <cstdlib>

namespace serin::net {

namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextHandle = std::unique_ptr<SSL_CTX, FreeContext>;
struct FreeSession {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

constexpr unsigned char kAlpnBoth[] = "\x02h2\x08http/1.1";
constexpr unsigned char kAlpnHttp1[] = "\x08http/1.1";

std::string last_failure() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was cut";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown TLS error";
}

std::string refusal_of(long verified) {
  std::string refusal =
      std::string("its certificate is refused: ") + X509_verify_cert_error_string(verified);
  switch (verified) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return refusal + "; if its authority is to be trusted, name that one's file in SSL_CERT_FILE";
    default:
      return refusal;
  }
}

class Session final : public TlsSession {
 public:
  Session(SSL_CTX* context, bool client) : ssl_(SSL_new(context)) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    client ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
  }

  SSL* ssl() { return ssl_.get(); }
  State state() const override { return state_; }
  std::string failure() const override { return failure_; }

  std::string_view alpn() const override {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  void feed(std::string_view cipher) override {
    BIO_write(SSL_get_rbio(ssl_.get()), cipher.data(), static_cast<int>(cipher.size()));
    handshake();
  }

  void handshake() {
    if (state_ != State::kHandshake) return;
    const int done = SSL_do_handshake(ssl_.get());
    if (done == 1) {
      state_ = State::kOpen;
    } else if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) {
      fail();
    }
  }

  std::size_t read(char* into, std::size_t size) override {
    if (state_ != State::kOpen) return 0;
    const int wanted = size > INT_MAX ? INT_MAX : static_cast<int>(size);
    const int bytes = SSL_read(ssl_.get(), into, wanted);
    if (bytes > 0) return static_cast<std::size_t>(bytes);
    switch (SSL_get_error(ssl_.get(), bytes)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_ZERO_RETURN:
        state_ = State::kEnded;
        break;
      default:
        fail();
    }
    return 0;
  }

  void write(std::string_view plain) override {
    if (state_ != State::kOpen || plain.empty()) return;
    // Into memory, so it is whole or has failed.
    if (SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())) <= 0) fail();
  }

  void shut() override {
    if (state_ == State::kOpen && (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) == 0)
      SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

  void take(std::string& out) override {
    BIO* const bio = SSL_get_wbio(ssl_.get());
    const std::size_t pending = BIO_ctrl_pending(bio);
    if (pending == 0) return;
    const std::size_t before = out.size();
    out.resize(before + pending);
    BIO_read(bio, out.data() + before, static_cast<int>(pending));
  }

 private:
  void fail() {
    state_ = State::kFailed;
    failure_ = last_failure();
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK) failure_ = refusal_of(verified);
  }

  std::unique_ptr<SSL, FreeSession> ssl_;
  State state_ = State::kHandshake;
  std::string failure_;
};

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kAlpnBoth, sizeof kAlpnBoth - 1, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301: no_application_protocol
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

class Context final : public TlsContext {
 public:
  explicit Context(ContextHandle context, std::string server_name = {})
      : context_(std::move(context)), server_name_(std::move(server_name)) {}

  std::unique_ptr<TlsSession> accept() override {
    return std::make_unique<Session>(context_.get(), false);
  }

  std::unique_ptr<TlsSession> connect(const std::string& to, bool http2) override {
    const std::string& host = server_name_.empty() ? to : server_name_;
    auto session = std::make_unique<Session>(context_.get(), true);
    SSL* const ssl = session->ssl();
    unsigned char address[16];
    const bool literal = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                         inet_pton(AF_INET6, host.c_str(), address) == 1;
    if (literal) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    } else {
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      SSL_set1_host(ssl, host.c_str());
      SSL_set_tlsext_host_name(ssl, host.c_str());
    }
    if (http2) {
      SSL_set_alpn_protos(ssl, kAlpnBoth, sizeof kAlpnBoth - 1);
    } else {
      SSL_set_alpn_protos(ssl, kAlpnHttp1, sizeof kAlpnHttp1 - 1);
    }
    session->handshake();
    return session;
  }

 private:
  ContextHandle context_;
  const std::string server_name_;
};

ContextHandle make_context(const SSL_METHOD* method) {
  ContextHandle context(SSL_CTX_new(method));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  // RFC 9113, section 9.2.2: HTTP/2 needs forward secrecy and an AEAD; that is right for HTTP/1.1
  // too.
  SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  return context;
}

struct FreeParts {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Memory = std::unique_ptr<BIO, FreeParts>;
using Certificate = std::unique_ptr<X509, FreeParts>;
using Key = std::unique_ptr<EVP_PKEY, FreeParts>;

Memory reader_of(const std::string& pem) {
  return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// By itself OpenSSL would ask at the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

Certificate next_certificate(BIO* pem) {
  return Certificate(PEM_read_bio_X509(pem, nullptr, no_passphrase, nullptr));
}

// Whether the last read failed for there is no more, and not for what there is. Then no error is
// left.
bool at_end_of_pem() {
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return false;
  ERR_clear_error();
  return true;
}

Status use_authorities(SSL_CTX* context, const std::string& pem) {
  const Memory from = reader_of(pem);
  int count = 0;
  for (; const Certificate one = next_certificate(from.get()); ++count)
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get());
  if (!at_end_of_pem() || count == 0)
    return invalid("the authorities are not all PEM certificates: " + last_failure(),
                   "tls.authorities");
  return {};
}

Status use_identity(SSL_CTX* context, const TlsClientOptions& options) {
  const Memory chain = reader_of(options.certificate);
  const Certificate own = next_certificate(chain.get());
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1)
    return invalid("the certificate is not PEM: " + last_failure(), "tls.certificate");
  while (const Certificate above = next_certificate(chain.get()))
    SSL_CTX_add1_chain_cert(context, above.get());
  if (!at_end_of_pem())
    return invalid("what follows the certificate is not PEM: " + last_failure(), "tls.certificate");
  const Memory secret = reader_of(options.key);
  const Key key(PEM_read_bio_PrivateKey(secret.get(), nullptr, no_passphrase, nullptr));
  if (!key) return invalid("the key is not PEM, or has a passphrase: " + last_failure(), "tls.key");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    ERR_clear_error();
    return invalid("the key is not the certificate's", "tls.key");
  }
  return {};
}

Status use_system_authorities(SSL_CTX* context) {
  SSL_CTX_set_default_verify_dir(context);
  // By itself OpenSSL passes over a file that it cannot read, and every server becomes a stranger.
  const char* const named = std::getenv(X509_get_default_cert_file_env());
  if (named == nullptr) {
    SSL_CTX_set_default_verify_file(context);
  } else if (SSL_CTX_load_verify_file(context, named) != 1) {
    return fail(Code::kFailedPrecondition, "cannot read PEM certificates from " +
                                               std::string(named) +
                                               ", which SSL_CERT_FILE names: " + last_failure());
  }
  ERR_clear_error();
  return {};
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate,
                                                       const std::string& key) {
  ContextHandle context = make_context(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
    return invalid(
        "cannot read a PEM certificate chain from " + certificate + ": " + last_failure(),
        "tls.certificate");
  if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    return invalid("cannot read a PEM key for the certificate from " + key + ": " + last_failure(),
                   "tls.key");
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return invalid("the key in " + key + " is not the key of the certificate in " + certificate,
                   "tls.key");
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_alpn_select_cb(context.get(), select_alpn, nullptr);
  return std::make_shared<Context>(std::move(context));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientOptions& options) {
  ContextHandle context = make_context(TLS_client_method());
  SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!options.authorities.empty()) {
    SERIN_TRY(use_authorities(context.get(), options.authorities));
  } else if (options.verify) {
    SERIN_TRY(use_system_authorities(context.get()));
  }
  if (!options.certificate.empty() || !options.key.empty())
    SERIN_TRY(use_identity(context.get(), options));
  return std::make_shared<Context>(std::move(context), options.server_name);
}

}  // namespace serin::net
