// SPDX-License-Identifier: Apache-2.0
// PNG encoding against libpng as its manual calls it, on pictures of the kinds that models make.
// "bytes" is the size of the file: speed that costs much size would be no gain.
#include <benchmark/benchmark.h>
#include <png.h>

#include <cmath>
#include <cstdlib>

#include "media/media.h"

namespace {

using serin::media::Image;
using serin::media::ImageFormat;

// A disc with soft edges and, with `grain`, noise: smooth areas, edges and detail.
Image picture(std::int64_t side, int channels, int grain) {
  Image image{.width = side, .height = side, .channels = channels, .samples = {}};
  std::uint32_t state = 7;
  const auto middle = static_cast<double>(side) / 2;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x) {
      const double distance =
          std::hypot(static_cast<double>(x) - middle, static_cast<double>(y) - middle);
      const double light = 255 / (1 + std::exp((distance - middle * 0.7) / (0.03 * middle)));
      for (int c = 0; c < channels; ++c) {
        state = state * 1'664'525 + 1'013'904'223;
        const double noise = grain * (static_cast<double>(state >> 24) / 255 - 0.5);
        image.samples.push_back(
            static_cast<std::uint8_t>(std::clamp(light / (1 + c * 0.3) + noise, 0.0, 255.0)));
      }
    }
  return image;
}

void append(png_structp png, png_bytep data, std::size_t size) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<const char*>(data), size);
}

std::string plain_libpng(const Image& image) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  if (setjmp(png_jmpbuf(png))) std::abort();
  png_set_write_fn(png, &out, append, nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8,
               image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (std::int64_t y = 0; y < image.height; ++y)
    png_write_row(png, image.samples.data() + y * image.width * image.channels);
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  return out;
}

template <class Encode>
void run(benchmark::State& state, Encode encode_png) {
  const Image image =
      picture(state.range(0), static_cast<int>(state.range(1)), static_cast<int>(state.range(2)));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const std::string png = encode_png(image);
    bytes = png.size();
    benchmark::DoNotOptimize(png.data());
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(image.samples.size()));
}

void png_serin(benchmark::State& state) {
  run(state, [](const Image& image) { return *encode(image, ImageFormat::kPng); });
}
void png_libpng_defaults(benchmark::State& state) { run(state, plain_libpng); }

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"side", "channels", "grain"});
  for (const int side : {32, 64, 256, 512})
    for (const int channels : {1, 3})
      for (const int grain : {0, 16}) bench->Args({side, channels, grain});
}

BENCHMARK(png_serin)->Apply(sizes);
BENCHMARK(png_libpng_defaults)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
