// SPDX-License-Identifier: Apache-2.0
// What a generation made, as bytes of a media type that the client asked for. Pure; safe from any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/tensor.h"
#include "model/manifest.h"

namespace serin::worker::api {

// What an output can be given as, the default first: "image/png", … "application/x-npy" for every
// tensor.
std::vector<std::string_view> media_types(const model::Output& output);

// The first of the field's ranges, by weight and then order, that the output can be given as (RFC
// 9110, section 12.5.1); the default for an empty field. `also` are further types that the caller
// knows. Nothing when none fits: 406.
std::optional<std::string> acceptable(const model::Output& output, std::string_view accept,
                                      const std::vector<std::string_view>& also);

struct MediumOptions {
  int quality = 90;                    // JPEG and WebP
  std::int64_t width = 0, height = 0;  // 0: as the model made it
};

// kDataLoss when the tensor holds what is not finite.
Result<std::string> encode_medium(const model::Output& output, const Tensor& tensor,
                                  std::string_view media_type, const MediumOptions& options = {});

// Whether encoding is short enough for a connection's own thread.
bool quick_to_encode(const model::Output& output, const Tensor& tensor);

}  // namespace serin::worker::api
