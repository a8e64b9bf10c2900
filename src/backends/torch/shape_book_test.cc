// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/shape_book.h"

#include <gtest/gtest.h>

namespace serin::backends {
namespace {

using Way = ShapeBook::Way;
const ShapeBook::Shape kOne{6, 1, 4}, kTwo{6, 2, 4}, kThree{6, 3, 4};

TEST(ShapeBook, RecordsTheSecondCallAndReplaysLaterOnes) {
  ShapeBook book(8);
  EXPECT_EQ(book.next(kOne), Way::kPlain);
  EXPECT_EQ(book.next(kTwo), Way::kPlain);
  EXPECT_EQ(book.next(kOne), Way::kRecord);
  EXPECT_EQ(book.next(kOne), Way::kReplay);
  EXPECT_EQ(book.next(kTwo), Way::kRecord);
  EXPECT_EQ(book.next(kOne), Way::kReplay);
}

TEST(ShapeBook, RunsARefusedShapePlainlyForEver) {
  ShapeBook book(8);
  book.next(kOne);
  ASSERT_EQ(book.next(kOne), Way::kRecord);
  book.refuse(kOne);
  EXPECT_EQ(book.next(kOne), Way::kPlain);
  book.forget();
  EXPECT_EQ(book.next(kOne), Way::kPlain);
  EXPECT_EQ(book.next(kOne), Way::kPlain);
}

TEST(ShapeBook, KnowsNoMoreShapesThanItMay) {
  ShapeBook book(2);
  for (int i = 0; i < 3; ++i) {
    for (const auto& shape : {kOne, kTwo, kThree}) book.next(shape);
  }
  EXPECT_EQ(book.next(kTwo), Way::kReplay);
  EXPECT_EQ(book.next(kThree), Way::kPlain);
}

TEST(ShapeBook, RecordsAgainWhatItForgot) {
  ShapeBook book(1);
  book.next(kOne);
  book.next(kOne);
  book.forget();
  EXPECT_EQ(book.next(kTwo), Way::kPlain);
  EXPECT_EQ(book.next(kTwo), Way::kRecord);
}

}  // namespace
}  // namespace serin::backends
