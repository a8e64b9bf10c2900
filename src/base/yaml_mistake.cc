// SPDX-License-Identifier: Apache-2.0
#include "base/yaml_mistake.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/shown.h"

namespace serin {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

std::string spaces(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " space" : " spaces");
}

// Past the quote that closes the one at `quote`; kNone where none does. YAML escapes a quote in
// single ones by doubling it, in double ones by a backslash.
std::size_t after_quotes(std::string_view text, std::size_t quote) {
  const char kind = text[quote];
  for (std::size_t i = quote + 1; i < text.size(); ++i) {
    if (kind == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == kind) {
      if (kind == '"' || i + 1 == text.size() || text[i + 1] != '\'') return i + 1;
      ++i;
    }
  }
  return kNone;
}

bool ends_a_word(std::string_view text, std::size_t at) {
  return at >= text.size() || text[at] == ' ' || text[at] == '\t';
}

// The colon after a key; kNone where the text has none.
std::size_t colon_of(std::string_view text) {
  std::size_t i = 0;
  if (text.starts_with('"') || text.starts_with('\'')) i = after_quotes(text, 0);
  for (; i < text.size(); ++i) {
    if (text[i] == ':' && ends_a_word(text, i + 1)) return i;
  }
  return kNone;
}

// A line without what YAML passes over: its indentation, a comment, a list's dash.
struct Line {
  std::string_view whole;
  std::string_view content;
  std::size_t indent = 0;  // of the content
  bool item = false;       // there is a dash before it

  bool key_with_value() const {
    const std::size_t colon = colon_of(content);
    return colon != kNone && content.find_first_not_of(" \t", colon + 1) != kNone;
  }
  std::string_view key() const { return content.substr(0, colon_of(content)); }
};

Line line_of(std::string_view whole) {
  if (whole.ends_with('\r')) whole.remove_suffix(1);
  Line line{.whole = whole, .content = whole};
  const auto trim = [&line] {
    const std::size_t begin = std::min(line.content.find_first_not_of(" \t"), line.content.size());
    line.content.remove_prefix(begin);
    line.indent += begin;
  };
  trim();
  while (line.content.starts_with('-') && ends_a_word(line.content, 1)) {
    line.item = true;
    line.content.remove_prefix(1);
    ++line.indent;
    trim();
  }
  const std::size_t comment = line.content.starts_with('#') ? 0 : line.content.find(" #");
  line.content = line.content.substr(0, comment);
  while (line.content.ends_with(' ') || line.content.ends_with('\t')) line.content.remove_suffix(1);
  return line;
}

class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {
    for (std::size_t begin = 0; begin <= text.size();) {
      begins_.push_back(begin);
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      lines_.push_back(line_of(text.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  // Numbers count from 1; one that is not there is empty.
  Line at(int number) const {
    const auto index = static_cast<std::size_t>(number) - 1;
    return index < lines_.size() ? lines_[index] : Line();
  }
  // The nearest one above that fits; 0: none.
  template <class Fits>
  int above(int number, Fits fits) const {
    for (--number; number > 0; --number) {
      if (const Line line = at(number); (!line.content.empty() || line.item) && fits(line))
        return number;
    }
    return 0;
  }
  int above(int number) const {
    return above(number, [](const Line&) { return true; });
  }
  std::size_t offset(const YamlMark& mark) const {
    const auto index = static_cast<std::size_t>(mark.line) - 1;
    if (index >= begins_.size()) return text_.size();
    return std::min(begins_[index] + static_cast<std::size_t>(mark.column) - 1, text_.size());
  }
  char byte(const YamlMark& mark) const {
    const std::size_t at = offset(mark);
    return at < text_.size() ? text_[at] : '\n';
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
  std::vector<Line> lines_;
  std::vector<std::size_t> begins_;
};

YamlMark place(int line, std::size_t offset) { return {line, static_cast<int>(offset) + 1}; }

struct Refusal {
  Lines lines;
  YamlMark at;
  std::string_view said;
  YamlSeen seen;

  Line line() const { return lines.at(at.line); }
  char byte() const { return lines.byte(at); }
  bool begins_line() const {
    const std::string_view before = line().whole.substr(0, static_cast<std::size_t>(at.column) - 1);
    return before.find_first_not_of(" \t") == kNone;
  }
};

using Found = std::optional<YamlMistake>;

Found tab(const Refusal& refused) {
  const std::string_view whole = refused.line().whole;
  const std::size_t at = whole.find_first_not_of(' ');
  if (at == kNone || whole[at] != '\t') return std::nullopt;
  return YamlMistake{place(refused.at.line, at), "a tab, which cannot indent YAML; use spaces"};
}

// Of what is not known to be a key only a word is repeated that looks like one: values may be
// secrets, and messages go into logs.
bool looks_like_a_key(std::string_view word) {
  constexpr std::size_t kLongest = 40;
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.' || c == '/';
  };
  return !word.empty() && word.size() <= kLongest && std::ranges::all_of(word, fits);
}

std::string as_key(std::string_view word) {
  return "\"" + std::string(looks_like_a_key(word) ? word : "key") + ": \"";
}

YamlMistake without_colon(const Line& line, int number) {
  const std::size_t colon = line.content.find(':');
  if (colon != kNone && colon > 0)
    return {place(number, line.indent + colon),
            "there is no space after this colon; write " + as_key(line.content.substr(0, colon))};
  // A word alone may as well be the rest of a value.
  const std::size_t space = line.content.find(' ');
  const std::string_view word = line.content.substr(0, space == kNone ? 0 : space);
  const std::string what = looks_like_a_key(word) ? shown(word) + " has no colon" : "no colon here";
  return {place(number, line.indent), what + "; a key is written as " + as_key(word)};
}

constexpr std::string_view kColonInside = "\": \" inside a value; put the whole value in quotes";

// A colon where none may be: because of what stands before it in its line.
Found colon_in_value(const Refusal& refused) {
  const Line line = refused.line();
  const auto end = static_cast<std::size_t>(refused.at.column) - 1;
  if (end <= line.indent || end > line.whole.size()) return std::nullopt;
  if (colon_of(line.whole.substr(line.indent, end - line.indent)) == kNone) return std::nullopt;
  return YamlMistake{refused.at, std::string(kColonInside)};
}

// Or because of the line above, which YAML takes for the beginning of this one.
Found colon_missing_above(const Refusal& refused) {
  const int number = refused.lines.above(refused.at.line);
  const Line above = refused.lines.at(number);
  if (number == 0 || colon_of(above.content) != kNone) return std::nullopt;
  const int key =
      refused.lines.above(number, [](const Line& line) { return colon_of(line.content) != kNone; });
  const Line before = refused.lines.at(key);
  if (key > 0 && above.indent > before.indent && before.key_with_value())
    return YamlMistake{
        refused.at, std::string(kColonInside) + " (it begins in line " + std::to_string(key) + ")"};
  return without_colon(above, number);
}

Found below_a_value(const Refusal& refused) {
  const Line line = refused.line();
  const int number = refused.lines.above(refused.at.line);
  const Line above = refused.lines.at(number);
  if (number == 0 || !above.key_with_value() || line.indent <= above.indent) return std::nullopt;
  const std::string what = colon_of(line.content) == kNone ? "this" : shown(line.key());
  return YamlMistake{place(refused.at.line, line.indent),
                     what + " is indented as if it belonged to " + shown(above.key()) +
                         ", which has a value already; indent it by " + spaces(above.indent)};
}

Found bracket(const Refusal& refused) {
  const std::string_view text = refused.lines.text();
  const std::size_t opened =
      refused.seen.bracket ? text.find_first_of("[{", refused.lines.offset(*refused.seen.bracket))
                           : kNone;
  if (opened == kNone) return std::nullopt;
  std::size_t depth = 0;
  for (std::size_t i = opened; i < text.size(); ++i) {
    const bool begins = i > 0 && std::string_view(" \t\n[{,:").find(text[i - 1]) != kNone;
    if ((text[i] == '"' || text[i] == '\'') && begins)
      i = std::min(after_quotes(text, i), text.size()) - 1;
    else if (text[i] == '[' || text[i] == '{')
      ++depth;
    else if ((text[i] == ']' || text[i] == '}') && --depth == 0)
      return YamlMistake{refused.at, refused.byte() == ':'
                                         ? std::string(kColonInside)
                                         : "a comma, or a colon, is missing before this"};
  }
  return YamlMistake{*refused.seen.bracket, std::string(1, text[opened]) + " is not closed"};
}

Found wrong_bracket(const Refusal& refused) {
  const std::string closes(1, refused.byte());
  if (refused.seen.bracket)
    return YamlMistake{refused.at, closes + " cannot close the " +
                                       refused.lines.byte(*refused.seen.bracket) + " of " +
                                       to_string(*refused.seen.bracket)};
  return YamlMistake{refused.at,
                     closes + " closes nothing; put the value in quotes if it is a part of it"};
}

Found misplaced_item(const Refusal& refused) {
  if (refused.seen.bracket)
    return YamlMistake{refused.at, "items inside [ ] have commas between them and no dashes"};
  return YamlMistake{refused.at,
                     "a list with dashes begins in the line after its key; or write [a, b]"};
}

// Where a value in quotes has ended, and more of it comes.
Found after_closing_quote(const Refusal& refused) {
  const std::string_view before = refused.lines.text().substr(0, refused.lines.offset(refused.at));
  const std::size_t last = before.find_last_not_of(" \t");
  const Line line = refused.line();
  const bool key = line.content.starts_with('"') || line.content.starts_with('\'');
  if (key && colon_of(line.content) == kNone) return without_colon(line, refused.at.line);
  if (!refused.seen.quote || last == kNone || (before[last] != '"' && before[last] != '\''))
    return std::nullopt;
  if (refused.seen.quote->line < refused.at.line)
    return YamlMistake{*refused.seen.quote, "the quote that opens here is closed in line " +
                                                std::to_string(refused.at.line) +
                                                "; is one missing at the end of its own line?"};
  return YamlMistake{refused.at, before[last] == '"'
                                     ? "text after the closing quote; write \\\" for a quote "
                                       "inside double quotes"
                                     : "text after the closing quote; write '' for a quote inside "
                                       "single quotes"};
}

Found odd_beginning(const Refusal& refused) {
  const char byte = refused.byte();
  if (std::string_view(",@`%&*").find(byte) == kNone) return std::nullopt;
  if (byte == '*')
    return YamlMistake{refused.at,
                       "* at the beginning of a value stands for another one that has a name "
                       "(&name), and none above has this; put the value in quotes"};
  return YamlMistake{refused.at, "a value in YAML cannot begin with " + std::string(1, byte) +
                                     " unless it is in quotes"};
}

Found odd_before(const Refusal& refused) {
  Refusal before = refused;
  before.at.column = std::max(1, before.at.column - 1);
  return odd_beginning(before);
}

Found odd_indentation(const Refusal& refused) {
  if (!refused.begins_line()) return std::nullopt;
  const Line line = refused.line();
  const auto indent = static_cast<std::size_t>(refused.at.column) - 1;
  const auto first = [](const Line& one) { return one.whole.find_first_not_of(' '); };
  const int same =
      refused.lines.above(refused.at.line, [&](const Line& one) { return first(one) <= indent; });
  const Line beside = refused.lines.at(same);
  if (same > 0 && first(beside) == indent && beside.item != line.item)
    return YamlMistake{refused.at, line.item ? "an item of a list (\"- \") among keys"
                                             : "a key among the items of a list; begin it with "
                                               "\"- \", or indent it as the keys of an item are"};
  const int number = refused.lines.above(refused.at.line);
  return YamlMistake{refused.at, "is indented by " + spaces(indent) +
                                     ", which nothing above it is; the line "
                                     "above is by " +
                                     spaces(first(refused.lines.at(number)))};
}

Found escape(const Refusal& refused) {
  return YamlMistake{refused.at,
                     "a backslash in double quotes begins an escape, and this is none; write "
                     "\\\\, or use single quotes"};
}

Found block_text(const Refusal& refused) {
  return YamlMistake{refused.at, "the text of | or > begins in the next line"};
}

Found ends_in_quotes(const Refusal& refused) {
  return YamlMistake{refused.at, "the document ends inside quotes; one is not closed"};
}

struct Rules {
  std::string_view said;  // how yaml-cpp's words begin
  std::initializer_list<Found (*)(const Refusal&)> rules;
};

// The first that finds something is believed.
const Rules kRules[] = {
    {"illegal tab", {tab}},
    {"illegal map value", {tab, colon_in_value, below_a_value, colon_missing_above}},
    {"illegal block entry", {tab, misplaced_item}},
    {"end of map flow", {bracket}},
    {"end of sequence flow", {bracket}},
    {"illegal flow end", {wrong_bracket}},
    {"end of map", {tab, after_closing_quote, odd_beginning, odd_indentation}},
    {"end of sequence", {tab, after_closing_quote, odd_indentation}},
    {"unknown token", {tab, odd_beginning}},
    {"alias not found", {odd_before}},
    {"anchor not found", {odd_before}},
    {"the referenced anchor", {odd_beginning}},
    {"unknown escape", {escape}},
    {"bad character found while scanning hex", {escape}},
    {"unexpected character in block", {block_text}},
    {"illegal document indicator", {ends_in_quotes}},
    {"illegal EOF", {ends_in_quotes}},
};

}  // namespace

YamlMistake mistake_in(std::string_view text, const YamlMark& at, std::string_view said,
                       const YamlSeen& seen) {
  const Refusal refused{Lines(text), at, said, seen};
  for (const Rules& rules : kRules) {
    if (!said.starts_with(rules.said)) continue;
    for (const auto& rule : rules.rules) {
      if (auto found = rule(refused)) return *std::move(found);
    }
  }
  return {at, std::string(said)};
}

YamlMistake key_without_colon(std::string_view text, const YamlMark& key) {
  return without_colon(Lines(text).at(key.line), key.line);
}

YamlMistake after_the_end(std::string_view text, const YamlMark& begin, const YamlMark& at) {
  const Lines lines(text);
  for (int number = begin.line; number <= at.line; ++number) {
    const std::string_view whole = lines.at(number).whole;
    const bool first = number == begin.line;
    if (!first && (whole.starts_with("---") || whole.starts_with("...")))
      return {at, "a second document; only one is read"};
  }
  const Line line = lines.at(at.line);
  if (colon_of(line.content) == kNone) return without_colon(line, at.line);
  return {at, shown(line.key()) +
                  " is no part of what stands above it; indent it as that is, or "
                  "begin it with \"- \" if it is an item of that list"};
}

bool is_closed(std::string_view text, std::size_t quote) {
  return after_quotes(text, quote) != kNone;
}

}  // namespace serin
