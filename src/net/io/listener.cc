// SPDX-License-Identifier: Apache-2.0
#include "net/io/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/last_resort.h"

namespace serin::net {

namespace {

constexpr int kBacklog = 1024;
constexpr int kAcceptsAtOnce = 64;  // then other events have their turn
constexpr std::chrono::milliseconds kPause{
    50};  // out of descriptors: accepting again at once would spin

std::string system_message(int error) { return std::generic_category().message(error); }

Status bind_and_listen(int fd, const sockaddr* address, socklen_t size, const std::string& name) {
  if (::bind(fd, address, size) != 0) {
    const int error = errno;
    const Code code = error == EADDRINUSE ? Code::kAlreadyExists
                      : error == EACCES   ? Code::kPermissionDenied
                                          : Code::kInvalidArgument;
    return fail(code, "cannot listen on " + name + ": " + system_message(error));
  }
  // Before listen(): until then nobody can connect to a socket file that others may read.
  if (address->sa_family == AF_UNIX &&
      ::chmod(reinterpret_cast<const sockaddr_un*>(address)->sun_path, 0600) != 0)
    return fail(Code::kPermissionDenied,
                "cannot set the mode of " + name + ": " + system_message(errno));
  if (::listen(fd, kBacklog) != 0)
    return fail(errno == EADDRINUSE ? Code::kAlreadyExists : Code::kUnknown,
                "cannot listen on " + name + ": " + system_message(errno));
  return {};
}

Result<OwnedFd> open_socket(int family) {
  OwnedFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0)
    return fail(Code::kResourceExhausted, "cannot open a socket: " + system_message(errno));
  return fd;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return invalid("the socket's path " + path + " is longer than 107 bytes", "unix_socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// A socket file is stale when nobody accepts on it.
Status clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return fail(Code::kAlreadyExists, path + " exists and is not a socket; choose another path");
  SERIN_TRY_ASSIGN(const OwnedFd probe, open_socket(AF_UNIX));
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno != ECONNREFUSED)
    return fail(Code::kAlreadyExists, "another process listens on " + path);
  ::unlink(path.c_str());
  return {};
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

Result<OwnedFd> listen_tcp(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0)
    return invalid("\"" + address + "\" is no address to listen on: " + ::gai_strerror(error),
                   "address");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  SERIN_TRY_ASSIGN(OwnedFd fd, open_socket(found->ai_family));
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  SERIN_TRY(bind_and_listen(fd.get(), found->ai_addr, found->ai_addrlen,
                            address + ":" + std::to_string(port)));
  return fd;
}

Result<OwnedFd> inherited_listener(int fd) {
  const auto wrong = [fd](std::string_view why) {
    return invalid("file descriptor " + std::to_string(fd) +
                       " is no listening TCP socket: " + std::string(why),
                   "listen_fd");
  };
  int listens = 0;
  int domain = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
    return wrong(system_message(errno));
  size = sizeof domain;
  if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0)
    return wrong(system_message(errno));
  if (listens == 0) return wrong("nobody called listen() on it");
  if (domain != AF_INET && domain != AF_INET6) return wrong("it is of another family");
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return wrong(system_message(errno));
  return OwnedFd(fd);
}

Status clear_stale_socket(const std::string& path) {
  SERIN_TRY_ASSIGN(const sockaddr_un address, unix_address(path));
  return clear_stale(path, address);
}

Result<OwnedFd> listen_unix(const std::string& path) {
  SERIN_TRY_ASSIGN(const sockaddr_un address, unix_address(path));
  SERIN_TRY(clear_stale(path, address));
  SERIN_TRY_ASSIGN(OwnedFd fd, open_socket(AF_UNIX));
  SERIN_TRY(
      bind_and_listen(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address, path));
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET)
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
  if (address.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  return 0;
}

std::optional<std::uint32_t> user_of_peer(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  if (peer.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return peer.uid;
}

struct Listener::Impl final : Watcher, std::enable_shared_from_this<Listener::Impl> {
  Impl(Loop& on, OwnedFd socket, Accepted call)
      : loop(on), fd(std::move(socket)), accepted(std::move(call)) {}

  void listen() {
    if (stopped || loop.watch(fd.get(), *this, Loop::For::kReading)) return;
    loop.call_after(kPause, [self = shared_from_this()] { self->listen(); });
  }

  void on_ready(Ready) override { accept(); }

  // What waits; the rest of it after the others had their turn.
  void accept() {
    if (stopped || goes_on) return;
    const Left left = accept_some(kAcceptsAtOnce);
    if (left == Left::kNone) return;
    goes_on = true;
    const auto go_on = [self = shared_from_this()] {
      self->goes_on = false;
      self->accept();
    };
    if (left == Left::kSome) return loop.post(go_on);
    loop.call_after(kPause, go_on);
  }

  enum class Left : std::uint8_t {
    kNone,
    kSome,
    kNoRoom,  // out of descriptors or memory
  };
  Left accept_some(int at_most) {
    for (int i = 0; i < at_most; ++i) {
      const int connection = ::accept4(fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (connection >= 0) {
        survives("a new connection", [&] { accepted(OwnedFd(connection)); });
        continue;
      }
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Left::kNone;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
        return Left::kNoRoom;
      // Else the connection that waited is gone already: the next.
    }
    return Left::kSome;
  }

  Loop& loop;
  OwnedFd fd;
  Accepted accepted;
  bool goes_on = false;  // later, whatever comes meanwhile
  bool stopped = false;
};

Listener::Listener(Loop& loop, OwnedFd fd, Accepted accepted)
    : impl_(std::make_shared<Impl>(loop, std::move(fd), std::move(accepted))) {}

Listener::~Listener() = default;

void Listener::start() { impl_->listen(); }

void Listener::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->accept_some(kBacklog);
  impl_->loop.forget(impl_->fd.get(), *impl_);
  impl_->fd = OwnedFd();
}

}  // namespace serin::net
