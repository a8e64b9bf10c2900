// SPDX-License-Identifier: Apache-2.0
// How well formed a generation is: a number in [0, 1], higher is better, about its form alone and
// not about what it says or shows. Pure functions of text and raw tensors, safe from any thread;
// what is larger than kMostValues or kMostText is sampled, so that each takes at most about a
// millisecond.
//
// Each is a product of factors, which are 1 where nothing is amiss. `ramp(x, bad, good)` is 0 at
// `bad`, 1 at `good`, and straight between.
//
// | medium | factor                                                                             |
// | text   | 0 when there is nothing but white space                                            |
// |        | ramp(part of its 12-byte pieces that occurred before, 0.9, 0.5): it loops. Of 64   |
// |        | bytes and more                                                                     |
// |        | ramp(part of its characters that are no UTF-8 or U+FFFD, 0.2, 0)                   |
// |        | 0.5 + 0.5 ramp(part of its letters in the prompt's script, 0, 0.5), where at least |
// |        | 20 letters on both sides tell, and 80 % of the prompt's are of one script          |
// |        | 0.2 when JSON was asked for and this is none                                       |
// |        | 0.9 when it was cut by the bound on its length                                     |
// | image  | 0 when a value is not finite                                                       |
// |        | ramp(standard deviation, 0.005, 0.02), values from 0 to 1: black, white, one grey  |
// |        | ramp(part of the neighbours that are equal, 1, 0.995): flat                        |
// | video  | the mean of its frames' factors                                                    |
// |        | ramp(mean change from frame to frame, 0.0002, 0.002): frozen. Of two frames and    |
// |        | more                                                                               |
// | audio  | 0 when a value is not finite                                                       |
// |        | ramp(log10 of the root mean square, -4, -3): silent                                |
// |        | ramp(part of the samples at full scale, 0.2, 0.01): clipped                        |
// |        | ramp(mean by root mean square, 0.8, 0.2): a constant offset                        |
#pragma once

#include <cstddef>
#include <string_view>

#include "base/tensor.h"

namespace serin::rollout {

constexpr std::size_t kMostValues = std::size_t{1} << 16;
constexpr std::size_t kMostText = std::size_t{1} << 13;  // bytes, from the end

struct TextAsked {
  std::string_view prompt = {};
  bool json = false;  // the answer ought to be JSON
  bool cut = false;   // the bound on its length ended it
};
double text_form(std::string_view text, const TextAsked& asked);

// `low` and `high` are what becomes black and white.
double image_form(const Tensor& image, double low, double high);
// Frames are the first dimension.
double video_form(const Tensor& video, double low, double high);
double audio_form(const Tensor& audio);

}  // namespace serin::rollout
