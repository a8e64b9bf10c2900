// SPDX-License-Identifier: Apache-2.0
#include "media/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace serin::media {
namespace {

constexpr std::int64_t kMaxSide = 65'535;
constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;

// One picture's place in a tensor: its size and how far apart, in elements, neighbours stand.
struct Planes {
  std::int64_t channels = 1, height = 0, width = 0;
  std::int64_t channel_stride = 0, row_stride = 0, column_stride = 0;
};

std::string described(const Tensor& tensor, std::string_view layout) {
  return "a result of shape " + to_string(tensor.shape()) + " is not " + std::string(layout);
}

Result<Planes> planes_of(const Tensor& tensor, std::string_view layout,
                         std::span<const std::int64_t> shape) {
  if (shape.size() != layout.size()) return invalid(described(tensor, layout));
  Planes planes;
  std::int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
    switch (layout[i]) {
      case 'C':
        planes.channels = shape[i], planes.channel_stride = stride;
        break;
      case 'H':
        planes.height = shape[i], planes.row_stride = stride;
        break;
      case 'W':
        planes.width = shape[i], planes.column_stride = stride;
        break;
      default:
        return invalid("unknown layout '" + std::string(layout) + "'");
    }
  }
  if (planes.channels != 1 && planes.channels != 3 && planes.channels != 4)
    return invalid(described(tensor, layout) + " with 1, 3 or 4 channels");
  if (planes.height < 1 || planes.width < 1 || planes.height > kMaxSide ||
      planes.width > kMaxSide || planes.height * planes.width > kMaxPixels)
    return invalid(described(tensor, layout) + " with sides between 1 and " +
                   std::to_string(kMaxSide));
  return planes;
}

bool known(std::string_view layout, std::initializer_list<std::string_view> layouts) {
  return std::ranges::find(layouts, layout) != layouts.end();
}

Status check_range(const PixelForm& form) {
  if (!std::isfinite(form.low) || !std::isfinite(form.high) || form.low == form.high)
    return invalid("a value range has two different finite ends");
  return {};
}

// float32 without a copy where it is that already.
class Floats {
 public:
  explicit Floats(const Tensor& tensor)
      : tensor_(tensor.dtype() == DType::kFloat32 ? tensor : tensor.to_float32()) {}
  std::span<const float> values() const { return tensor_.values<float>(); }

 private:
  Tensor tensor_;
};

// All finite; one pass that the compiler turns into vector instructions.
bool all_finite(std::span<const float> values) {
  bool good = true;
  for (const float value : values) good &= std::abs(value) <= std::numeric_limits<float>::max();
  return good;
}

Status check_finite(std::span<const float> values) {
  if (all_finite(values)) return {};
  return fail(Code::kDataLoss, "the model gave a value that is not finite");
}

Image image_from(const float* from, const Planes& planes, const PixelForm& form) {
  const auto scale = static_cast<float>(255.0 / (form.high - form.low));
  const auto low = static_cast<float>(form.low);
  Image image{.width = planes.width,
              .height = planes.height,
              .channels = static_cast<int>(planes.channels),
              .samples = {}};
  image.samples.resize(static_cast<std::size_t>(planes.width * planes.height * planes.channels));
  for (std::int64_t c = 0; c < planes.channels; ++c)
    for (std::int64_t y = 0; y < planes.height; ++y) {
      const float* row = from + c * planes.channel_stride + y * planes.row_stride;
      std::uint8_t* to = image.samples.data() + y * planes.width * planes.channels + c;
      for (std::int64_t x = 0; x < planes.width; ++x) {
        const float value = (row[x * planes.column_stride] - low) * scale;
        to[x * planes.channels] = static_cast<std::uint8_t>(std::clamp(value, 0.0F, 255.0F) + 0.5F);
      }
    }
  return image;
}

}  // namespace

Result<Image> to_image(const Tensor& tensor, const PixelForm& form) {
  if (!known(form.layout, {"CHW", "HWC", "HW"}))
    return invalid("a picture's layout is CHW, HWC or HW, not '" + form.layout + "'");
  SERIN_TRY(check_range(form));
  SERIN_TRY_ASSIGN(const Planes planes, planes_of(tensor, form.layout, tensor.shape()));
  const Floats floats(tensor);
  SERIN_TRY(check_finite(floats.values()));
  return image_from(floats.values().data(), planes, form);
}

Result<Video> to_video(const Tensor& tensor, const PixelForm& form, double frame_rate) {
  if (!known(form.layout, {"TCHW", "THWC", "THW"}))
    return invalid("a video's layout is TCHW, THWC or THW, not '" + form.layout + "'");
  SERIN_TRY(check_range(form));
  if (!(frame_rate > 0) || !std::isfinite(frame_rate))
    return invalid("a video's frame rate is above 0");
  if (tensor.shape().empty() || tensor.shape()[0] < 1)
    return invalid(described(tensor, form.layout) + " with a frame");
  const auto frames = tensor.shape()[0];
  SERIN_TRY_ASSIGN(const Planes planes, planes_of(tensor, std::string_view(form.layout).substr(1),
                                                  std::span(tensor.shape()).subspan(1)));
  if (planes.channels == 4) return invalid("a video has 1 or 3 channels, not 4");
  const Floats floats(tensor);
  SERIN_TRY(check_finite(floats.values()));
  Video video{.frame_rate = frame_rate, .frames = {}};
  video.frames.reserve(static_cast<std::size_t>(frames));
  const std::int64_t step = planes.channels * planes.height * planes.width;
  for (std::int64_t i = 0; i < frames; ++i)
    video.frames.push_back(image_from(floats.values().data() + i * step, planes, form));
  return video;
}

Result<Audio> to_audio(const Tensor& tensor, std::string_view layout, std::int64_t sample_rate) {
  if (!known(layout, {"T", "CT"}))
    return invalid("a sound's layout is T or CT, not '" + std::string(layout) + "'");
  if (sample_rate < 1) return invalid("a sample rate is above 0");
  const Shape& shape = tensor.shape();
  if (shape.size() != layout.size()) return invalid(described(tensor, layout));
  const std::int64_t channels = layout == "CT" ? shape[0] : 1;
  const std::int64_t frames = shape.back();
  if (channels < 1 || channels > 2 || frames < 1)
    return invalid(described(tensor, layout) + " with 1 or 2 channels and a sample");
  const Floats floats(tensor);
  const std::span<const float> values = floats.values();
  SERIN_TRY(check_finite(values));
  Audio audio{.sample_rate = sample_rate, .channels = static_cast<int>(channels), .samples = {}};
  audio.samples.resize(values.size());
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < frames; ++i)
      audio.samples[static_cast<std::size_t>(i * channels + c)] =
          std::clamp(values[static_cast<std::size_t>(c * frames + i)], -1.0F, 1.0F);
  return audio;
}

Tensor from_image(const Image& image, const PixelForm& form) {
  SERIN_CHECK(known(form.layout, {"CHW", "HWC", "HW"}));
  if (form.layout == "HW" && image.channels != 1)
    return from_image(convert_channels(image, 1), form);
  const std::int64_t channels = image.channels, height = image.height, width = image.width;
  Shape shape =
      form.layout == "CHW" ? Shape{channels, height, width} : Shape{height, width, channels};
  if (form.layout == "HW") shape = {height, width};
  std::array<float, 256> value;
  for (std::size_t i = 0; i < value.size(); ++i)
    value[i] =
        static_cast<float>(form.low + (form.high - form.low) * static_cast<double>(i) / 255.0);
  Tensor tensor(DType::kFloat32, std::move(shape));
  float* to = tensor.mutable_values<float>().data();
  if (form.layout != "CHW") {
    for (const std::uint8_t sample : image.samples) *to++ = value[sample];
    return tensor;
  }
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t i = 0; i < height * width; ++i)
      *to++ = value[image.samples[static_cast<std::size_t>(i * channels + c)]];
  return tensor;
}

Tensor from_audio(const Audio& audio) {
  const auto channels = static_cast<std::size_t>(audio.channels);
  const std::size_t frames = audio.samples.size() / channels;
  Tensor tensor(DType::kFloat32, {audio.channels, static_cast<std::int64_t>(frames)});
  float* to = tensor.mutable_values<float>().data();
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < frames; ++i) *to++ = audio.samples[i * channels + c];
  return tensor;
}

}  // namespace serin::media
