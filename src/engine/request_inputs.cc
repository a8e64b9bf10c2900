// SPDX-License-Identifier: Apache-2.0
#include "engine/request_inputs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/base64.h"
#include "base/words.h"
#include "engine/dtypes.h"
#include "engine/random.h"
#include "engine/request_errors.h"
#include "media/convert.h"
#include "media/media.h"
#include "model/manifest_reader.h"

namespace serin::engine {
namespace {

std::string kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

std::string range_text(const model::NumberInput& number) {
  std::string text = number.integer ? "an integer" : "a number";
  if (number.min) text += " from " + shown(*number.min);
  if (number.max) text += (number.min ? " to " : " up to ") + shown(*number.max);
  return text;
}

// Reads nested arrays into `tensor`, in row-major order.
class NestedReader {
 public:
  NestedReader(const model::TensorInput& spec, std::string_view name)
      : spec_(spec), name_(name), tensor_(spec.dtype, spec.shape) {}

  Result<Tensor> read(const json::value& value) {
    SERIN_TRY(level(value, 0));
    return std::move(tensor_);
  }

 private:
  Status level(const json::value& value, std::size_t depth) {
    if (depth == spec_.shape.size()) return element(value);
    if (!value.is_array()) {
      return wrong_type(name_, "must be nested arrays of the shape " +
                                   serin::to_string(spec_.shape) + ", but at depth " +
                                   std::to_string(depth) + " there is " + kind_of(value));
    }
    const auto& items = value.get_array();
    if (static_cast<std::int64_t>(items.size()) != spec_.shape[depth]) {
      return wrong_value(name_, "must have the shape " + serin::to_string(spec_.shape) +
                                    ", but an array at depth " + std::to_string(depth) + " has " +
                                    std::to_string(items.size()) +
                                    (items.size() == 1 ? " item" : " items"));
    }
    for (const auto& item : items) SERIN_TRY(level(item, depth + 1));
    return {};
  }

  Status element(const json::value& value) {
    double number = 0;
    if (value.is_bool()) {
      number = value.get_bool() ? 1 : 0;
    } else if (value.is_int64() && spec_.dtype == DType::kInt64) {
      tensor_.mutable_values<std::int64_t>()[next_++] =
          value.get_int64();  // beyond a double's 53 bits
      return {};
    } else if (value.is_number()) {
      number = value.to_number<double>();
    } else {
      return wrong_type(name_, "must hold numbers, not " + kind_of(value));
    }
    if (!fits(number, spec_.dtype)) {
      return wrong_value(name_,
                         shown(number) + " does not fit " + std::string(name_of(spec_.dtype)));
    }
    store(tensor_, next_++, number);
    return {};
  }

  const model::TensorInput& spec_;
  std::string_view name_;
  Tensor tensor_;
  std::size_t next_ = 0;
};

}  // namespace

Tensor noise_tensor(const model::NoiseInput& noise, std::uint64_t seed, std::size_t place) {
  Tensor made(DType::kFloat32, noise.shape);
  const std::uint32_t stream = kNoiseStream + static_cast<std::uint32_t>(place);
  if (noise.distribution == model::NoiseInput::Distribution::kNormal) {
    fill_normal(seed, stream, made.mutable_values<float>());
  } else {
    fill_uniform(seed, stream, made.mutable_values<float>());
  }
  return made;
}

Tensor label_tensor(const model::LabelInput& label, std::size_t index) {
  if (label.one_hot) {
    Tensor made(DType::kFloat32, {static_cast<std::int64_t>(label.labels.size())});
    made.mutable_values<float>()[index] = 1;
    return made;
  }
  Tensor made(DType::kInt64, {});
  made.mutable_values<std::int64_t>()[0] = static_cast<std::int64_t>(index);
  return made;
}

Tensor number_tensor(const model::NumberInput& number, double value) {
  Tensor made(number.integer ? DType::kInt64 : DType::kFloat64, {});
  store(made, 0, value);
  return made;
}

Tensor text_tensor(const model::TextInput& text, const std::vector<std::int64_t>& ids) {
  Tensor made(DType::kInt64, {text.max_tokens});
  auto values = made.mutable_values<std::int64_t>();
  std::ranges::fill(values, text.pad_token);
  std::copy_n(ids.begin(), std::min(ids.size(), values.size()), values.begin());
  return made;
}

Tensor filled_tensor(const model::TensorInput& tensor, double value) {
  Tensor made(tensor.dtype, tensor.shape);
  for (std::int64_t i = 0; i < made.elements(); ++i)
    store(made, static_cast<std::size_t>(i), value);
  return made;
}

Result<Tensor> label_from(const model::LabelInput& label, std::string_view name,
                          const json::value& value) {
  if (!value.is_string()) {
    return wrong_type(name, "must be a string, one of the labels, not " + kind_of(value));
  }
  const std::string_view given = value.get_string();
  const auto found = std::ranges::find(label.labels, given);
  if (found != label.labels.end()) {
    return label_tensor(label, static_cast<std::size_t>(found - label.labels.begin()));
  }
  std::vector<std::string_view> known(label.labels.begin(), label.labels.end());
  std::string message = shown(given) + " is not one of the labels";
  if (const auto meant = nearest(given, known); !meant.empty()) {
    message += "; did you mean " + shown(meant) + "?";
  } else if (known.size() <= 40) {
    message += "; must be " + either(known);
  }
  return wrong_value(name, std::move(message));
}

Result<Tensor> number_from(const model::NumberInput& number, std::string_view name,
                           const json::value& value) {
  if (!value.is_number()) {
    return wrong_type(name, "must be " + range_text(number) + ", not " + kind_of(value));
  }
  const double given = value.to_number<double>();
  const bool whole = std::trunc(given) == given && std::abs(given) <= 0x1p53;
  if (!std::isfinite(given) || (number.integer && !whole) || (number.min && given < *number.min) ||
      (number.max && given > *number.max)) {
    return wrong_value(name, "must be " + range_text(number) + ", not " + shown(given));
  }
  return number_tensor(number, given);
}

Result<Tensor> tensor_from(const model::TensorInput& tensor, std::string_view name,
                           const json::value& value) {
  return NestedReader(tensor, name).read(value);
}

Result<std::string> media_bytes_from(std::string_view name, const json::value& value,
                                     std::size_t limit) {
  if (!value.is_string()) {
    return wrong_type(name, "must be base64 or a data: URL in a string, not " + kind_of(value));
  }
  std::string_view text = value.get_string();
  if (text.starts_with("http://") || text.starts_with("https://")) {
    return wrong_value(name, "addresses are not fetched; send base64 or a data: URL");
  }
  if (text.starts_with("data:")) {
    const std::size_t comma = text.find(',');
    if (comma == std::string_view::npos || !text.substr(0, comma).ends_with(";base64")) {
      return wrong_value(name, "a data: URL must be of the form data:image/png;base64,…");
    }
    text.remove_prefix(comma + 1);
  }
  if (text.size() / 4 * 3 > limit + 2) {
    return refuse("media_above_max_size", name,
                  "must be at most " + std::to_string(limit) + " bytes, but holds about " +
                      std::to_string(text.size() / 4 * 3));
  }
  auto bytes = from_base64(text);
  if (!bytes) return wrong_value(name, bytes.error().message);
  return *std::move(bytes);
}

Result<Tensor> image_from(const model::ImageInput& image, std::string_view name,
                          std::string_view bytes) {
  auto decoded = media::decode_image(bytes);
  if (!decoded) return wrong_value(name, decoded.error().message);
  media::Image made = media::convert_channels(*decoded, static_cast<int>(image.channels));
  if (made.width != image.width || made.height != image.height) {
    made = media::resize(made, image.width, image.height);
  }
  const media::PixelForm form{std::string(model::name_of(image.layout)), image.range.low,
                              image.range.high};
  return media::from_image(made, form);
}

Result<Tensor> audio_from(const model::AudioInput& audio, std::string_view name,
                          std::string_view bytes) {
  auto decoded = media::decode_audio(bytes);
  if (!decoded) return wrong_value(name, decoded.error().message);
  const double frames =
      static_cast<double>(decoded->samples.size()) / std::max(1, decoded->channels);
  const double seconds =
      frames / static_cast<double>(std::max<std::int64_t>(1, decoded->sample_rate));
  if (seconds > audio.max_seconds) {
    return wrong_value(
        name, "must last at most " + shown(audio.max_seconds) + " seconds, not " + shown(seconds));
  }
  SERIN_TRY_ASSIGN(const auto resampled,
                   media::resample(*decoded, audio.sample_rate, static_cast<int>(audio.channels)));
  const Tensor sound = media::from_audio(resampled);
  // Silence to the length that the model takes.
  const std::int64_t length =
      std::llround(static_cast<double>(audio.sample_rate) * audio.max_seconds);
  Tensor made(DType::kFloat32, {audio.channels, length});
  const std::int64_t samples = std::min(sound.shape().at(1), length);
  for (std::int64_t c = 0; c < audio.channels; ++c) {
    const auto from = sound.values<float>().subspan(static_cast<std::size_t>(c * sound.shape()[1]));
    const auto to = made.mutable_values<float>().subspan(static_cast<std::size_t>(c * length));
    std::copy_n(from.begin(), samples, to.begin());
  }
  return made;
}

}  // namespace serin::engine
