// SPDX-License-Identifier: Apache-2.0
// One connection as a pair of byte streams, TLS or not, TCP or Unix socket: read-ahead with
// back-pressure, an output queue that is sent once a batch, and time-outs. What the bytes mean is
// the LinkUser's business (HTTP/1.1, HTTP/2; server or client). Owned by its Loop until it is
// closed; everything happens on the loop's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/io/loop.h"
#include "net/tls.h"

namespace serin::net {

enum class LinkEnd {
  kPeerClosed,    // orderly
  kPeerReset,     // an error of the socket, or TLS cut short
  kWriteTimeout,  // the peer took no byte for too long
  kTlsFailed,
  kClosedByUs,
  kStopped,  // the loop ends
};

// Sums over all links of a server; written by its loops, read by anyone.
struct LinkCounters {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> open{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> protocol_errors{0};
  std::atomic<std::uint64_t> bytes_in{0};
  std::atomic<std::uint64_t> bytes_out{0};
};

class LinkUser {
 public:
  virtual ~LinkUser() = default;
  virtual void on_open() {}     // connected, and TLS agreed: Link::alpn() is known
  virtual void on_bytes() = 0;  // input() has grown
  virtual void on_flush() {}    // about to send: the last moment to write
  virtual void on_drained() {}  // all output was taken by the socket
  virtual void on_tick() {}
  virtual void on_closed(LinkEnd end) = 0;  // the last call, at most once
};

struct LinkOptions {
  std::size_t input_bytes = 64 * 1024;  // read-ahead: no more is read before some is consumed
  std::chrono::milliseconds write_timeout{60'000};
  LinkCounters* counters = nullptr;  // may be null; outlives the loop's thread
};

class Link final : public std::enable_shared_from_this<Link>, private Watcher {
 public:
  // Takes the socket `fd`, which is connected and does not block. `user` is told of everything from
  // start() on.
  Link(Loop& loop, int fd, bool tcp, const LinkOptions& options);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void start(std::unique_ptr<LinkUser> user, std::unique_ptr<TlsSession> tls);
  // Another user goes on from here, told on_open() and, where there is input, on_bytes(). The old
  // one is destroyed after the present call-back.
  void hand_to(std::unique_ptr<LinkUser> user);

  Loop& loop() { return loop_; }
  bool open() const { return open_; }
  bool tls() const { return tls_ != nullptr; }
  std::string_view alpn() const;
  std::string tls_failure() const { return tls_ ? tls_->failure() : std::string(); }
  const std::string& peer() const { return peer_; }
  Instant opened() const { return opened_; }

  std::string_view input() const { return {input_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes);
  // False: read no further, so that the peer's window closes. Leaving it true notices a peer that
  // goes away.
  void want_input(bool wanted);

  void write(std::string_view bytes);
  void write(std::string&& bytes);                              // large ones are kept, not copied
  void write(const std::shared_ptr<const std::string>& bytes);  // likewise
  // For writers of many small parts: append to the end of the output, then wrote().
  std::string& tail();
  void wrote();
  std::size_t unsent() const { return unsent_; }
  // on_flush() comes at the end of the present batch, also when nothing is written.
  void wake() {
    if (!dirty_) mark_dirty();
  }

  // Sends what is written, says that no more comes, reads and drops for up to `linger`, then
  // closes: closing with unread input would destroy the last answer on its way (RFC 9112,
  // section 9.6). The user gets on_closed() at once.
  void finish(std::chrono::milliseconds linger = std::chrono::milliseconds(1000));
  bool finishing() const { return finishing_; }
  void close(LinkEnd end = LinkEnd::kClosedByUs);
  // Close such that the peer sees an error and not an end.
  void reset();

 private:
  friend class Loop;
  struct Impl;

  // The last resort: a connection whose code throws is cut, and the others go on.
  template <class Work>
  void guarded(Work&& work) noexcept;
  void flush_now();
  void tick_now();
  void set_slot(std::size_t slot) { slot_ = slot; }
  std::size_t slot() const { return slot_; }
  void mark_dirty();
  void note_output();
  void flush();
  void tick();
  void on_ready(Ready ready) override;
  std::span<char> space();
  void read();
  void on_read(std::size_t bytes);
  void on_end(bool orderly);
  bool make_room();
  void deliver();
  bool pump_tls();
  bool send();
  void encrypt();
  void end_user(LinkEnd end);

  Loop& loop_;
  LinkOptions options_;
  std::string peer_;
  std::size_t slot_ = 0;
  Instant opened_;
  bool open_ = true;
  bool dirty_ = false;
  bool readable_ = false;    // the socket may have bytes
  bool peer_ended_ = false;  // and behind them an end or an error
  bool filled_ = false;      // the last read took as much as there was room for
  bool want_input_ = true;
  bool writing_ = false;  // waits for the socket to take more
  bool finishing_ = false;
  bool shut_ = false;
  bool told_open_ = false;
  bool had_unsent_ = false;
  bool ended_ = false;  // the peer sends no more
  std::chrono::milliseconds linger_{0};
  Instant linger_until_;
  Instant last_taken_;

  std::vector<char> input_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t unsent_ = 0;

  std::unique_ptr<LinkUser> user_;
  std::unique_ptr<LinkUser> retired_;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace serin::net
