// SPDX-License-Identifier: Apache-2.0
#include "base/hand_over.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "base/files.h"

namespace serin {
namespace {

using std::chrono::milliseconds;

class HandOver : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    from_ = Descriptor(ends[0]);
    to_ = Descriptor(ends[1]);
  }
  // What is written to `end` comes out of the pipe.
  bool reaches_us(const Descriptor& end) const {
    char got = 0;
    return ::write(end.get(), "x", 1) == 1 && ::read(from_.get(), &got, 1) == 1 && got == 'x';
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  std::filesystem::path path_ = folder_.path() / "offer.sock";
  Descriptor from_, to_;
};

TEST_F(HandOver, GivesEveryPeerACopy) {
  const auto offer = DescriptorOffer::create(path_, to_.get());
  ASSERT_TRUE(offer.has_value()) << offer.error().message;
  for (int i = 0; i < 3; ++i) {
    const auto taken = take_descriptor(path_, milliseconds(10'000));
    ASSERT_TRUE(taken.has_value()) << taken.error().message;
    EXPECT_NE(taken->get(), to_.get());
    EXPECT_TRUE(reaches_us(*taken));
  }
}

TEST_F(HandOver, TheCopyOutlivesTheOffer) {
  auto offer = DescriptorOffer::create(path_, to_.get());
  ASSERT_TRUE(offer.has_value());
  const auto taken = take_descriptor(path_, milliseconds(10'000));
  offer = fail(Code::kCancelled, "gone");
  to_ = Descriptor();
  ASSERT_TRUE(taken.has_value());
  EXPECT_TRUE(reaches_us(*taken));
}

TEST_F(HandOver, TheOfferOutlivesTheDescriptorThatWasOffered) {
  const auto offer = DescriptorOffer::create(path_, to_.get());
  ASSERT_TRUE(offer.has_value());
  to_ = Descriptor();
  const auto taken = take_descriptor(path_, milliseconds(10'000));
  ASSERT_TRUE(taken.has_value()) << taken.error().message;
  EXPECT_TRUE(reaches_us(*taken));
}

TEST_F(HandOver, ASuccessorTakesThePlaceWithoutAGap) {
  const auto first = DescriptorOffer::create(path_, from_.get());
  const auto second = DescriptorOffer::create(path_, to_.get());
  ASSERT_TRUE(second.has_value()) << second.error().message;
  const auto taken = take_descriptor(path_, milliseconds(10'000));
  ASSERT_TRUE(taken.has_value());
  EXPECT_TRUE(reaches_us(*taken));
}

TEST_F(HandOver, SaysThatNobodyOffers) {
  EXPECT_EQ(take_descriptor(path_, milliseconds(10)).error().code, Code::kNotFound);
  {
    const auto offer = DescriptorOffer::create(path_, to_.get());
  }
  EXPECT_EQ(take_descriptor(path_, milliseconds(10)).error().code, Code::kNotFound);
}

TEST_F(HandOver, DoesNotWaitForOneThatIsStopped) {
  const Descriptor listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.string().size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(take_descriptor(path_, milliseconds(10)).error().code, Code::kDeadlineExceeded);
}

TEST_F(HandOver, RefusesAPathThatIsTooLong) {
  const auto offer = DescriptorOffer::create(folder_.path() / std::string(120, 'x'), to_.get());
  ASSERT_FALSE(offer.has_value());
  EXPECT_EQ(offer.error().code, Code::kInvalidArgument);
}

}  // namespace
}  // namespace serin
