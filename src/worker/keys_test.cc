// SPDX-License-Identifier: Apache-2.0
#include "worker/keys.h"

#include <gtest/gtest.h>

#include "base/digest.h"

namespace serin::worker {
namespace {

std::string refusal(std::string_view text) {
  const auto hashes = parse_key_hashes(text, "keys");
  return hashes ? "" : hashes.error().message;
}

TEST(Keys, AreKnownByTheirHashes) {
  const std::string one = sha256_hex("one"), two = sha256_hex("two");
  const auto hashes =
      parse_key_hashes("# customers\n" + one + "\r\n\n  " + two + "  # two", "keys");
  ASSERT_TRUE(hashes.has_value()) << hashes.error().message;
  EXPECT_EQ(*hashes, (std::vector{one, two}));
  EXPECT_TRUE(known_key("one", *hashes));
  EXPECT_TRUE(known_key("two", *hashes));
  for (const std::string& key : {std::string(), std::string("three"), one})
    EXPECT_FALSE(known_key(key, *hashes)) << key;
}

TEST(Keys, AFileThatHoldsSomethingElseIsRefusedWithItsLine) {
  const std::string hash = sha256_hex("one");
  for (const std::string& wrong :
       {std::string("secret"), hash.substr(1), hash + "0", "G" + hash.substr(1)}) {
    EXPECT_TRUE(refusal(hash + "\n# two\n" + wrong).starts_with("keys:3: must be a SHA-256"))
        << wrong << ": " << refusal(hash + "\n# two\n" + wrong);
  }
  for (const std::string_view empty : {"", "\n", "# none\n"})
    EXPECT_TRUE(refusal(empty).starts_with("keys holds no key")) << refusal(empty);
}

}  // namespace
}  // namespace serin::worker
