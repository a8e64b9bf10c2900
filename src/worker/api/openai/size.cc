// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/size.h"

#include <charconv>

namespace serin::worker::api {
namespace {

constexpr std::int64_t kLargestSide = 4096;

}  // namespace

Status read_size(Fields& fields, MediumOptions& medium) {
  SERIN_TRY_ASSIGN(const auto size, fields.string("size"));
  if (!size || *size == "auto") return {};
  const char* end = size->data() + size->size();
  const auto [x, bad_width] = std::from_chars(size->data(), end, medium.width);
  const bool cross = bad_width == std::errc{} && x != end && *x == 'x';
  const auto [rest, bad_height] = std::from_chars(cross ? x + 1 : end, end, medium.height);
  const bool fits = cross && bad_height == std::errc{} && rest == end && medium.width > 0 &&
                    medium.height > 0 && medium.width <= kLargestSide &&
                    medium.height <= kLargestSide;
  if (!fits)
    return wrong_field("size",
                       "auto, or WIDTHxHEIGHT with sides up to " + std::to_string(kLargestSide));
  return {};
}

Status check_pixels(const MediumOptions& medium, std::int64_t count, std::uint64_t most) {
  constexpr std::uint64_t kChannels = 4;
  const auto pixels = static_cast<std::uint64_t>(medium.width) *
                      static_cast<std::uint64_t>(medium.height) * static_cast<std::uint64_t>(count);
  if (pixels <= most / kChannels) return {};
  return wrong_field("size", "such that the answer's pictures, " + std::to_string(count) +
                                 " of them, have at most " + std::to_string(most / kChannels) +
                                 " pixels together");
}

}  // namespace serin::worker::api
