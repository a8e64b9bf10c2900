// SPDX-License-Identifier: Apache-2.0
// At most 256 colours for a video. A value; made and used by one thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "media/media.h"

namespace serin::media {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Color&) const = default;
};

struct Palette {
  std::vector<Color> colors;         // 1 to 256
  std::vector<std::uint8_t> lookup;  // the place of a colour, by key_of, where it is not exact
  std::vector<std::uint32_t> exact;  // the colours as 0xRRGGBB, ascending, where they are exact

  // One index a pixel of a picture with 1 or 3 channels.
  std::vector<std::uint8_t> indices(const Image& image) const;
};

// Exact where the frames have at most 256 colours; otherwise by median cut over colours of 5 bits a
// channel.
Palette palette_of(std::span<const Image> frames);

}  // namespace serin::media
