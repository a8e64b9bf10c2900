// SPDX-License-Identifier: Apache-2.0
// An HTTP client with pooled connections: HTTP/1.1 and HTTP/2, TCP, TLS and Unix sockets.
// Calls from any thread; call-backs come on one of the client's own threads, in order for one
// request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "net/http/message.h"
#include "net/tls.h"

namespace serin::net {

class IoThreads;
struct Endpoint;

struct ClientLimits {
  std::size_t connections_per_host = 64;
  std::size_t header_bytes = 64 * 1024;
  std::size_t body_bytes = 256 * 1024 * 1024;  // of a whole response; a streamed one is not bounded
  std::size_t pending_per_host =
      1024;  // requests that wait for a connection; more end with kResourceExhausted
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds idle_timeout{60'000};
  // HTTP/2: a connection that carries requests and has been silent for so long is asked whether it
  // lives (PING), and closed when it is silent for as long again; 0: it is not asked.
  std::chrono::milliseconds silence{0};
};

struct ClientOptions {
  unsigned threads = 1;
  std::shared_ptr<IoThreads> io;  // instead of `threads` of its own: stop them before it goes
  ClientLimits limits;
  TlsClientOptions tls;  // for https; read at the first request of that kind
  // IP addresses by host, for a process that can look nothing up; other hosts are looked up.
  std::map<std::string, std::vector<std::string>, std::less<>> addresses;
};

// The bounds of one host's connections, on one thread, where they are not the client's; 0: the
// client's.
struct HostLimits {
  std::size_t connections = 0;
  std::size_t pending = 0;
  std::size_t requests_per_connection = 0;  // then the connection is closed; 0: any number
};

struct ClientRequest {
  std::string url;  // http://host:port/path, https://…, or unix:/path/to.sock:/path
  // Instead of `url`, for many requests to one host: parsed once, by parse_url(), and with another
  // path and query.
  std::shared_ptr<const Endpoint> endpoint;
  std::string target;
  HostLimits host;
  std::string method = "GET";
  Headers headers;
  std::string body;
  std::shared_ptr<const std::string> shared_body;  // instead of `body`: sent without a copy
  bool streamed = false;                      // instead of both: ClientStream::write() and finish()
  bool http2 = false;                         // prior knowledge; under TLS, ALPN decides
  std::chrono::milliseconds timeout{60'000};  // from the call to the last byte
  CancelToken cancel;                         // read at least every 50 ms
};

// What a streamed answer calls. Exactly one of on_end and on_error comes last.
struct ResponseSink {
  std::function<void(ResponseHead)> on_head;
  std::function<void(std::string_view)> on_bytes;
  std::function<void(const Headers&)>
      on_trailers;  // before on_end, when there are any; may be left out
  std::function<void()> on_end;
  std::function<void(Error)>
      on_error;  // kUnavailable: nothing was sent, a retry is safe; kAborted: it broke later
};

// A request under way. Owned by the caller and the client; for the thread of the call-backs alone.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // While paused no bytes come, and once what was read ahead is full the server is held up.
  virtual void pause(bool paused) = 0;
  // Nothing is called any more, and the server is told at once. What the sink holds goes soon.
  virtual void cancel() = 0;
  // The body of a request that is `streamed`.
  virtual void write(std::string_view bytes) = 0;
  virtual void finish() = 0;
  // Bytes written that the server has not taken yet.
  virtual std::size_t unsent() const = 0;
  // Called once when unsent() has fallen to zero, or soon when it is zero already; dropped when the
  // request ends.
  virtual void on_drained(std::function<void()> call) = 0;
};

class Client {
 public:
  static Result<std::unique_ptr<Client>> create(ClientOptions options = {});
  virtual ~Client() = default;  // open requests end with kCancelled

  // Blocks until the whole answer is there. Any status is a success; only transport fails.
  virtual Result<Response> fetch(ClientRequest request) = 0;
  virtual void stream(ClientRequest request, ResponseSink sink) = 0;
  // The same from one of the client's own threads: it starts and calls back there. Never calls back
  // before it returns.
  virtual std::shared_ptr<ClientStream> open(ClientRequest request, ResponseSink sink) = 0;
};

}  // namespace serin::net
