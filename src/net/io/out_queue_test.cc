// SPDX-License-Identifier: Apache-2.0
#include "net/io/out_queue.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

std::string take(OutQueue& queue, std::size_t bytes) {
  iovec vectors[16];
  std::string out;
  const std::size_t count = queue.gather(vectors, 16);
  for (std::size_t i = 0; i < count; ++i)
    out.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  out.resize(std::min(bytes, out.size()));
  queue.drop(out.size());
  return out;
}

TEST(OutQueue, GivesBytesInOrderHoweverTheyAreWrittenAndTaken) {
  std::string written;
  std::string taken;
  OutQueue queue;
  for (int i = 0; i < 200; ++i) {
    std::string piece(static_cast<std::size_t>(i * 997 % 40'000), static_cast<char>('a' + i % 26));
    written += piece;
    i % 3 == 0 ? queue.write(std::string_view(piece)) : queue.write(std::move(piece));
    queue.tail() += "tail";
    queue.grew();
    written += "tail";
    taken += take(queue, static_cast<std::size_t>(i * 331 % 30'000));
    ASSERT_EQ(queue.size(), written.size() - taken.size());
  }
  while (!queue.empty()) taken += take(queue, 10'000);
  EXPECT_TRUE(taken == written);
}

TEST(OutQueue, SharesABlockAmongSmallWritesAndKeepsLargeOnesApart) {
  OutQueue queue;
  queue.write(std::string_view("head"));
  queue.write(std::string("er"));
  queue.write(std::string(20'000, 'b'));
  queue.write(std::string_view("after"));
  iovec vectors[16];
  EXPECT_EQ(queue.size(), 20'011u);
  EXPECT_EQ(queue.gather(vectors, 16), 3u);
  EXPECT_EQ(vectors[0].iov_len, 6u);
  EXPECT_EQ(vectors[1].iov_len, 20'000u);
  EXPECT_EQ(queue.gather(vectors, 1), 1u);
  queue.clear();
  EXPECT_TRUE(queue.empty());
}

TEST(OutQueue, CountsALargeWriteOnce) {
  OutQueue queue;
  queue.write(std::string_view("head"));
  queue.write(std::string(20'000, 'b'));
  queue.grew();  // nothing was appended since
  EXPECT_EQ(queue.size(), 20'004u);
  queue.drop(20'004);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace serin::net
