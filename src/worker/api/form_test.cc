// SPDX-License-Identifier: Apache-2.0
#include "worker/api/form.h"

#include <gtest/gtest.h>

namespace serin::worker::api {
namespace {

TEST(Form, IsTheLeastOfItsOutputs) {
  model::Manifest manifest;
  manifest.outputs = {{"image", "state", model::ImageOutput{.range = {0, 1}}},
                      {"text", "", model::TextOutput{}},
                      {"raw", "raw", model::TensorOutput{}}};
  engine::Finished finished;
  finished.text = "a sentence";
  Tensor noise(DType::kFloat32, {1, 16, 16});
  auto values = noise.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i * 37 % 101) / 100;
  finished.outputs["image"] = noise;
  finished.outputs["raw"] = Tensor(DType::kFloat32, {4});
  EXPECT_EQ(form_of(manifest, finished, ""), 1.0);
  finished.reason = engine::FinishReason::kLength;
  EXPECT_EQ(form_of(manifest, finished, ""), 0.9);
  finished.outputs["image"] = Tensor(DType::kFloat32, {1, 16, 16});
  EXPECT_EQ(form_of(manifest, finished, ""), 0.0) << "black";
}

TEST(Form, IsNoneOfTensorsAlone) {
  model::Manifest manifest;
  manifest.outputs = {{"raw", "raw", model::TensorOutput{}}};
  engine::Finished finished;
  finished.outputs["raw"] = Tensor(DType::kFloat32, {4});
  EXPECT_FALSE(form_of(manifest, finished, ""));
}

TEST(ScoreField, IsANameAndANumber) {
  EXPECT_EQ(score_field(1), "wellFormed=1");
  EXPECT_EQ(score_field(0.93), "wellFormed=0.93");
}

}  // namespace
}  // namespace serin::worker::api
