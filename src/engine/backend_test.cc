// SPDX-License-Identifier: Apache-2.0
#include "engine/backend.h"

#include <gtest/gtest.h>

namespace serin::engine {
namespace {

TEST(ParseDevice, ReadsWhatToStringWrites) {
  for (const char* text : {"cpu", "cuda:0", "cuda:7"}) {
    const auto device = parse_device(text);
    ASSERT_TRUE(device.has_value()) << text;
    EXPECT_EQ(to_string(*device), text);
  }
  EXPECT_EQ(to_string(*parse_device("cuda")), "cuda:0");
  EXPECT_TRUE(parse_device("auto").has_value());
}

TEST(ParseDevice, RefusesWhatIsNoDevice) {
  for (const char* text : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:64", "cuda:1x",
                           "cuda:99999999999", "cpu:0"}) {
    const auto device = parse_device(text);
    ASSERT_FALSE(device.has_value()) << text;
    EXPECT_EQ(device.error().param, "device");
  }
}

}  // namespace
}  // namespace serin::engine
