// SPDX-License-Identifier: Apache-2.0
// TLS 1.2 and up as a filter between two byte streams, without a socket. A context is made once and
// shared; a session belongs to one connection and its thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace serin::net {

class TlsSession {
 public:
  enum class State { kHandshake, kOpen, kEnded, kFailed };

  virtual ~TlsSession() = default;
  virtual State state() const = 0;
  virtual std::string_view alpn() const = 0;  // empty: none agreed
  virtual std::string failure() const = 0;
  // Bytes from the peer. Then read() until it gives nothing.
  virtual void feed(std::string_view cipher) = 0;
  virtual std::size_t read(char* into, std::size_t size) = 0;
  // Bytes for the peer; only when open.
  virtual void write(std::string_view plain) = 0;
  virtual void shut() = 0;  // says that no more comes
  // Moves what is to be sent to the end of `out`.
  virtual void take(std::string& out) = 0;
};

// Whom a client trusts, and who it says that it is.
struct TlsClientOptions {
  std::string authorities;  // PEM; empty: the system's, and those of SSL_CERT_FILE and SSL_CERT_DIR
  std::string certificate;  // PEM chain, its own first; empty: it says nothing of itself
  std::string key;          // PEM, of the certificate
  std::string server_name;  // verified and asked for instead of the URL's host; empty: the host
  bool verify = true;       // false: any server is believed
  bool operator==(const TlsClientOptions&) const = default;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;

  // PEM files. Offers h2 and http/1.1. kInvalidArgument names the file.
  static Result<std::shared_ptr<TlsContext>> server(const std::string& certificate,
                                                    const std::string& key);
  // kInvalidArgument with the option's name as param; kFailedPrecondition when SSL_CERT_FILE cannot
  // be read.
  static Result<std::shared_ptr<TlsContext>> client(const TlsClientOptions& options = {});

  virtual std::unique_ptr<TlsSession> accept() = 0;
  // `host` is verified (a name or an address), where the options have no other. `http2`: also offer
  // h2.
  virtual std::unique_ptr<TlsSession> connect(const std::string& host, bool http2) = 0;
};

}  // namespace serin::net
