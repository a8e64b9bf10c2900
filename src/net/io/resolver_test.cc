// SPDX-License-Identifier: Apache-2.0
#include "net/io/resolver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <future>
#include <utility>

#include "net/io/loop.h"

namespace serin::net {
namespace {

using std::chrono::milliseconds;
using Addresses = Result<std::vector<Address>>;

std::uint16_t port_of(const Address& address) {
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.bytes);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.bytes);
  return ntohs(address.bytes.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

TEST(Resolver, KnowsAddressesWrittenAsNumbersWithoutLookingThemUp) {
  const auto v4 = numeric_address("127.0.0.1", 80);
  ASSERT_EQ(v4.size(), 1u);
  EXPECT_EQ(v4[0].bytes.ss_family, AF_INET);
  EXPECT_EQ(port_of(v4[0]), 80);
  const auto v6 = numeric_address("::1", 443);
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_EQ(v6[0].bytes.ss_family, AF_INET6);
  EXPECT_EQ(port_of(v6[0]), 443);
  EXPECT_TRUE(numeric_address("localhost", 80).empty());
}

TEST(Resolver, LooksUpOneHostAfterAnotherAndCallsBackOnTheLoop) {
  const auto loop = Loop::start(milliseconds(5), milliseconds(5));
  std::promise<std::pair<Addresses, Addresses>> both;
  loop->post([&] {
    loop->resolver().look_up("localhost", 1, [&](Addresses first) {
      EXPECT_TRUE(loop->on_thread());
      loop->resolver().look_up("localhost", 2, [&, first = std::move(first)](Addresses second) {
        both.set_value({first, std::move(second)});
      });
    });
  });
  const auto [first, second] = both.get_future().get();
  loop->stop();
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(port_of(first->front()), 1);
  EXPECT_EQ(port_of(second->front()), 2);
}

TEST(Resolver, EndsWithItsLoopThoughMuchIsToBeLookedUp) {
  const auto loop = Loop::start(milliseconds(5), milliseconds(5));
  std::promise<void> asked;
  loop->post([&] {
    for (int i = 0; i < 100; ++i) loop->resolver().look_up("localhost", 1, [](const Addresses&) {});
    asked.set_value();
  });
  asked.get_future().wait();
  loop->stop();
}

}  // namespace
}  // namespace serin::net
