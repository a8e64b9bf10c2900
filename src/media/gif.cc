// SPDX-License-Identifier: Apache-2.0
// GIF89a (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), animated and looping, with one palette
// for all frames: exact where the video has at most 256 colours (every grey one does), median cut
// otherwise.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "media/codecs.h"
#include "media/palette.h"

namespace serin::media {
namespace {

constexpr double kMaxShownRate = 50;  // browsers slow a delay of 1/100 s down to 1/10 s
constexpr int kMaxCode = 4095;

// Codes of growing width, least significant bit first, in blocks of at most 255 bytes.
class CodeWriter {
 public:
  explicit CodeWriter(std::string& out) : out_(out) {}
  void put(int code, int width) {
    bits_ |= static_cast<std::uint32_t>(code) << held_;
    held_ += width;
    for (; held_ >= 8; held_ -= 8, bits_ >>= 8) put_byte(static_cast<char>(bits_));
  }
  void finish() {
    if (held_ > 0) put_byte(static_cast<char>(bits_));
    end_block();
    out_.push_back(0);
  }

 private:
  void put_byte(char byte) {
    block_.push_back(byte);
    if (block_.size() == 255) end_block();
  }
  void end_block() {
    if (block_.empty()) return;
    out_.push_back(static_cast<char>(block_.size()));
    out_ += block_;
    block_.clear();
  }

  std::string& out_;
  std::string block_;
  std::uint32_t bits_ = 0;
  int held_ = 0;
};

// LZW as Appendix F has it. The table is a tree: children_[prefix · 256 + next] is a code, 0 for
// none.
class Lzw {
 public:
  void compress(const std::vector<std::uint8_t>& indices, int depth, std::string& out) {
    out.push_back(static_cast<char>(depth));
    CodeWriter codes(out);
    const int clear = 1 << depth;
    int width = depth + 1, next = clear + 2, prefix = indices[0];
    reset();
    codes.put(clear, width);
    for (std::size_t i = 1; i < indices.size(); ++i) {
      std::uint16_t& child = children_[static_cast<std::size_t>(prefix) * 256 + indices[i]];
      if (child != 0) {
        prefix = child;
        continue;
      }
      codes.put(prefix, width);
      prefix = indices[i];
      if (next > kMaxCode) {
        codes.put(clear, width);
        reset();
        width = depth + 1;
        next = clear + 2;
        continue;
      }
      child = static_cast<std::uint16_t>(next);
      used_.push_back(&child);
      if (next++ == 1 << width) ++width;  // a decoder's table lags by one entry
    }
    codes.put(prefix, width);
    codes.put(clear + 1, width);
    codes.finish();
  }

 private:
  // Only what was written: the table is large, a small picture's entries are few.
  void reset() {
    for (std::uint16_t* child : used_) *child = 0;
    used_.clear();
  }
  std::vector<std::uint16_t> children_ = std::vector<std::uint16_t>((kMaxCode + 1) * 256);
  std::vector<std::uint16_t*> used_;
};

void put16(std::string& out, std::int64_t value) {
  out.push_back(static_cast<char>(value));
  out.push_back(static_cast<char>(value >> 8));
}

int bits_for(std::size_t colors) {
  int bits = 1;
  while ((std::size_t{1} << bits) < colors) ++bits;
  return bits;
}

void put_header(std::string& out, const Image& first, const Palette& palette, int bits,
                bool animated) {
  out = "GIF89a";
  put16(out, first.width);
  put16(out, first.height);
  out.push_back(static_cast<char>(
      0x80 | 0x70 | (bits - 1)));  // a global table of 2^bits colours, from 8-bit samples
  out.append(2, '\0');
  for (const Color& color : palette.colors)
    out.append(
        {static_cast<char>(color.r), static_cast<char>(color.g), static_cast<char>(color.b)});
  out.append(3 * ((std::size_t{1} << bits) - palette.colors.size()), '\0');
  if (animated) out.append("\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0", 19);  // loop for ever
}

void put_frame_header(std::string& out, const Image& frame, std::int64_t hundredths) {
  out.append("\x21\xF9\x04\x04", 4);  // leave the frame in place
  put16(out, hundredths);
  out.append(2, '\0');
  out.push_back(0x2C);
  put16(out, 0);
  put16(out, 0);
  put16(out, frame.width);
  put16(out, frame.height);
  out.push_back(0);
}

// When frame `i` of the shown ones begins, in hundredths of a second, so that rounding never adds
// up.
std::int64_t begins(std::size_t i, double rate) {
  return std::llround(static_cast<double>(i) * 100.0 / rate);
}

}  // namespace

Result<std::string> encode_gif(const Video& video) {
  const double rate = std::min(video.frame_rate, kMaxShownRate);
  const double step =
      video.frame_rate / rate;  // above 1: frames are left out and the duration stays
  const auto shown = std::max<std::size_t>(
      1, static_cast<std::size_t>(std::llround(static_cast<double>(video.frames.size()) / step)));
  const Palette palette = palette_of(video.frames);
  const int bits = bits_for(palette.colors.size());
  std::string out;
  put_header(out, video.frames.front(), palette, bits, shown > 1);
  Lzw lzw;
  for (std::size_t i = 0; i < shown; ++i) {
    const auto source =
        std::min(static_cast<std::size_t>(static_cast<double>(i) * step), video.frames.size() - 1);
    const Image& frame = video.frames[source];
    put_frame_header(out, frame,
                     std::clamp<std::int64_t>(begins(i + 1, rate) - begins(i, rate), 2, 65'535));
    lzw.compress(palette.indices(frame), std::max(2, bits), out);
  }
  out.push_back(0x3B);
  return out;
}

}  // namespace serin::media
