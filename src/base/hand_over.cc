// SPDX-License-Identifier: Apache-2.0
#include "base/hand_over.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/files.h"

namespace serin {
namespace {

constexpr int kBacklog = 8;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return invalid("the socket's path " + path + " is longer than 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Descriptor> unix_socket(const std::string& path) {
  Descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.open()) return fail(error_of_errno(errno, "cannot open a socket for " + path));
  return made;
}

// Bound beside its place and renamed to it: nobody ever finds the place without a listener.
Result<Descriptor> listen_at(const std::string& path) {
  const std::string beside = path + ".new";
  SERIN_TRY_ASSIGN(const sockaddr_un address, address_of(beside));
  SERIN_TRY_ASSIGN(Descriptor listener, unix_socket(path));
  ::unlink(beside.c_str());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::bind(listener.get(), generic, sizeof address) == 0 && ::chmod(beside.c_str(), 0600) == 0 &&
      ::listen(listener.get(), kBacklog) == 0 && ::rename(beside.c_str(), path.c_str()) == 0) {
    return listener;
  }
  const int problem = errno;
  ::unlink(beside.c_str());
  return fail(error_of_errno(problem, "cannot listen on " + path));
}

// A message of one byte with room for one descriptor; the parts point at each other.
struct Letter {
  Letter() {
    part.iov_base = &byte;
    part.iov_len = 1;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
  }
  Letter(const Letter&) = delete;
  Letter& operator=(const Letter&) = delete;

  char byte = 0;
  iovec part{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> room{};
  msghdr message{};
};

void give(int peer, int descriptor) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return;
  if (who.uid != ::geteuid() && who.uid != 0) return;
  Letter letter;
  cmsghdr* head = CMSG_FIRSTHDR(&letter.message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  ::sendmsg(peer, &letter.message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void answer(const Descriptor& listener, int stop, const Descriptor& offered) {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    std::array<pollfd, 2> watched{{{listener.get(), POLLIN, 0}, {stop, POLLIN, 0}}};
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    if (watched[0].revents == 0) continue;
    const Descriptor peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (peer.open()) give(peer.get(), offered.get());
  }
}

Result<Descriptor> received(int socket, const std::string& path) {
  Letter letter;
  if (::recvmsg(socket, &letter.message, MSG_CMSG_CLOEXEC) < 0)
    return fail(error_of_errno(errno, "cannot read from " + path));
  const cmsghdr* head = CMSG_FIRSTHDR(&letter.message);
  if (head == nullptr || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
    return fail(Code::kPermissionDenied, "who listens on " + path + " gives us no descriptor");
  int number = -1;
  std::memcpy(&number, CMSG_DATA(head), sizeof number);
  return Descriptor(number);
}

}  // namespace

Result<DescriptorOffer> DescriptorOffer::create(const std::filesystem::path& path, int descriptor) {
  SERIN_TRY_ASSIGN(Descriptor listener, listen_at(path.string()));
  // A copy of our own: who serves on it may close his at any time.
  Descriptor offered(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!offered.open()) return fail(error_of_errno(errno, "cannot offer a descriptor"));
  Descriptor stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop.open()) return fail(error_of_errno(errno, "cannot make an eventfd"));
  std::jthread thread([listener = std::move(listener), number = stop.get(),
                       offered = std::move(offered)] { answer(listener, number, offered); });
  return DescriptorOffer(std::move(stop), std::move(thread));
}

DescriptorOffer::~DescriptorOffer() {
  if (!stop_.open()) return;
  const std::uint64_t once = 1;
  // An eventfd that was never written takes a number.
  if (::write(stop_.get(), &once, sizeof once) == sizeof once) thread_.join();
}

Result<Descriptor> take_descriptor(const std::filesystem::path& path,
                                   std::chrono::milliseconds within) {
  const std::string name = path.string();
  SERIN_TRY_ASSIGN(const sockaddr_un address, address_of(name));
  SERIN_TRY_ASSIGN(const Descriptor socket, unix_socket(name));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int problem = errno;
    if (problem == EAGAIN)
      return fail(Code::kDeadlineExceeded, "who listens on " + name + " does not answer");
    if (problem == ECONNREFUSED || problem == ENOENT)
      return fail(Code::kNotFound, "nobody listens on " + name);
    return fail(error_of_errno(problem, "cannot reach " + name));
  }
  pollfd watched{socket.get(), POLLIN, 0};
  const auto until = std::chrono::steady_clock::now() + within;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    const int ready =
        ::poll(&watched, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    if (ready > 0) return received(socket.get(), name);
    if (ready == 0)
      return fail(Code::kDeadlineExceeded, "who listens on " + name + " does not answer");
    if (errno != EINTR) return fail(error_of_errno(errno, "cannot wait for " + name));
  }
}

}  // namespace serin
