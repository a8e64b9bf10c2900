// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <sstream>

#include "base/yaml_mistake.h"

namespace serin {
namespace {

YamlMark mark_of(const YAML::Mark& mark) {
  // yaml-cpp counts from 0 and knows no place (-1) for an empty value at the end of a line.
  return {mark.line < 0 ? 1 : mark.line + 1, mark.column < 0 ? 1 : mark.column + 1};
}

std::string at(const YamlMark& mark, std::string_view what) {
  return to_string(mark) + ": " + std::string(what);
}

// Leaves yaml-cpp's parser, which knows no other way out; caught in parse_yaml.
struct Refused {
  Error error;
};

[[noreturn]] void refuse(const YamlMark& mark, std::string_view what) {
  throw Refused{Error{Code::kInvalidArgument, at(mark, what)}};
}

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const YamlLimits& limits) : text_(text), limits_(limits) {}

  YamlNode take() { return std::move(root_); }
  YamlSeen seen() const {
    YamlSeen seen{.bracket = std::nullopt, .quote = last_quote_};
    for (const Open& open : open_) {
      if (open.bracket) seen.bracket = open.node.mark;
    }
    return seen;
  }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_colon();
    YamlNode node;
    node.mark = mark_of(mark);
    remember(anchor, add(std::move(node), 1));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // An anchor is remembered when its node is complete, so that one inside itself is not found.
    if (found == anchors_.end()) refuse(mark_of(mark), "an alias to a value that contains it");
    const auto& [node, size] = found->second;
    if (open_.size() + depth_of(node) > limits_.depth) too_deep(mark_of(mark));
    count(size, mark_of(mark));
    add(YamlNode(node), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.mark = mark_of(mark);
    if (tag != "?" && tag != "" && tag != "!" && tag != "tag:yaml.org,2002:str") {
      refuse(node.mark, "the tag " + tag + " is not supported");
    }
    node.quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    check_quote(mark);
    node.scalar = value;
    if (open_.empty() || open_.back().node.kind != YamlNode::Kind::kMap || open_.back().has_key) {
      remember(anchor, add(std::move(node), 1));
      return;
    }
    set_key(std::move(node), mark.pos);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(YamlNode::Kind::kSequence, mark, tag, "tag:yaml.org,2002:seq", anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    open(YamlNode::Kind::kMap, mark, tag, "tag:yaml.org,2002:map", anchor, style);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    bool bracket = false;  // written with [ ] or { }
    bool has_key = false;
    std::string key = {};
    std::size_t after_key = 0;  // in the text; 0: the key is in quotes, or marked by a '?'
    YamlMark key_mark = {};
  };

  [[noreturn]] void too_deep(const YamlMark& mark) const {
    refuse(mark, "nested deeper than " + std::to_string(limits_.depth) + " levels");
  }

  static std::size_t depth_of(const YamlNode& node) {
    std::size_t deepest = 0;
    for (const YamlNode& item : node.items) deepest = std::max(deepest, depth_of(item));
    for (const auto& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
    return deepest + 1;
  }

  void count(std::size_t nodes, const YamlMark& mark) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes) {
      refuse(mark, "more than " + std::to_string(limits_.nodes) +
                       " values, aliases counted as often as used");
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            std::string_view core_tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
    const YamlMark place = mark_of(mark);
    if (tag != "?" && tag != "" && tag != "!" && tag != core_tag) {
      refuse(place, "the tag " + tag + " is not supported");
    }
    if (open_.size() >= limits_.depth) too_deep(place);
    require_key(place);
    count(1, place);
    Open opened;
    opened.node.kind = kind;
    opened.node.mark = place;
    opened.anchor = anchor;
    opened.bracket = style == YAML::EmitterStyle::Flow;
    opened.nodes_before = nodes_ - 1;
    open_.push_back(std::move(opened));
  }

  void close() {
    Open closed = std::move(open_.back());
    open_.pop_back();
    if (closed.anchor != 0) anchors_[closed.anchor] = {closed.node, nodes_ - closed.nodes_before};
    add(std::move(closed.node), 0);
  }

  // A map's next event is its key, which must be a scalar.
  void require_key(const YamlMark& mark) const {
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().has_key) {
      refuse(mark, "a key must be a string");
    }
  }

  // yaml-cpp takes all that follows for a part of the text.
  void check_quote(const YAML::Mark& mark) {
    const auto at = static_cast<std::size_t>(mark.pos);
    if (mark.pos < 0 || at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return;
    last_quote_ = mark_of(mark);
    if (!is_closed(text_, at)) refuse(*last_quote_, "the quote that opens here is not closed");
  }

  // yaml-cpp takes a line in the place of a key for a key without a value.
  void check_colon() const {
    if (open_.empty() || !open_.back().has_key || open_.back().bracket) return;
    const Open& map = open_.back();
    const std::size_t next = text_.find_first_not_of(" \t", map.after_key);
    if (map.after_key == 0 || (next != std::string_view::npos && text_[next] == ':')) return;
    const YamlMistake mistake = key_without_colon(text_, map.key_mark);
    refuse(mistake.mark, mistake.what);
  }

  void set_key(YamlNode key, int begin) {
    Open& map = open_.back();
    if (!key.quoted && key.scalar == "<<") refuse(key.mark, "merge keys (<<) are not supported");
    for (const YamlNode::Entry& entry : map.node.entries) {
      if (entry.key == key.scalar) {
        refuse(key.mark,
               "the key \"" + key.scalar + "\" stands twice; first at " + to_string(entry.mark));
      }
    }
    count(1, key.mark);
    map.has_key = true;
    const auto at = static_cast<std::size_t>(std::max(begin, 0));
    const std::string_view before = text_.substr(0, at);
    const bool plain = text_.substr(before.size()).starts_with(key.scalar);
    const std::size_t last = before.find_last_not_of(" \t");
    const bool marked = last != std::string_view::npos && before[last] == '?';
    map.after_key = plain && !marked ? at + key.scalar.size() : 0;
    map.key = std::move(key.scalar);
    map.key_mark = key.mark;
  }

  const YamlNode& add(YamlNode node, std::size_t nodes) {
    count(nodes, node.mark);
    if (open_.empty()) {
      root_ = std::move(node);
      return root_;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      return parent.node.items.emplace_back(std::move(node));
    }
    require_key(node.mark);
    parent.has_key = false;
    // yaml-cpp gives an absent value the place of whatever follows; its key's place says more.
    if (node.kind == YamlNode::Kind::kScalar && !node.quoted && node.scalar.empty())
      node.mark = parent.key_mark;
    parent.node.entries.push_back({std::move(parent.key), parent.key_mark, std::move(node)});
    return parent.node.entries.back().value;
  }

  void remember(YAML::anchor_t anchor, const YamlNode& node) {
    if (anchor != 0) anchors_[anchor] = {node, 1};
  }

  std::string_view text_;
  YamlLimits limits_;
  YamlNode root_;
  std::optional<YamlMark> last_quote_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<YamlNode, std::size_t>> anchors_;
  std::size_t nodes_ = 0;
};

// The core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#1032-tag-resolution).
bool is_decimal(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool is_float(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const auto digits = [&text] {
    std::size_t count = 0;
    while (!text.empty() && std::isdigit(static_cast<unsigned char>(text.front()))) {
      text.remove_prefix(1);
      ++count;
    }
    return count;
  };
  std::size_t mantissa = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (text.empty()) return true;
  if (text.front() != 'e' && text.front() != 'E') return false;
  text.remove_prefix(1);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return digits() > 0 && text.empty();
}

template <class T>
std::optional<T> read_whole(std::string_view text, int base) {
  T number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<json::value> integer(std::string_view text, int base) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (const auto number = read_whole<std::int64_t>(text, base)) return json::value(*number);
  if (const auto number = read_whole<std::uint64_t>(text, base)) return json::value(*number);
  return std::nullopt;
}

bool is_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isxdigit(c); });
}

Result<json::value> number_or_string(const YamlNode& node) {
  const std::string_view text = node.scalar;
  const auto whole = [&](std::string_view digits, int base) -> Result<json::value> {
    if (auto number = integer(digits, base)) return *std::move(number);
    return invalid(at(node.mark, "the integer " + node.scalar + " does not fit 64 bits"));
  };
  if (is_decimal(text)) return whole(text, 10);
  if (text.starts_with("0x") && text.size() > 2 && is_hex(text.substr(2)))
    return whole(text.substr(2), 16);
  if (text.starts_with("0o") && text.size() > 2 &&
      text.find_first_not_of("01234567", 2) == std::string_view::npos) {
    return whole(text.substr(2), 8);
  }
  const std::string_view unsigned_text =
      is_any(text.substr(0, 1), {"-", "+"}) ? text.substr(1) : text;
  if (is_any(unsigned_text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) {
    return invalid(at(node.mark, "the number " + node.scalar + " is not finite"));
  }
  if (!is_float(text)) return json::value(text);
  double number = 0;
  const std::string_view positive = text.starts_with('+') ? text.substr(1) : text;
  const auto read = std::from_chars(positive.data(), positive.data() + positive.size(), number);
  if (read.ec == std::errc() && std::isfinite(number)) return json::value(number);
  return invalid(at(node.mark, "the number " + node.scalar + " does not fit a double"));
}

}  // namespace

std::string to_string(const YamlMark& mark) {
  return std::to_string(mark.line) + ":" + std::to_string(mark.column);
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

bool YamlNode::is_null() const {
  return kind == Kind::kScalar && !quoted && is_any(scalar, {"", "~", "null", "Null", "NULL"});
}

Result<json::value> YamlNode::to_json() const {
  if (kind == Kind::kSequence) {
    json::array array;
    array.reserve(items.size());
    for (const YamlNode& item : items) {
      SERIN_TRY_ASSIGN(json::value value, item.to_json());
      array.push_back(std::move(value));
    }
    return json::value(std::move(array));
  }
  if (kind == Kind::kMap) {
    json::object object;
    object.reserve(entries.size());
    for (const Entry& entry : entries) {
      SERIN_TRY_ASSIGN(json::value value, entry.value.to_json());
      object.emplace(entry.key, std::move(value));
    }
    return json::value(std::move(object));
  }
  if (quoted) return json::value(scalar);
  if (is_null()) return json::value(nullptr);
  if (is_any(scalar, {"true", "True", "TRUE"})) return json::value(true);
  if (is_any(scalar, {"false", "False", "FALSE"})) return json::value(false);
  return number_or_string(*this);
}

Result<YamlNode> parse_yaml(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    return invalid("1:1: " + std::to_string(text.size()) + " bytes of YAML; at most " +
                   std::to_string(limits.bytes) + " are read");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  TreeBuilder builder(text, limits), second(text, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    YamlNode root = builder.take();
    if (!parser.HandleNextDocument(second)) return root;
    const YamlMistake more = after_the_end(text, root.mark, second.take().mark);
    return invalid(at(more.mark, more.what));
  } catch (Refused& refused) {
    return fail(std::move(refused.error));
  } catch (const YAML::Exception& problem) {
    const YamlMistake mistake =
        mistake_in(text, mark_of(problem.mark), problem.msg, builder.seen());
    return invalid(at(mistake.mark, mistake.what));
  }
}

}  // namespace serin
