// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdint>
#include <functional>
#include <unordered_set>

#include "base/json.h"
#include "rollout/score/ramp.h"
#include "rollout/score/score.h"
#include "rollout/score/utf8.h"

namespace serin::rollout {
namespace {

constexpr std::size_t kPiece = 12;         // bytes
constexpr std::size_t kLeastLooping = 64;  // bytes
constexpr std::size_t kLeastLetters = 20;
constexpr double kOneScript = 0.8;

enum class Script : std::uint8_t {
  kNone,
  kLatin,
  kGreek,
  kCyrillic,
  kHebrew,
  kArabic,
  kIndic,
  kThai,
  kEastAsian,  // Han and Kana: Japanese mixes them
  kHangul,
  kCount,
};

struct Range {
  char32_t first, last;
  Script script;
};
// Blocks of the Unicode Standard, 15.0; what is not here tells nothing.
constexpr Range kRanges[] = {
    {U'A', U'Z', Script::kLatin},         {U'a', U'z', Script::kLatin},
    {0xC0, 0x24F, Script::kLatin},        {0x370, 0x3FF, Script::kGreek},
    {0x400, 0x52F, Script::kCyrillic},    {0x590, 0x5FF, Script::kHebrew},
    {0x600, 0x6FF, Script::kArabic},      {0x900, 0xDFF, Script::kIndic},
    {0xE00, 0xE7F, Script::kThai},        {0x1E00, 0x1EFF, Script::kLatin},
    {0x3040, 0x30FF, Script::kEastAsian}, {0x3400, 0x9FFF, Script::kEastAsian},
    {0xAC00, 0xD7AF, Script::kHangul},    {0x20000, 0x323AF, Script::kEastAsian},
};

Script script_of(char32_t character) {
  for (const Range& range : kRanges) {
    if (character >= range.first && character <= range.last) return range.script;
  }
  return Script::kNone;
}

struct Characters {
  std::size_t all = 0;
  std::size_t broken = 0;  // not UTF-8, or U+FFFD
  std::size_t letters = 0;
  std::array<std::size_t, static_cast<std::size_t>(Script::kCount)> by_script{};
};

Characters characters_of(std::string_view text) {
  Characters seen;
  while (!text.empty()) {
    const char32_t character = take_character(text);
    ++seen.all;
    if (character == 0xFFFD) ++seen.broken;
    const Script script = script_of(character);
    if (script == Script::kNone) continue;
    ++seen.letters;
    ++seen.by_script[static_cast<std::size_t>(script)];
  }
  return seen;
}

// Which part of the pieces occurred before.
double repeated(std::string_view text) {
  std::unordered_set<std::size_t> seen;
  std::size_t again = 0;
  const std::size_t pieces = text.size() - kPiece + 1;
  for (std::size_t at = 0; at < pieces; ++at)
    again += seen.insert(std::hash<std::string_view>{}(text.substr(at, kPiece))).second ? 0 : 1;
  return static_cast<double>(again) / static_cast<double>(pieces);
}

double part(std::size_t some, std::size_t all) {
  return all == 0 ? 0 : static_cast<double>(some) / static_cast<double>(all);
}

double script_factor(const Characters& prompt, const Characters& text) {
  if (prompt.letters < kLeastLetters || text.letters < kLeastLetters) return 1;
  for (std::size_t script = 0; script < prompt.by_script.size(); ++script) {
    if (part(prompt.by_script[script], prompt.letters) < kOneScript) continue;
    return 0.5 + 0.5 * ramp(part(text.by_script[script], text.letters), 0, 0.5);
  }
  return 1;
}

// The end of a long text, from where a character begins.
std::string_view last_part(std::string_view text) {
  if (text.size() <= kMostText) return text;
  text.remove_prefix(text.size() - kMostText);
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0) == 0x80)
    text.remove_prefix(1);
  return text;
}

}  // namespace

double text_form(std::string_view text, const TextAsked& asked) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return 0;
  const std::string_view tail = last_part(text);
  const Characters seen = characters_of(tail);
  double form = ramp(part(seen.broken, seen.all), 0.2, 0);
  if (tail.size() >= kLeastLooping) form *= ramp(repeated(tail), 0.9, 0.5);
  form *= script_factor(characters_of(last_part(asked.prompt)), seen);
  if (asked.json && !parse_json(text)) form *= 0.2;
  if (asked.cut) form *= 0.9;
  return form;
}

}  // namespace serin::rollout
