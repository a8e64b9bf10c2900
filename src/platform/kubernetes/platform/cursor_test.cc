// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/cursor.h"

#include <gmock/gmock.h>

namespace serin::platform::kubernetes {
namespace {

using testing::IsEmpty;

TEST(Cursor, ComesBackAsItWasWritten) {
  const Cursor cursor{{"6d2c6a1e-5f7c", 1764363600000001}, {"7e", 0}};
  EXPECT_EQ(write_cursor(cursor), "6d2c6a1e-5f7c:1764363600000001,7e:0");
  EXPECT_EQ(*read_cursor(write_cursor(cursor)), cursor);
  EXPECT_EQ(write_cursor({}), "");
  EXPECT_THAT(*read_cursor(""), IsEmpty());
}

TEST(Cursor, IsRefusedWhereItIsNone) {
  for (const char* text :
       {",", "a", "a:", ":1", "a:x", "a:1x", "a:-1", "a:99999999999999999999999", "a:1,,b:2"})
    EXPECT_EQ(read_cursor(text).error().code, Code::kInvalidArgument) << text;
}

}  // namespace
}  // namespace serin::platform::kubernetes
