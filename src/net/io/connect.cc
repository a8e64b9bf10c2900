// SPDX-License-Identifier: Apache-2.0
#include "net/io/connect.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace serin::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

tl::unexpected<Error> unreachable(const Endpoint& endpoint, const std::string& why) {
  const std::string where =
      endpoint.unix_socket.empty() ? endpoint.authority : endpoint.unix_socket;
  return fail(Code::kUnavailable, "cannot connect to " + where + ": " + why);
}

// One attempt over TCP. Kept alive by its own pending operations.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Loop& loop, Endpoint endpoint, std::function<void(Result<OwnedFd>)> done)
      : loop_(loop),
        endpoint_(std::move(endpoint)),
        done_(std::move(done)),
        resolver_(loop.context()),
        socket_(loop.context()),
        timer_(loop.context()) {}

  void run(std::chrono::milliseconds at_most) {
    timer_.expires_after(at_most);
    timer_.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->end(unreachable(self->endpoint_, "it took too long"));
    });
    if (!endpoint_.addresses.empty()) return try_all(known_addresses());
    resolver_.async_resolve(
        endpoint_.host, std::to_string(endpoint_.port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const error_code& error, const auto& addresses) {
          if (error) return self->end(unreachable(self->endpoint_, error.message()));
          self->try_all({addresses.begin(), addresses.end()});
        });
  }

 private:
  std::vector<tcp::endpoint> known_addresses() const {
    std::vector<tcp::endpoint> known;
    for (const std::string& text : endpoint_.addresses) {
      error_code ignored;
      const auto address = asio::ip::make_address(text, ignored);
      if (!ignored) known.emplace_back(address, endpoint_.port);
    }
    return known;
  }

  void try_all(const std::vector<tcp::endpoint>& addresses) {
    if (!done_) return;
    asio::async_connect(socket_, addresses,
                        [self = shared_from_this()](const error_code& error, const auto&) {
                          if (error)
                            return self->end(unreachable(self->endpoint_, error.message()));
                          error_code ignored;
                          self->end(OwnedFd(self->socket_.release(ignored)));
                        });
  }

  void end(Result<OwnedFd> result) {
    const auto done = std::exchange(done_, nullptr);
    if (!done) return;
    const Loop::Batch batch(loop_);
    timer_.cancel();
    resolver_.cancel();
    error_code ignored;
    if (socket_.is_open()) socket_.close(ignored);
    done(std::move(result));
  }

  Loop& loop_;
  Endpoint endpoint_;
  std::function<void(Result<OwnedFd>)> done_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
};

// A local socket is there or not: connecting does not wait, unless its queue is full, which is as
// good as not there.
Result<OwnedFd> connect_unix(const Endpoint& endpoint) {
  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, endpoint.unix_socket.data(), endpoint.unix_socket.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return unreachable(endpoint, error_code(errno, boost::system::system_category()).message());
  return fd;
}

}  // namespace

void connect(Loop& loop, const Endpoint& endpoint, std::chrono::milliseconds at_most,
             std::function<void(Result<OwnedFd>)> done) {
  if (!endpoint.unix_socket.empty()) return done(connect_unix(endpoint));
  std::make_shared<Attempt>(loop, endpoint, std::move(done))->run(at_most);
}

}  // namespace serin::net
