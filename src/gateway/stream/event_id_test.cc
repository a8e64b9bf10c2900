// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream/event_id.h"

#include <gmock/gmock.h>

namespace serin::gateway {
namespace {

const StreamPosition kPosition{
    "4e91648df8d533e9", "9f3a5c01", 7, 1764359120, "cmpl-0123456789abcdef01234567", 12};
constexpr std::string_view kId =
    "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567.12";

TEST(EventId, IsReadAsItWasWritten) {
  EXPECT_EQ(write_event_id(kPosition), kId);
  EXPECT_EQ(read_event_id(kId), kPosition);
  StreamPosition chat = kPosition;
  chat.answer = "chatcmpl-0123456789abcdef01234567";
  chat.seed = (std::uint64_t{1} << 63) - 1;
  EXPECT_EQ(read_event_id(write_event_id(chat)), chat);
}

TEST(EventId, IsRefusedWhenNobodyWroteItSo) {
  for (const std::string_view id : {
           "",
           ".....",
           "12",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567.12.1",
           "4E91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567.12",
           "4e91648df8d533e9.9f3a5c01.-7.1764359120.cmpl-0123456789abcdef01234567.12",
           "4e91648df8d533e9.9f3a5c01.07.1764359120.cmpl-0123456789abcdef01234567.12",
           "4e91648df8d533e9.9f3a5c01.9223372036854775808.1764359120.cmpl-0123456789abcdef01234567."
           "12",
           "4e91648df8d533e9.9f3a5c01.7.-1.cmpl-0123456789abcdef01234567.12",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.evil-0123456789abcdef01234567.12",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef0123456.12",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567.",
           "4e91648df8d533e9.9f3a5c01.7.1764359120.cmpl-0123456789abcdef01234567."
           "99999999999999999999",
       }) {
    EXPECT_EQ(read_event_id(id), std::nullopt) << id;
  }
}

TEST(EventId, NamesPackageAndProfileShortly) {
  EXPECT_EQ(short_package("sha256:4e91648df8d533e9a4daca342ed5be32"), "4e91648df8d533e9");
  EXPECT_EQ(short_profile("cpu/x86-64-v4/threads=1").size(), 8u);
  EXPECT_NE(short_profile("cpu/x86-64-v4/threads=1"), short_profile("cpu/x86-64-v4/threads=2"));
}

}  // namespace
}  // namespace serin::gateway
