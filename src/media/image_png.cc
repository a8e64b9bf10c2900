// SPDX-License-Identifier: Apache-2.0
// PNG through libpng. Writing is on the path of every generated picture: bench/media_bench.cc
// measures the choices.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "media/codecs.h"

namespace serin::media {
namespace {

constexpr int kDefaultStrategy = 0, kRunLengths = 3;  // zlib's Z_DEFAULT_STRATEGY and Z_RLE

// What C callbacks see. Lives in the caller's frame, outside the one that longjmp leaves.
struct Sink {
  std::string bytes;
  char message[128] = "";
};

void on_error(png_structp png, png_const_charp message) {
  auto* sink = static_cast<Sink*>(png_get_error_ptr(png));
  std::strncpy(sink->message, message, sizeof sink->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_write(png_structp png, png_bytep data, std::size_t size) {
  static_cast<Sink*>(png_get_io_ptr(png))->bytes.append(reinterpret_cast<const char*>(data), size);
}

int color_type(int channels) {
  if (channels == 1) return PNG_COLOR_TYPE_GRAY;
  return channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGBA;
}

// Measured (bench/media_bench.cc): small pictures gain nothing from filters; on large ones with any
// grain run lengths over Sub-filtered rows take half the time of the fastest search for matches,
// and fewer bytes.
void choose_effort(png_structp png, std::size_t raw_bytes) {
  constexpr std::size_t kSmallBytes = 16 * 1024;
  const bool small = raw_bytes <= kSmallBytes;
  png_set_filter(png, PNG_FILTER_TYPE_BASE, small ? PNG_FILTER_NONE : PNG_FILTER_SUB);
  png_set_compression_strategy(png, small ? kDefaultStrategy : kRunLengths);
  png_set_compression_level(png, 1);
}

// Nothing in this frame has a destructor: longjmp comes back to it.
bool write_png(png_structp png, png_infop info, const Image& image) {
  if (setjmp(png_jmpbuf(png))) return false;
  const auto row = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), 8, color_type(image.channels),
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  choose_effort(png, image.samples.size());
  png_write_info(png, info);
  for (std::int64_t y = 0; y < image.height; ++y)
    png_write_row(png, image.samples.data() + static_cast<std::size_t>(y) * row);
  png_write_end(png, nullptr);
  return true;
}

// The channels in which a picture of this simplified format is read.
int channels_of(png_uint_32 format) {
  if ((format & PNG_FORMAT_FLAG_ALPHA) != 0) return 4;
  return (format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
}

png_uint_32 format_of(int channels) {
  if (channels == 1) return PNG_FORMAT_GRAY;
  return channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
}

}  // namespace

Result<std::string> encode_png(const Image& image) {
  Sink sink;
  sink.bytes.reserve(image.samples.size() / 2 + 256);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &sink, on_error, on_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  if (info == nullptr) {
    png_destroy_write_struct(&png, nullptr);
    return fail(Code::kResourceExhausted, "no memory for a PNG encoder");
  }
  png_set_write_fn(png, &sink, on_write, nullptr);
  const bool written = write_png(png, info, image);
  png_destroy_write_struct(&png, &info);
  if (!written) return fail(Code::kInternal, std::string("cannot write the PNG: ") + sink.message);
  return std::move(sink.bytes);
}

Result<Image> decode_png(std::string_view bytes, const DecodeLimits& limits) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  const auto failed = [&header] {
    png_image_free(&header);
    return invalid(std::string("the PNG cannot be read: ") + header.message);
  };
  if (png_image_begin_read_from_memory(&header, bytes.data(), bytes.size()) == 0) return failed();
  if (const auto fits = check_pixels("the PNG", header.width, header.height, limits); !fits) {
    png_image_free(&header);
    return fail(fits.error());
  }
  Image image{.width = header.width,
              .height = header.height,
              .channels = channels_of(header.format),
              .samples = {}};
  header.format = format_of(image.channels);
  image.samples.resize(PNG_IMAGE_SIZE(header));
  if (png_image_finish_read(&header, nullptr, image.samples.data(), 0, nullptr) == 0)
    return failed();
  return image;
}

}  // namespace serin::media
