// SPDX-License-Identifier: Apache-2.0
#include "media/palette.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace serin::media {
namespace {

constexpr std::size_t kMaxColors = 256;
constexpr std::size_t kCells = 1 << 15;  // 5 bits a channel

struct Cell {
  std::uint64_t count = 0, r = 0, g = 0, b = 0;  // pixels and the sums of their samples
};

Color pixel(const Image& image, std::size_t at) {
  const std::uint8_t* p = image.samples.data() + at * static_cast<std::size_t>(image.channels);
  return image.channels == 1 ? Color{p[0], p[0], p[0]} : Color{p[0], p[1], p[2]};
}

std::size_t pixels(const Image& image) {
  return image.samples.size() / static_cast<std::size_t>(image.channels);
}

std::uint32_t packed(Color c) { return static_cast<std::uint32_t>(c.r << 16 | c.g << 8 | c.b); }

std::size_t cell_of(Color c) {
  return static_cast<std::size_t>((c.r >> 3) << 10 | (c.g >> 3) << 5 | c.b >> 3);
}

int channel(std::size_t cell, int which) { return static_cast<int>(cell >> (10 - 5 * which)) & 31; }

// All colours, ascending, or nothing when there are more than 256.
std::vector<std::uint32_t> few_colors(std::span<const Image> frames) {
  std::vector<std::uint32_t> found;
  for (const Image& frame : frames) {
    std::uint32_t last = std::numeric_limits<std::uint32_t>::max();
    for (std::size_t i = 0; i < pixels(frame); ++i) {
      const std::uint32_t color = packed(pixel(frame, i));
      if (color == last) continue;
      last = color;
      const auto at = std::ranges::lower_bound(found, color);
      if (at != found.end() && *at == color) continue;
      if (found.size() == kMaxColors) return {};
      found.insert(at, color);
    }
  }
  return found;
}

std::vector<Cell> histogram(std::span<const Image> frames) {
  std::vector<Cell> cells(kCells);
  for (const Image& frame : frames)
    for (std::size_t i = 0; i < pixels(frame); ++i) {
      const Color color = pixel(frame, i);
      Cell& cell = cells[cell_of(color)];
      ++cell.count;
      cell.r += color.r;
      cell.g += color.g;
      cell.b += color.b;
    }
  return cells;
}

// Cells that become one colour: a range of the list that all boxes share.
struct Box {
  std::size_t begin, end;
  std::uint64_t count = 0;
  int longest = 0;  // the channel that spans most
  int span = 0;
};

Box box_of(const std::vector<std::size_t>& list, const std::vector<Cell>& cells, std::size_t begin,
           std::size_t end) {
  Box box{.begin = begin, .end = end};
  for (std::size_t i = begin; i < end; ++i) box.count += cells[list[i]].count;
  for (int which = 0; which < 3; ++which) {
    const auto by_channel = [which](std::size_t cell) { return channel(cell, which); };
    const auto part = std::span(list).subspan(begin, end - begin);
    const auto [low, high] = std::ranges::minmax(part, {}, by_channel);
    const int span = channel(high, which) - channel(low, which);
    if (span > box.span) box.span = span, box.longest = which;
  }
  return box;
}

// Where half of the box's pixels lie on each side, along its longest channel; both sides keep a
// cell.
std::size_t median(std::vector<std::size_t>& list, const std::vector<Cell>& cells, const Box& box) {
  const auto begin = list.begin() + static_cast<std::ptrdiff_t>(box.begin);
  const auto end = list.begin() + static_cast<std::ptrdiff_t>(box.end);
  const auto by_channel = [&box](std::size_t cell) {
    return std::pair(channel(cell, box.longest), cell);
  };
  std::ranges::sort(begin, end, {}, by_channel);
  std::uint64_t before = 0;
  std::size_t at = box.begin;
  do before += cells[list[at++]].count;
  while (at + 1 < box.end && before * 2 < box.count);
  return at;
}

std::vector<Box> cut(std::vector<std::size_t>& list, const std::vector<Cell>& cells) {
  std::vector<Box> boxes{box_of(list, cells, 0, list.size())};
  while (boxes.size() < kMaxColors) {
    const auto widest = std::ranges::max_element(
        boxes, {}, [](const Box& box) { return box.count * static_cast<std::uint64_t>(box.span); });
    if (widest->span == 0) break;
    const std::size_t at = median(list, cells, *widest);
    const std::size_t end = widest->end;
    *widest = box_of(list, cells, widest->begin, at);
    boxes.push_back(box_of(list, cells, at, end));
  }
  return boxes;
}

Color mean(const std::vector<std::size_t>& list, const std::vector<Cell>& cells, const Box& box) {
  Cell sum;
  for (std::size_t i = box.begin; i < box.end; ++i) {
    const Cell& cell = cells[list[i]];
    sum.count += cell.count, sum.r += cell.r, sum.g += cell.g, sum.b += cell.b;
  }
  const auto rounded = [&sum](std::uint64_t total) {
    return static_cast<std::uint8_t>((total + sum.count / 2) / sum.count);
  };
  return {rounded(sum.r), rounded(sum.g), rounded(sum.b)};
}

std::uint8_t nearest(const std::vector<Color>& colors, const Cell& cell) {
  const auto middle = [&cell](std::uint64_t total) { return static_cast<int>(total / cell.count); };
  const int r = middle(cell.r), g = middle(cell.g), b = middle(cell.b);
  const auto distance = [=](Color c) {
    return (c.r - r) * (c.r - r) + (c.g - g) * (c.g - g) + (c.b - b) * (c.b - b);
  };
  return static_cast<std::uint8_t>(std::ranges::min_element(colors, {}, distance) - colors.begin());
}

Palette by_median_cut(std::span<const Image> frames) {
  const std::vector<Cell> cells = histogram(frames);
  std::vector<std::size_t> list;
  for (std::size_t cell = 0; cell < kCells; ++cell)
    if (cells[cell].count > 0) list.push_back(cell);
  Palette palette;
  for (const Box& box : cut(list, cells)) palette.colors.push_back(mean(list, cells, box));
  palette.lookup.resize(kCells);
  for (const std::size_t cell : list) palette.lookup[cell] = nearest(palette.colors, cells[cell]);
  return palette;
}

}  // namespace

std::vector<std::uint8_t> Palette::indices(const Image& image) const {
  std::vector<std::uint8_t> out(pixels(image));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Color color = pixel(image, i);
    out[i] = exact.empty() ? lookup[cell_of(color)]
                           : static_cast<std::uint8_t>(
                                 std::ranges::lower_bound(exact, packed(color)) - exact.begin());
  }
  return out;
}

Palette palette_of(std::span<const Image> frames) {
  Palette palette{.colors = {}, .lookup = {}, .exact = few_colors(frames)};
  if (palette.exact.empty()) return by_median_cut(frames);
  for (const std::uint32_t color : palette.exact)
    palette.colors.push_back({static_cast<std::uint8_t>(color >> 16),
                              static_cast<std::uint8_t>(color >> 8),
                              static_cast<std::uint8_t>(color)});
  return palette;
}

}  // namespace serin::media
