// SPDX-License-Identifier: Apache-2.0
// A small good package on disk, for tests.
#pragma once

#include <gtest/gtest.h>

#include "base/files.h"
#include "model/package.h"

namespace serin::model::samples {

inline constexpr std::string_view kSmallDraft = R"(format: serin.dev/package/v1
name: small
task: inference
engine: torch
model: model.pt
inputs:
- {name: x, kind: tensor, dtype: float32, shape: [2], default: 0}
call:
  arguments:
  - {name: x, input: x, dtype: float32, shape: [N, 2]}
  results:
  - {name: y, dtype: float32, shape: [N, 2]}
outputs:
- {name: y, kind: tensor, result: y}
)";

inline Package make_package(const std::filesystem::path& root) {
  std::filesystem::create_directories(root / "golden");
  EXPECT_TRUE(write_file(root / "model.yaml", kSmallDraft));
  EXPECT_TRUE(write_file(root / "model.pt", "weights"));
  EXPECT_TRUE(write_file(root / "golden/0.y.npy", "expected"));
  auto sealed = seal_package(root);
  EXPECT_TRUE(sealed.has_value()) << sealed.error().message;
  return sealed ? *std::move(sealed) : Package{};
}

}  // namespace serin::model::samples
