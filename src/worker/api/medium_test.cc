// SPDX-License-Identifier: Apache-2.0
#include "worker/api/medium.h"

#include <gmock/gmock.h>

#include <limits>

namespace serin::worker::api {
namespace {

model::Output picture() { return {"image", "image", model::ImageOutput{}}; }
model::Output text() { return {"text", "", model::TextOutput{}}; }

std::string chosen(std::string_view accept, const model::Output& output = picture()) {
  return acceptable(output, accept, {"application/json", "text/event-stream"}).value_or("none");
}

TEST(Accept, AnythingIsTheDefault) {
  for (const char* accept : {"", "  ", "*/*", "image/*", "text/html, */*;q=0.1"}) {
    EXPECT_EQ(chosen(accept), "image/png") << accept;
  }
  EXPECT_EQ(chosen("*/*", text()), "text/plain");
}

TEST(Accept, TheGreaterWeightWinsThenTheOrder) {
  EXPECT_EQ(chosen("image/png;q=0.1, image/jpeg;q=0.9"), "image/jpeg");
  EXPECT_EQ(chosen("image/webp, image/jpeg"), "image/webp");
  EXPECT_EQ(chosen("application/json;q=0.5, image/*;q=0.4"), "application/json");
  EXPECT_EQ(chosen("image/png ; q=0.2 , IMAGE/WEBP;Q=1;q=0.3"), "image/webp");
}

TEST(Accept, TheMostExactRangeDecides) {
  EXPECT_EQ(chosen("image/png;q=0, image/*"), "image/jpeg");
  EXPECT_EQ(chosen("image/*, image/png;q=0"), "image/jpeg");
  EXPECT_EQ(chosen("*/*;q=0.9, image/*;q=0"), "application/x-npy");
  EXPECT_EQ(chosen("*/*;q=0, image/webp;q=0.1"), "image/webp");
}

TEST(Accept, WhatCannotBeGivenIsNothing) {
  for (const char* accept : {"audio/wav", "image/png;q=0", "image", "*", "/", "image/*;q=nan", ";",
                             "imag/*", "image/p*"}) {
    EXPECT_EQ(chosen(accept), "none") << accept;
  }
}

TEST(Medium, EveryTensorCanBeHadAsItIs) {
  const Tensor tensor = Tensor::of<float>({1, 2, 2}, std::vector<float>{-1, 0, 0.5, 1});
  const auto bytes = encode_medium(picture(), tensor, "application/x-npy");
  ASSERT_TRUE(bytes);
  EXPECT_TRUE(bytes->starts_with("\x93NUMPY"));
}

TEST(Medium, APictureIsMadeInTheSizeAskedFor) {
  const Tensor tensor = Tensor::of<float>({1, 2, 2}, std::vector<float>{0, 0, 1, 1});
  const auto png = encode_medium(picture(), tensor, "image/png", {90, 16, 8});
  ASSERT_TRUE(png);
  EXPECT_EQ(png->substr(16, 8), std::string("\0\0\0\x10\0\0\0\x08", 8));  // IHDR: width, height
}

TEST(Medium, AnotherMediumIsAnError) {
  const Tensor tensor = Tensor::of<float>({1, 2, 2}, std::vector<float>{0, 0, 1, 1});
  const auto refused = encode_medium(picture(), tensor, "audio/wav");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "output image cannot be given as audio/wav");
}

TEST(Medium, WhatIsNotFiniteIsNoPicture) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor tensor = Tensor::of<float>({1, 2, 2}, std::vector<float>{0, nan, 1, 1});
  EXPECT_FALSE(encode_medium(picture(), tensor, "image/png"));
}

}  // namespace
}  // namespace serin::worker::api
