// SPDX-License-Identifier: Apache-2.0
// An HTTP server: HTTP/1.1 and HTTP/2 (prior knowledge, or ALPN under TLS), on TCP ports and Unix
// sockets.
//
// Threads: the server owns N I/O threads; a connection lives and dies on one of them, and
// everything an Exchange does happens on that thread. Other threads reach it by Exchange::post()
// alone. Order of a life: create() binds and begins to accept; drain() stops accepting, lets
// exchanges finish, closes idle connections (GOAWAY on HTTP/2); the destructor closes what is left
// and joins the threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/http/message.h"

namespace serin::net {

class IoThreads;

// Every bound of the server. What is over one is answered (431, 413, 408, 503) or closed, and
// counted.
struct ServerLimits {
  std::size_t connections = 4096;        // open at once; a further one is closed at once
  std::size_t header_bytes = 64 * 1024;  // request line and fields together
  std::size_t header_fields = 128;
  std::size_t body_bytes = 64 * 1024 * 1024;
  std::uint64_t bodies_bytes = std::uint64_t{1} << 30;  // held at once, of all connections together
  std::size_t streams_per_connection = 128;             // HTTP/2 SETTINGS_MAX_CONCURRENT_STREAMS
  std::size_t unsent_bytes = 4 * 1024 * 1024;  // a stream's bytes that its client has not taken yet
  std::chrono::milliseconds header_timeout{
      10'000};  // from the first byte of a request to its last field
  std::chrono::milliseconds body_timeout{60'000};   // between two reads of a body
  std::chrono::milliseconds idle_timeout{75'000};   // between two requests
  std::chrono::milliseconds write_timeout{60'000};  // a client that takes no byte for so long
  // A connection that was idle for so long while the server drains is closed; until then a request
  // that was already on its way is still answered.
  std::chrono::milliseconds drain_grace{150};
};

struct TlsFiles {
  std::string certificate;  // PEM chain
  std::string key;          // PEM
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // for `port`
  std::optional<std::uint16_t> port;  // 0: any free one; see Server::port()
  // Instead of `port`: a listening TCP socket that somebody else opened, and may keep. The server
  // owns this descriptor of it.
  std::optional<int> listen_fd;
  std::string unix_socket;     // empty: none; a stale file is replaced, mode 0600
  bool own_user_only = false;  // of the Unix socket: who is neither this user nor root is refused
  unsigned threads = 1;
  std::shared_ptr<IoThreads> io;  // instead of `threads` of its own: stop them before it goes
  std::optional<TlsFiles> tls;    // TLS 1.2 and up on the TCP port
  ServerLimits limits;
};

// One request and its one answer. Owned by shared_ptr: by the connection until it is answered, and
// by whoever answers it. Every method but post() is for the connection's thread.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const RequestHead& head() const = 0;

  // Calls back once with the whole body, or kResourceExhausted (over body_bytes; over bodies_bytes,
  // where its length was declared before any of it is read), kDeadlineExceeded (a slow client),
  // kInvalidArgument (malformed chunks), kCancelled (it went away); http_status() of each is the
  // right answer. At most one of read_body() and read_pieces(), once. Never calls
  // back before it returns.
  virtual void read_body(std::function<void(Result<std::string>)> done) = 0;
  // Calls back for each piece as it comes, and with an empty one at the end. Back-pressure: the
  // next piece is read after the call returns true; false ends reading.
  virtual void read_pieces(std::function<bool(Result<std::string>)> piece) = 0;
  // While paused no piece comes and the client's window closes; for a reader that passes the pieces
  // on.
  virtual void pause_pieces(bool paused) = 0;
  // What came of a body counts against bodies_bytes until the exchange is destroyed. A reader of
  // pieces that lasts says what it holds no longer.
  virtual void give_back(std::size_t bytes) = 0;

  // The whole answer. At most one of respond() and start(), once.
  virtual void respond(Response response) = 0;
  // A streamed answer: start(), write() as often as need be, finish(). Chunked on HTTP/1.1 unless
  // the head has a content-length. finish() on an exchange that was never started is a programmer's
  // mistake.
  virtual void start(ResponseHead head) = 0;
  virtual void write(std::string_view bytes) = 0;
  virtual void finish(const Headers& trailers = {}) = 0;
  // Breaks the stream so that the client sees it as broken (RST_STREAM, or a closed connection in
  // mid-chunk).
  virtual void abort() = 0;
  // For an answer that cannot be made: 500 when nothing was sent yet, else abort(); then it is
  // gone(), and on_gone() is called. Nothing when it is finished. A call-back of an exchange that
  // throws ends so.
  virtual void abandon() = 0;
  // Bytes written and not yet taken by the client; a writer that passes limits.unsent_bytes should
  // wait or give up.
  virtual std::size_t unsent() const = 0;
  // Called once when unsent() has fallen to zero, or soon when it is zero already.
  virtual void on_drained(std::function<void()> call) = 0;

  // Called at most once: when the client is gone before the answer was finished, or nobody is to
  // answer it any more (abandon()). Noticed at once, also while no byte is being written. Never
  // called after the answer is finished.
  virtual void on_gone(std::function<void()> call) = 0;
  virtual bool gone() const = 0;

  // Runs `call` on the connection's thread, soon. Safe from any thread and at any time; dropped
  // once the server is destroyed.
  virtual void post(std::function<void()> call) = 0;
};

using Handler = std::function<void(std::shared_ptr<Exchange>)>;

// What the server counts; read by metrics.
struct ServerCounters {
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t connections_open = 0;
  std::uint64_t requests = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t bodies_refused = 0;  // over bodies_bytes
  std::uint64_t body_bytes = 0;      // held now
};

class Server {
 public:
  // Binds, starts the threads and accepts. kAlreadyExists when the address is taken,
  // kInvalidArgument for bad options or unreadable TLS files.
  static Result<std::unique_ptr<Server>> create(ServerOptions options, Handler handler);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;  // 0 without a TCP port
  virtual ServerCounters counters() const = 0;
  // Returns when no exchange is open or the time is up; true when none was cut.
  virtual bool drain(std::chrono::milliseconds at_most) = 0;
};

}  // namespace serin::net
