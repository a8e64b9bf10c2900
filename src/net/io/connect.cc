// SPDX-License-Identifier: Apache-2.0
#include "net/io/connect.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "net/io/resolver.h"

namespace serin::net {

namespace {

tl::unexpected<Error> unreachable(const Endpoint& endpoint, const std::string& why) {
  const std::string where =
      endpoint.unix_socket.empty() ? endpoint.authority : endpoint.unix_socket;
  return fail(Code::kUnavailable, "cannot connect to " + where + ": " + why);
}

std::string words_of(int error) { return std::generic_category().message(error); }

// One attempt over TCP. Kept alive by its timer, until it has ended.
class Attempt final : public Watcher, public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Loop& loop, Endpoint endpoint, std::function<void(Result<OwnedFd>)> done)
      : loop_(loop), endpoint_(std::move(endpoint)), done_(std::move(done)) {}
  ~Attempt() { drop_socket(); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  void run(std::chrono::milliseconds at_most) {
    timer_ = loop_.call_after(at_most, [self = shared_from_this()] {
      self->end(unreachable(self->endpoint_, "it took too long"));
    });
    if (!endpoint_.addresses.empty()) return try_all(known_addresses());
    auto numeric = numeric_address(endpoint_.host, endpoint_.port);
    if (!numeric.empty()) return try_all(std::move(numeric));
    loop_.resolver().look_up(
        endpoint_.host, endpoint_.port,
        [self = shared_from_this()](Result<std::vector<Address>> found) {
          if (!found) return self->end(unreachable(self->endpoint_, found.error().message));
          self->try_all(*std::move(found));
        });
  }

  void on_ready(Ready) override {
    const auto self = shared_from_this();
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return try_next(error);
    connected();
  }

 private:
  std::vector<Address> known_addresses() const {
    std::vector<Address> known;
    for (const std::string& text : endpoint_.addresses) {
      auto address = numeric_address(text, endpoint_.port);
      known.insert(known.end(), address.begin(), address.end());
    }
    return known;
  }

  void try_all(std::vector<Address> addresses) {
    addresses_ = std::move(addresses);
    try_next(EDESTADDRREQ);
  }

  // `error`: why the one before failed.
  void try_next(int error) {
    while (done_) {
      drop_socket();
      if (next_ == addresses_.size()) return end(unreachable(endpoint_, words_of(error)));
      const Address& address = addresses_[next_++];
      fd_ =
          OwnedFd(::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      const auto* to = reinterpret_cast<const sockaddr*>(&address.bytes);
      if (fd_.get() >= 0 && ::connect(fd_.get(), to, address.size) == 0) return connected();
      if (errno == EINPROGRESS && loop_.watch(fd_.get(), *this, Loop::For::kReadingAndWriting))
        return;
      error = errno;
    }
  }

  void connected() {
    loop_.forget(fd_.get(), *this);
    end(std::exchange(fd_, OwnedFd()));
  }

  void drop_socket() {
    if (fd_.get() < 0) return;
    loop_.forget(fd_.get(), *this);
    fd_ = OwnedFd();
  }

  void end(Result<OwnedFd> result) {
    const auto done = std::exchange(done_, nullptr);
    if (!done) return;
    const auto self = shared_from_this();
    drop_socket();
    loop_.cancel(timer_);
    done(std::move(result));
  }

  Loop& loop_;
  Endpoint endpoint_;
  std::function<void(Result<OwnedFd>)> done_;
  Loop::Timer timer_;
  std::vector<Address> addresses_;
  std::size_t next_ = 0;
  OwnedFd fd_;
};

// A local socket is there or not: connecting does not wait, unless its queue is full, which is as
// good as not there.
Result<OwnedFd> connect_unix(const Endpoint& endpoint) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, endpoint.unix_socket.data(), endpoint.unix_socket.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return unreachable(endpoint, words_of(errno));
  return fd;
}

}  // namespace

void connect(Loop& loop, const Endpoint& endpoint, std::chrono::milliseconds at_most,
             std::function<void(Result<OwnedFd>)> done) {
  if (!endpoint.unix_socket.empty()) return done(connect_unix(endpoint));
  std::make_shared<Attempt>(loop, endpoint, std::move(done))->run(at_most);
}

}  // namespace serin::net
