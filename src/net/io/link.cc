// SPDX-License-Identifier: Apache-2.0
#include "net/io/link.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/last_resort.h"
#include "net/io/listener.h"
#include "net/io/out_queue.h"

namespace serin::net {

namespace {

constexpr std::size_t kFirstInput = 8 * 1024;
constexpr std::size_t kLeastRead = 2 * 1024;
constexpr std::size_t kVectors = 16;
constexpr std::size_t kCipherAhead = 128 * 1024;  // encrypted and not yet sent

std::string name_of_peer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6->sin6_port));
  }
  const auto user = user_of_peer(fd);
  return user ? "unix:" + std::to_string(*user) : "unix";
}

void set_tcp_options(int fd) {
  const int on = 1;
  const int idle_s = 30;
  const int probes = 3;
  const int interval_s = 10;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A peer that lost its power sends no reset: probes find it while nothing is written.
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void add_to(std::atomic<std::uint64_t>& counter, std::uint64_t by) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace

struct Link::Impl {
  explicit Impl(int fd) : socket(fd) {}
  OwnedFd socket;
  OutQueue plain;
  OutQueue cipher;  // with TLS, what is sent
  std::vector<char> cipher_in;
};

Link::Link(Loop& loop, int fd, bool tcp, const LinkOptions& options)
    : loop_(loop),
      options_(options),
      peer_(name_of_peer(fd)),
      opened_(loop.now()),
      last_taken_(loop.now()),
      impl_(std::make_unique<Impl>(fd)) {
  if (tcp) set_tcp_options(fd);
}

Link::~Link() = default;

template <class Work>
void Link::guarded(Work&& work) noexcept {
  if (!survives("a connection", work)) survives("the end of a connection", [this] { reset(); });
}

std::string_view Link::alpn() const { return tls_ ? tls_->alpn() : std::string_view{}; }

void Link::start(std::unique_ptr<LinkUser> user, std::unique_ptr<TlsSession> tls) {
  user_ = std::move(user);
  tls_ = std::move(tls);
  loop_.add(shared_from_this());
  if (options_.counters) add_to(options_.counters->open, 1);
  if (!loop_.watch(impl_->socket.get(), *this, Loop::For::kReading))
    return close(LinkEnd::kPeerReset);
  if (tls_) {
    impl_->cipher_in.resize(18 * 1024);  // one record with its overhead
    mark_dirty();                        // a client's first flight
  } else {
    told_open_ = true;
    user_->on_open();
  }
}

void Link::hand_to(std::unique_ptr<LinkUser> user) {
  retired_ = std::move(user_);
  user_ = std::move(user);
  user_->on_open();
  if (open_ && user_ && end_ > begin_) user_->on_bytes();
}

// --- reading

void Link::on_ready(Ready ready) {
  retired_.reset();
  if (!open_) return;
  if (ready.writable && std::exchange(writing_, false)) {
    loop_.watch_again(impl_->socket.get(), *this, Loop::For::kReading);
    mark_dirty();
  }
  if (!ready.readable) return;
  readable_ = true;
  peer_ended_ = peer_ended_ || ready.ended;
  guarded([this] { read(); });
}

void Link::consume(std::size_t bytes) {
  begin_ += bytes;
  if (!dirty_ && (readable_ || tls_)) mark_dirty();  // flush() reads on
}

void Link::want_input(bool wanted) {
  if (wanted && !want_input_) mark_dirty();
  want_input_ = wanted;
}

// False: the read-ahead is full. It may move the bytes.
bool Link::make_room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (input_.empty()) input_.resize(std::min(kFirstInput, options_.input_bytes));
  const bool more = std::exchange(filled_, false);
  if (!more && input_.size() - end_ >= std::min(kLeastRead, input_.size())) return true;
  if (begin_ > 0) {
    std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if ((more || input_.size() - end_ < kLeastRead) && input_.size() < options_.input_bytes)
    input_.resize(std::min(input_.size() * 4, options_.input_bytes));
  return end_ < input_.size();
}

// Where the next bytes from the socket go; empty: nowhere for now.
std::span<char> Link::space() {
  if (finishing_) {
    begin_ = end_ = 0;
    if (input_.empty()) input_.resize(kFirstInput);
    return input_;
  }
  if (!want_input_ || !make_room()) return {};
  if (tls_) return impl_->cipher_in;
  return std::span(input_).subspan(end_);
}

// Once: where there may be more, the others have their turn before it.
void Link::read() {
  if (!open_ || !readable_ || ended_) return;
  const std::span<char> into = space();
  if (into.empty()) return;
  const ssize_t got = ::recv(impl_->socket.get(), into.data(), into.size(), 0);
  if (got <= 0) {
    const bool waits = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!waits) return on_end(got == 0);
    readable_ = peer_ended_ = false;
    return;
  }
  const auto bytes = static_cast<std::size_t>(got);
  // Less than was asked for is all there was: the next bytes will be told of.
  filled_ = bytes == into.size();
  readable_ = filled_ || peer_ended_;
  on_read(bytes);
  if (open_ && readable_) mark_dirty();
}

void Link::on_read(std::size_t bytes) {
  if (options_.counters) add_to(options_.counters->bytes_in, bytes);
  if (finishing_) return;
  if (tls_) {
    tls_->feed({impl_->cipher_in.data(), bytes});
    mark_dirty();  // a handshake answers
    while (pump_tls() && open_ && user_) deliver();
  } else {
    end_ += bytes;
    deliver();
  }
}

void Link::deliver() {
  if (user_) user_->on_bytes();
}

// Moves decrypted bytes to the input while there is room. True when some came.
bool Link::pump_tls() {
  if (!open_ || !user_) return false;
  if (!told_open_ && tls_->state() == TlsSession::State::kOpen) {
    told_open_ = true;
    user_->on_open();
    if (!open_ || !user_) return false;
  }
  bool came = false;
  while (told_open_ && make_room()) {
    const std::size_t bytes = tls_->read(input_.data() + end_, input_.size() - end_);
    if (bytes == 0) break;
    end_ += bytes;
    came = true;
  }
  if (came) return true;
  if (tls_->state() == TlsSession::State::kEnded) {
    on_end(true);
  } else if (tls_->state() == TlsSession::State::kFailed) {
    send();  // the alert that says why
    if (open_) close(LinkEnd::kTlsFailed);
  }
  return false;
}

void Link::on_end(bool orderly) {
  if (finishing_) return close();
  if (tls_ && tls_->state() != TlsSession::State::kEnded) orderly = false;
  if (!orderly || unsent_ == 0) return close(orderly ? LinkEnd::kPeerClosed : LinkEnd::kPeerReset);
  // It closed its half only; a finished answer still goes out.
  finishing_ = ended_ = true;
  end_user(LinkEnd::kPeerClosed);
  mark_dirty();
}

// --- writing

void Link::mark_dirty() {
  if (std::exchange(dirty_, true)) return;
  loop_.flush_later(*this);
}

std::string& Link::tail() { return impl_->plain.tail(); }

void Link::write(std::string_view bytes) {
  if (!open_ || bytes.empty()) return;
  impl_->plain.write(bytes);
  note_output();
}

void Link::write(std::string&& bytes) {
  if (!open_ || bytes.empty()) return;
  impl_->plain.write(std::move(bytes));
  note_output();
}

void Link::write(const std::shared_ptr<const std::string>& bytes) {
  if (!open_ || bytes->empty()) return;
  impl_->plain.write(bytes);
  note_output();
}

void Link::wrote() {
  impl_->plain.grew();
  note_output();
}

void Link::note_output() {
  if (unsent_ == 0) last_taken_ = loop_.now();
  unsent_ = impl_->plain.size() + impl_->cipher.size();
  had_unsent_ = true;
  if (!dirty_) mark_dirty();
}

void Link::flush() {
  guarded([this] { flush_now(); });
}

void Link::flush_now() {
  retired_.reset();
  if (open_ && user_ && told_open_) user_->on_flush();  // still dirty: what it writes is sent below
  dirty_ = false;
  if (!open_) return;
  if (open_ && !writing_) send();
  if (!open_) return;
  if (tls_ && !finishing_ && end_ - begin_ < options_.input_bytes)
    while (pump_tls() && open_ && user_) deliver();
  if (open_) read();
}

void Link::encrypt() {
  OutQueue& plain = impl_->plain;
  if (tls_->state() == TlsSession::State::kOpen) {
    while (!plain.empty() && impl_->cipher.size() < kCipherAhead) {
      const std::string_view block = plain.front().substr(0, 16 * 1024);
      tls_->write(block);
      plain.drop(block.size());
      tls_->take(impl_->cipher.tail());
      impl_->cipher.grew();
    }
    if (finishing_ && plain.empty() && !shut_) tls_->shut();
  }
  tls_->take(impl_->cipher.tail());
  impl_->cipher.grew();
}

// Sends until the socket takes no more. False: it was closed.
bool Link::send() {
  while (true) {
    if (tls_) encrypt();
    OutQueue& out = tls_ ? impl_->cipher : impl_->plain;
    unsent_ = impl_->plain.size() + (tls_ ? impl_->cipher.size() : 0);
    if (out.empty()) break;
    iovec vectors[kVectors];
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = out.gather(vectors, kVectors);
    const ssize_t sent = ::sendmsg(impl_->socket.get(), &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        close(LinkEnd::kPeerReset);
        return false;
      }
      writing_ = true;
      loop_.watch_again(impl_->socket.get(), *this, Loop::For::kReadingAndWriting);
      return true;
    }
    if (options_.counters) add_to(options_.counters->bytes_out, static_cast<std::uint64_t>(sent));
    last_taken_ = loop_.now();
    out.drop(static_cast<std::size_t>(sent));
  }
  if (std::exchange(had_unsent_, false) && user_) user_->on_drained();
  if (open_ && finishing_ && unsent_ == 0 && !std::exchange(shut_, true)) {
    if (ended_ || linger_ == linger_.zero()) {
      close();
      return false;
    }
    ::shutdown(impl_->socket.get(), SHUT_WR);
    linger_until_ = loop_.now() + linger_;
  }
  return open_;
}

// --- ending

void Link::end_user(LinkEnd end) {
  if (!user_) return;
  if (options_.counters) options_.counters->open.fetch_sub(1, std::memory_order_relaxed);
  retired_ = std::move(user_);
  retired_->on_closed(end);
}

void Link::finish(std::chrono::milliseconds linger) {
  if (!open_ || finishing_) return;
  finishing_ = true;
  linger_ = linger;
  end_user(LinkEnd::kClosedByUs);
  mark_dirty();
}

void Link::close(LinkEnd end) {
  if (!std::exchange(open_, false)) return;
  loop_.flush_later(*this);  // keeps this object until the present call-backs have returned
  loop_.remove(*this);
  loop_.forget(impl_->socket.get(), *this);
  impl_->socket = OwnedFd();
  impl_->plain.clear();
  impl_->cipher.clear();
  unsent_ = 0;
  end_user(end);
}

void Link::reset() {
  if (!open_) return;
  const linger now{1, 0};
  ::setsockopt(impl_->socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Link::tick() {
  guarded([this] { tick_now(); });
}

void Link::tick_now() {
  retired_.reset();
  if (!open_) return;
  const Instant now = loop_.now();
  if (unsent_ > 0 && now - last_taken_ > options_.write_timeout) {
    end_user(LinkEnd::kWriteTimeout);
    return reset();
  }
  if (finishing_ && shut_ && now > linger_until_) return close();
  if (user_) user_->on_tick();
}

}  // namespace serin::net
