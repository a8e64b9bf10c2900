// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "rollout/score/ramp.h"
#include "rollout/score/score.h"

namespace serin::rollout {
namespace {

constexpr std::size_t kMostFrames = 64;
constexpr double kFullScale = 0.999;
// Neighbours that differ by less are equal: half a step of 8 bits.
constexpr double kEqual = 1.0 / 512;

template <class T>
double element(std::span<const std::byte> bytes, std::size_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

// Values of any dtype, one by one: a copy of a whole clip as float32 would be large.
class Values {
 public:
  explicit Values(const Tensor& tensor) : dtype_(tensor.dtype()), bytes_(tensor.bytes()) {}

  std::size_t size() const { return bytes_.size() / size_of(dtype_); }
  double operator[](std::size_t i) const {
    switch (dtype_) {
      case DType::kBool:
      case DType::kUInt8:
        return element<std::uint8_t>(bytes_, i);
      case DType::kInt8:
        return element<std::int8_t>(bytes_, i);
      case DType::kInt16:
        return element<std::int16_t>(bytes_, i);
      case DType::kInt32:
        return element<std::int32_t>(bytes_, i);
      case DType::kInt64:
        return element<std::int64_t>(bytes_, i);
      case DType::kFloat16:
        return float_of_half(half(i));
      case DType::kBFloat16:
        return float_of_bfloat16(half(i));
      case DType::kFloat32:
        return element<float>(bytes_, i);
      case DType::kFloat64:
        return element<double>(bytes_, i);
    }
    return 0;
  }
  // What sound of this type has as full scale.
  double full_scale() const {
    return dtype_ == DType::kInt16 ? 32768.0 : dtype_ == DType::kInt32 ? 0x1p31 : 1.0;
  }

 private:
  std::uint16_t half(std::size_t i) const {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes_.data() + i * 2, 2);
    return bits;
  }

  DType dtype_;
  std::span<const std::byte> bytes_;
};

// Every how manieth value is looked at, so that they are at most `most`.
std::size_t stride(std::size_t count, std::size_t most) { return count / most + 1; }

// Of `count` values from `begin` on.
double picture(const Values& values, std::size_t begin, std::size_t count, std::size_t most,
               double low, double high) {
  const double scale = 1 / (high - low);
  const std::size_t step = stride(count, most);
  double sum = 0;
  double squares = 0;
  std::size_t seen = 0;
  std::size_t equal = 0;
  for (std::size_t i = 0; i + 1 < count; i += step) {
    const double value = (values[begin + i] - low) * scale;
    const double next = (values[begin + i + 1] - low) * scale;
    if (!std::isfinite(value) || !std::isfinite(next)) return 0;
    const double shown = std::clamp(value, 0.0, 1.0);
    sum += shown;
    squares += shown * shown;
    equal += std::abs(std::clamp(next, 0.0, 1.0) - shown) < kEqual ? 1 : 0;
    ++seen;
  }
  if (seen == 0) return 0;
  const auto all = static_cast<double>(seen);
  const double deviation = std::sqrt(std::max(0.0, squares / all - sum / all * (sum / all)));
  return ramp(deviation, 0.005, 0.02) * ramp(static_cast<double>(equal) / all, 1, 0.995);
}

// The mean change between two frames.
double change(const Values& values, std::size_t first, std::size_t second, std::size_t count,
              std::size_t most, double scale) {
  const std::size_t step = stride(count, most);
  double sum = 0;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < count; i += step, ++seen)
    sum += std::abs(values[second + i] - values[first + i]) * scale;
  return seen == 0 ? 0 : sum / static_cast<double>(seen);
}

}  // namespace

double image_form(const Tensor& image, double low, double high) {
  const Values values(image);
  return picture(values, 0, values.size(), kMostValues, low, high);
}

double video_form(const Tensor& video, double low, double high) {
  if (video.shape().empty() || video.shape()[0] <= 0) return 0;
  const Values values(video);
  const auto frames = static_cast<std::size_t>(video.shape()[0]);
  const std::size_t frame = values.size() / frames;
  const std::size_t step = stride(frames, kMostFrames);
  const std::size_t most = kMostValues / kMostFrames;
  double form = 0;
  double changes = 0;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < frames; i += step, ++seen) {
    form += picture(values, i * frame, frame, most, low, high);
    if (i + 1 < frames)
      changes += change(values, i * frame, (i + 1) * frame, frame, most, 1 / (high - low));
  }
  form /= static_cast<double>(seen);
  if (frames == 1) return form;
  const std::size_t compared = (frames - 1) % step == 0 ? seen - 1 : seen;
  return form *
         ramp(changes / static_cast<double>(std::max<std::size_t>(1, compared)), 0.0002, 0.002);
}

double audio_form(const Tensor& audio) {
  const Values values(audio);
  const double scale = 1 / values.full_scale();
  const std::size_t step = stride(values.size(), kMostValues);
  double sum = 0;
  double squares = 0;
  std::size_t clipped = 0;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < values.size(); i += step, ++seen) {
    const double value = values[i] * scale;
    if (!std::isfinite(value)) return 0;
    sum += value;
    squares += value * value;
    clipped += std::abs(value) >= kFullScale ? 1 : 0;
  }
  if (seen == 0) return 0;
  const auto all = static_cast<double>(seen);
  const double loudness = std::sqrt(squares / all);
  if (loudness == 0) return 0;
  return ramp(std::log10(loudness), -4, -3) * ramp(static_cast<double>(clipped) / all, 0.2, 0.01) *
         ramp(std::abs(sum / all) / loudness, 0.8, 0.2);
}

}  // namespace serin::rollout
