// SPDX-License-Identifier: Apache-2.0
// Pictures of another size or number of channels.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "media/media.h"

namespace serin::media {
namespace {

// Which source samples one target sample is made of, and how much of each.
struct Contribution {
  std::int64_t first = 0;
  std::vector<float> weights;  // their sum is 1
};

// Area averaging: target sample i covers [i, i + 1)·source/target.
Contribution covering(std::int64_t i, std::int64_t source, std::int64_t target) {
  const double ratio = static_cast<double>(source) / static_cast<double>(target);
  const double begin = static_cast<double>(i) * ratio;
  const double end = std::min(begin + ratio, static_cast<double>(source));
  Contribution made{.first = static_cast<std::int64_t>(begin), .weights = {}};
  for (auto s = made.first; s < source && static_cast<double>(s) < end; ++s) {
    const double covered =
        std::min(end, static_cast<double>(s + 1)) - std::max(begin, static_cast<double>(s));
    made.weights.push_back(static_cast<float>(covered / (end - begin)));
  }
  return made;
}

// Bilinear, with sample centres at one half.
Contribution between(std::int64_t i, std::int64_t source, std::int64_t target) {
  const double at = std::clamp(
      (static_cast<double>(i) + 0.5) * static_cast<double>(source) / static_cast<double>(target) -
          0.5,
      0.0, static_cast<double>(source - 1));
  const auto first = static_cast<std::int64_t>(at);
  const auto fraction = static_cast<float>(at - static_cast<double>(first));
  if (first + 1 >= source) return {.first = first, .weights = {1.0F}};
  return {.first = first, .weights = {1.0F - fraction, fraction}};
}

std::vector<Contribution> contributions(std::int64_t source, std::int64_t target) {
  std::vector<Contribution> all(static_cast<std::size_t>(target));
  for (std::int64_t i = 0; i < target; ++i)
    all[static_cast<std::size_t>(i)] =
        target < source ? covering(i, source, target) : between(i, source, target);
  return all;
}

// Rows first: float samples of `height` × `width` × channels.
std::vector<float> resize_rows(const Image& image, std::int64_t width) {
  const auto columns = contributions(image.width, width);
  const int channels = image.channels;
  std::vector<float> out(static_cast<std::size_t>(image.height * width * channels));
  float* to = out.data();
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.samples.data() + y * image.width * channels;
    for (const Contribution& column : columns)
      for (int c = 0; c < channels; ++c) {
        float sum = 0;
        const std::uint8_t* from = row + column.first * channels + c;
        for (const float weight : column.weights) {
          sum += weight * static_cast<float>(*from);
          from += channels;
        }
        *to++ = sum;
      }
  }
  return out;
}

std::uint8_t rounded(float value) {
  return static_cast<std::uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F));
}

// Rec. 601 luma in 16-bit fixed point: grey stays as it is.
std::uint8_t luma(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
}

std::uint8_t over_white(std::uint8_t value, std::uint8_t alpha) {
  return static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

// One pixel as opaque RGB.
void read_rgb(const std::uint8_t* from, int channels, std::uint8_t* rgb) {
  for (int c = 0; c < 3; ++c) {
    rgb[c] = from[channels == 1 ? 0 : c];
    if (channels == 4) rgb[c] = over_white(rgb[c], from[3]);
  }
}

}  // namespace

Image resize(const Image& image, std::int64_t width, std::int64_t height) {
  SERIN_CHECK(width > 0 && height > 0 && image.width > 0 && image.height > 0);
  if (width == image.width && height == image.height) return image;
  const std::vector<float> rows = resize_rows(image, width);
  const std::int64_t stride = width * image.channels;
  Image out{.width = width, .height = height, .channels = image.channels, .samples = {}};
  out.samples.resize(static_cast<std::size_t>(stride * height));
  std::vector<float> sums(static_cast<std::size_t>(stride));
  std::uint8_t* to = out.samples.data();
  for (const Contribution& row : contributions(image.height, height)) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    const float* from = rows.data() + row.first * stride;
    for (const float weight : row.weights)
      for (float& sum : sums) sum += weight * *from++;
    to = std::transform(sums.begin(), sums.end(), to, rounded);
  }
  return out;
}

Image convert_channels(const Image& image, int channels) {
  SERIN_CHECK(channels == 1 || channels == 3 || channels == 4);
  if (channels == image.channels) return image;
  Image out{.width = image.width, .height = image.height, .channels = channels, .samples = {}};
  out.samples.resize(static_cast<std::size_t>(image.width * image.height * channels));
  std::uint8_t* to = out.samples.data();
  const std::uint8_t* const end = image.samples.data() + image.samples.size();
  for (const std::uint8_t* from = image.samples.data(); from != end; from += image.channels) {
    std::uint8_t rgb[3];
    read_rgb(from, image.channels, rgb);
    if (channels == 1) {
      *to++ = luma(rgb);
      continue;
    }
    to = std::copy_n(rgb, 3, to);
    if (channels == 4) *to++ = 255;
  }
  return out;
}

}  // namespace serin::media
