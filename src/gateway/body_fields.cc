// SPDX-License-Identifier: Apache-2.0
#include "gateway/body_fields.h"

#include <charconv>
#include <cstring>

#include "base/json.h"

namespace serin::gateway {
namespace {

// Walks over JSON by its brackets and strings alone.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool ended() const { return at_ >= text_.size(); }
  std::string_view from(std::size_t begin) const { return text_.substr(begin, at_ - begin); }

  void skip_space() {
    while (!ended() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }
  bool take(char wanted) {
    skip_space();
    if (ended() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  // A string with its quotes; empty when there is none.
  std::string_view take_string() {
    skip_space();
    const std::size_t begin = at_;
    return skip_string() ? text_.substr(begin, at_ - begin) : std::string_view{};
  }
  // False: the text ends before the value does.
  bool skip_value() {
    skip_space();
    std::size_t depth = 0;
    while (!ended()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!skip_string()) return false;
        if (depth == 0) return true;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return true;  // the end of a number
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return true;
    }
    return false;
  }

 private:
  bool skip_string() {
    if (ended() || text_[at_] != '"') return false;
    std::size_t next = at_ + 1;
    while (next < text_.size()) {
      const void* found = std::memchr(text_.data() + next, '"', text_.size() - next);
      if (found == nullptr) return false;
      const auto quote = static_cast<std::size_t>(static_cast<const char*>(found) - text_.data());
      std::size_t slashes = 0;
      while (quote - slashes > at_ + 1 && text_[quote - slashes - 1] == '\\') ++slashes;
      next = quote + 1;
      if (slashes % 2 == 0) {
        at_ = next;
        return true;
      }
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string_view trimmed(std::string_view raw) {
  const std::size_t last = raw.find_last_not_of(" \n\r\t");
  return raw.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// What a raw JSON string stands for; empty when it is none, or longer than a name may be.
std::string text_of(std::string_view raw) {
  constexpr std::size_t kLongest = 1024;
  if (raw.size() < 2 || raw.size() > kLongest || raw.front() != '"') return {};
  const std::string_view inner = raw.substr(1, raw.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  const auto parsed = parse_json(raw);
  return parsed && parsed->is_string() ? std::string(parsed->as_string()) : std::string();
}

// A list of prompts, which are texts or lists of tokens; a list of numbers is one prompt.
bool is_list_of_prompts(std::string_view prompt) {
  if (!prompt.starts_with('[')) return false;
  const std::size_t first = prompt.find_first_not_of(" \n\r\t", 1);
  return first != std::string_view::npos && (prompt[first] == '"' || prompt[first] == '[');
}

// A whole number; 0 for anything else.
double number_of(std::string_view raw) {
  std::uint32_t number = 0;
  const auto read = std::from_chars(raw.data(), raw.data() + raw.size(), number);
  return read.ec == std::errc() && read.ptr == raw.data() + raw.size() ? number : 0;
}

}  // namespace

std::optional<BodyFields> scan_body(std::string_view body) {
  Scanner scanner(body);
  if (!scanner.take('{')) return std::nullopt;
  BodyFields found;
  scanner.skip_space();
  found.first_field = scanner.at();
  if (scanner.take('}')) {
    found.empty = true;
    return found;
  }
  std::string safety_identifier;
  while (true) {
    scanner.skip_space();
    const std::size_t begin = scanner.at();
    const std::string_view name = scanner.take_string();
    if (name.empty() || !scanner.take(':')) return std::nullopt;
    scanner.skip_space();
    const std::size_t value_begin = scanner.at();
    if (!scanner.skip_value()) return std::nullopt;
    const std::string_view value = trimmed(scanner.from(value_begin));
    if (name == R"("model")") {
      found.model = text_of(value);
      found.model_value = value;
    } else if (name == R"("safety_identifier")") {
      safety_identifier = text_of(value);
    } else if (name == R"("user")") {
      found.user = text_of(value);
    } else if (name == R"("max_tokens")" || name == R"("max_completion_tokens")" ||
               name == R"("max_output_tokens")") {
      found.max_tokens = number_of(value);
    } else if (name == R"("stream")") {
      found.stream = value == "true";
    } else if (name == R"("seed")") {
      found.seeded = value != "null";
      if (!found.seeded) found.null_seed = body.substr(begin, value_begin + value.size() - begin);
    } else if (name == R"("parameters")") {
      found.parameters = value;
    } else if (name == R"("n")") {
      found.one_answer = found.one_answer && (value == "1" || value == "null");
    } else if (name == R"("serin_continue")") {
      found.one_answer = false;
    } else if (name == R"("messages")" || name == R"("prompt")" || name == R"("input")") {
      found.prompt = value;
      if (name == R"("prompt")" && is_list_of_prompts(value)) found.one_answer = false;
    }
    if (scanner.take(',')) continue;
    if (!scanner.take('}')) return std::nullopt;
    if (!safety_identifier.empty()) found.user = std::move(safety_identifier);
    return found;
  }
}

std::string with_model(std::string_view body, const BodyFields& fields, std::string_view model) {
  if (fields.model_value.empty()) return std::string(body);
  const auto at = static_cast<std::size_t>(fields.model_value.data() - body.data());
  std::string made(body.substr(0, at));
  made.append("\"").append(model).append("\"");
  return made.append(body.substr(at + fields.model_value.size()));
}

std::string with_seed(std::string_view body, const BodyFields& fields, std::uint64_t seed) {
  const std::string field = "\"seed\":" + std::to_string(seed);
  std::string made;
  made.reserve(body.size() + field.size() + 1);
  if (!fields.null_seed.empty()) {
    const auto at = static_cast<std::size_t>(fields.null_seed.data() - body.data());
    made.append(body.substr(0, at)).append(field);
    return made.append(body.substr(at + fields.null_seed.size()));
  }
  made.append(body.substr(0, fields.first_field)).append(field);
  if (!fields.empty) made += ',';
  return made.append(body.substr(fields.first_field));
}

}  // namespace serin::gateway
