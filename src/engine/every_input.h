// SPDX-License-Identifier: Apache-2.0
// For tests and fuzzing: a text package that has, besides the prompt, an input of every kind.
#pragma once

#include "engine/fake_model.h"

namespace serin::engine::fake {

inline model::Package every_input() {
  model::Package package = text_package(2, 32, 4);
  auto& inputs = package.manifest.inputs;
  model::LabelInput drawn, fixed;
  drawn.labels = {"red", "green", "blue"};
  fixed.labels = {"no", "yes"};
  fixed.default_label = "yes";
  fixed.one_hot = true;
  model::NumberInput slant, count;
  slant.default_value = 0.5;
  slant.min = -1;
  slant.max = 1;
  count.default_value = 3;
  count.min = 1;
  count.integer = true;
  model::TextInput note;
  note.max_tokens = 6;
  note.pad_token = 9;
  model::ImageInput picture;
  picture.width = 4;
  picture.height = 2;
  picture.channels = 1;
  model::AudioInput sound;
  sound.sample_rate = 4000;
  sound.max_seconds = 0.5;
  model::NoiseInput noise;
  noise.shape = {2, 3};
  inputs.push_back({"noise", "", noise});
  inputs.push_back({"colour", "", drawn});
  inputs.push_back({"loud", "", fixed});
  inputs.push_back({"slant", "", slant});
  inputs.push_back({"count", "", count});
  inputs.push_back({"note", "", note});
  inputs.push_back({"picture", "", picture});
  inputs.push_back({"sound", "", sound});
  inputs.push_back({"raw", "", model::TensorInput{DType::kUInt8, {2, 2}, 7}});
  return package;
}

}  // namespace serin::engine::fake
