// SPDX-License-Identifier: Apache-2.0
// JPEG through libjpeg-turbo, whose errors leave by longjmp: the frames that it leaves hold nothing
// with a destructor.
#include <cstddef>
#include <cstdio>
// jpeglib.h needs the two above.
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdlib>

#include "media/codecs.h"

namespace serin::media {
namespace {

constexpr std::int64_t kMaxJpegSide = JPEG_MAX_DIMENSION;
constexpr int kMaxScans = 200;  // a progressive file may repeat its scans without end

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void leave(j_common_ptr codec) {
  auto* manager = reinterpret_cast<ErrorManager*>(codec->err);
  manager->base.format_message(codec, manager->message);
  std::longjmp(manager->back, 1);
}

// libjpeg fills in what is missing and goes on; a picture that ends early is damaged.
void on_message(j_common_ptr codec, int level) {
  const int code = codec->err->msg_code;
  if (level == -1 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) leave(codec);
}

void on_progress(j_common_ptr codec) {
  if (codec->is_decompressor == FALSE) return;
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= kMaxScans) return;
  codec->err->msg_code = JERR_BAD_PROGRESSION;
  leave(codec);
}

void prepare(ErrorManager& manager) {
  jpeg_std_error(&manager.base);
  manager.base.error_exit = leave;
  manager.base.emit_message = on_message;
}

// Frames with setjmp hold plain values only.
bool write_jpeg(jpeg_compress_struct& codec, ErrorManager& manager, const Image& image, int quality,
                unsigned char** out, unsigned long* size) {
  if (setjmp(manager.back)) return false;
  jpeg_create_compress(&codec);
  jpeg_mem_dest(&codec, out, size);
  codec.image_width = static_cast<JDIMENSION>(image.width);
  codec.image_height = static_cast<JDIMENSION>(image.height);
  codec.input_components = image.channels;
  codec.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, quality, TRUE);
  jpeg_start_compress(&codec, TRUE);
  const auto row = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  while (codec.next_scanline < codec.image_height) {
    auto* line = const_cast<JSAMPROW>(image.samples.data() + codec.next_scanline * row);
    jpeg_write_scanlines(&codec, &line, 1);
  }
  jpeg_finish_compress(&codec);
  return true;
}

bool read_header(jpeg_decompress_struct& codec, ErrorManager& manager, std::string_view bytes) {
  if (setjmp(manager.back)) return false;
  jpeg_create_decompress(&codec);
  jpeg_mem_src(&codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&codec, TRUE);
  return true;
}

bool read_pixels(jpeg_decompress_struct& codec, ErrorManager& manager, Image& image) {
  if (setjmp(manager.back)) return false;
  codec.out_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&codec);
  const auto row = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  while (codec.output_scanline < codec.output_height) {
    JSAMPROW line = image.samples.data() + codec.output_scanline * row;
    jpeg_read_scanlines(&codec, &line, 1);
  }
  jpeg_finish_decompress(&codec);
  return true;
}

Result<Image> read_jpeg(jpeg_decompress_struct& codec, ErrorManager& manager,
                        std::string_view bytes, const DecodeLimits& limits) {
  const auto failed = [&manager] {
    return invalid(std::string("the JPEG cannot be read: ") + manager.message);
  };
  if (!read_header(codec, manager, bytes)) return failed();
  SERIN_TRY(check_pixels("the JPEG", codec.image_width, codec.image_height, limits));
  if (codec.num_components != 1 && codec.num_components != 3)
    return invalid("the JPEG has " + std::to_string(codec.num_components) +
                   " components (CMYK, perhaps); save it as RGB or grey");
  Image image{.width = codec.image_width,
              .height = codec.image_height,
              .channels = codec.num_components,
              .samples = {}};
  image.samples.resize(static_cast<std::size_t>(image.width * image.height * image.channels));
  jpeg_progress_mgr progress{};
  progress.progress_monitor = on_progress;
  codec.progress = &progress;
  if (!read_pixels(codec, manager, image)) return failed();
  return image;
}

}  // namespace

Result<std::string> encode_jpeg(const Image& image, int quality) {
  if (image.width > kMaxJpegSide || image.height > kMaxJpegSide)
    return invalid("a JPEG picture has at most " + std::to_string(kMaxJpegSide) + " pixels a side");
  if (image.channels == 4) return encode_jpeg(convert_channels(image, 3), quality);
  jpeg_compress_struct codec{};
  ErrorManager manager{};
  prepare(manager);
  codec.err = &manager.base;
  unsigned char* out = nullptr;
  unsigned long size = 0;
  const bool written = write_jpeg(codec, manager, image, quality, &out, &size);
  jpeg_destroy_compress(&codec);
  std::string bytes =
      written ? std::string(reinterpret_cast<const char*>(out), size) : std::string();
  std::free(out);
  if (!written)
    return fail(Code::kInternal, std::string("cannot write the JPEG: ") + manager.message);
  return bytes;
}

Result<Image> decode_jpeg(std::string_view bytes, const DecodeLimits& limits) {
  jpeg_decompress_struct codec{};
  ErrorManager manager{};
  prepare(manager);
  codec.err = &manager.base;
  auto image = read_jpeg(codec, manager, bytes, limits);
  jpeg_destroy_decompress(&codec);
  return image;
}

}  // namespace serin::media
