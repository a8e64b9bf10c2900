// SPDX-License-Identifier: Apache-2.0
// What is wrong with YAML that yaml-cpp refuses, in the words of who wrote it. yaml-cpp says what
// its parser missed, and where ("end of map not found"); what is to be mended mostly stands in the
// lines around that place. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/yaml.h"

namespace serin {

// What had been read when it was refused.
struct YamlSeen {
  std::optional<YamlMark> bracket;  // the innermost [ or { that is open
  std::optional<YamlMark> quote;    // where the last text in quotes begins
};

struct YamlMistake {
  YamlMark mark;
  std::string what;
};

// `said` at `at`: yaml-cpp's words and place, which are given back where nothing better is known.
YamlMistake mistake_in(std::string_view text, const YamlMark& at, std::string_view said,
                       const YamlSeen& seen);

// What yaml-cpp takes, and nobody means: a key without a colon, which has no value; something after
// the end of all that began at `begin`; a quote, at this offset, that nothing closes.
YamlMistake key_without_colon(std::string_view text, const YamlMark& key);
YamlMistake after_the_end(std::string_view text, const YamlMark& begin, const YamlMark& at);
bool is_closed(std::string_view text, std::size_t quote);

}  // namespace serin
