// SPDX-License-Identifier: Apache-2.0
#include "net/http/h2_ended_streams.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

TEST(H2EndedStreams, ForbidsWhatComesAfterAClientsOwnEnd) {
  H2EndedStreams streams;
  streams.opened(5);
  EXPECT_TRUE(streams.forbids(5));
  EXPECT_TRUE(streams.forbids(3)) << "never opened, and too late for it";
  EXPECT_FALSE(streams.forbids(7)) << "that is a new one";
}

TEST(H2EndedStreams, ToleratesWhatWasOnItsWayWhenWeCutAStreamOff) {
  H2EndedStreams streams;
  streams.opened(1);
  streams.opened(5);
  streams.cut_off(1);
  streams.cut_off(3);  // refused: never opened
  EXPECT_FALSE(streams.forbids(1));
  EXPECT_FALSE(streams.forbids(3));
  EXPECT_TRUE(streams.forbids(5));
}

TEST(H2EndedStreams, RemembersABoundedNumber) {
  H2EndedStreams streams;
  const auto most = static_cast<std::int32_t>(H2EndedStreams::kMostRemembered);
  streams.opened(2 * most + 1);
  for (std::int32_t i = 0; i <= most; ++i) streams.cut_off(2 * i + 1);
  EXPECT_TRUE(streams.forbids(1));
  EXPECT_FALSE(streams.forbids(3));
}

}  // namespace
}  // namespace serin::net
