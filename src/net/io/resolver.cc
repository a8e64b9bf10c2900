// SPDX-License-Identifier: Apache-2.0
#include "net/io/resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>
#include <utility>

#include "net/io/loop.h"

namespace serin::net {

namespace {

Result<std::vector<Address>> addresses_of(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return fail(Code::kNotFound, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address& address = addresses.emplace_back();
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  return addresses;
}

}  // namespace

std::vector<Address> numeric_address(const std::string& host, std::uint16_t port) {
  return addresses_of(host, port, AI_NUMERICHOST).value_or(std::vector<Address>());
}

Resolver::~Resolver() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Resolver::look_up(std::string host, std::uint16_t port, Found found) {
  {
    const std::lock_guard lock(mutex_);
    questions_.push_back({std::move(host), port, std::move(found)});
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_one();
}

void Resolver::run() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ || !questions_.empty(); });
    if (ended_) return;
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    auto addresses = addresses_of(question.host, question.port, 0);
    loop_.post([found = std::move(question.found), addresses = std::move(addresses)]() mutable {
      found(std::move(addresses));
    });
  }
}

}  // namespace serin::net
