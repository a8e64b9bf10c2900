// SPDX-License-Identifier: Apache-2.0
// One input's value becomes one tensor, without the batch dimension. Pure; RequestParser is their
// only user, besides the loops that need a label's tensor.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/tensor.h"
#include "model/manifest.h"

namespace serin::engine {

Tensor noise_tensor(const model::NoiseInput& noise, std::uint64_t seed, std::size_t place);
Tensor label_tensor(const model::LabelInput& label, std::size_t index);
Tensor number_tensor(const model::NumberInput& number, double value);
// Padded on the right to maxTokens.
Tensor text_tensor(const model::TextInput& text, const std::vector<std::int64_t>& ids);
Tensor filled_tensor(const model::TensorInput& tensor, double value);

// `name` is the input's, for errors.
Result<Tensor> label_from(const model::LabelInput& label, std::string_view name,
                          const json::value& value);
Result<Tensor> number_from(const model::NumberInput& number, std::string_view name,
                           const json::value& value);
Result<Tensor> tensor_from(const model::TensorInput& tensor, std::string_view name,
                           const json::value& value);
// What base64 or a data: URL holds, at most `limit` bytes.
Result<std::string> media_bytes_from(std::string_view name, const json::value& value,
                                     std::size_t limit);
// Decoded, and made the size, channels or rate that the manifest says.
Result<Tensor> image_from(const model::ImageInput& image, std::string_view name,
                          std::string_view bytes);
Result<Tensor> audio_from(const model::AudioInput& audio, std::string_view name,
                          std::string_view bytes);

}  // namespace serin::engine
