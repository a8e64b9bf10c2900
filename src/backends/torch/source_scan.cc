// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/source_scan.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace serin::backends {
namespace {

// Namespaces of arithmetic. Left out on purpose: c10d and symm_mem (network), cuda (streams of the
// process), inductor and mkldnn (raw pointers), debugprims (files), and whatever a library of
// somebody else's registers.
constexpr std::string_view kNamespaces[] = {
    "aten",       "prim",         "prims",     "quantized",
    "_quantized", "sparse",       "prepacked", "mkldnn_prepacked",
    "onednn",     "quantization", "profiler"};

// The only operators of those namespaces that PyTorch 2.11 registers with a file's name among their
// arguments.
constexpr std::string_view kFileOperations[] = {"save", "from_file"};
constexpr std::string_view kOutside[] = {"PythonOp", "IgnoredPythonOp", "rpc_async", "rpc_sync",
                                         "rpc_remote"};

bool is_any(std::string_view name, const auto& list) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool is_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Names, strings and dots of a text; all else is a separator.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  struct Word {
    enum class Kind { kName, kString, kDot, kOther, kEnd } kind;
    std::string_view text;
  };

  Word next() {
    skip();
    if (at_ >= text_.size()) return {Word::Kind::kEnd, {}};
    const char c = text_[at_];
    const std::size_t begin = at_;
    if (c == '"' || c == '\'') return string(c);
    if (is_letter(c)) {
      while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
      return {Word::Kind::kName, text_.substr(begin, at_ - begin)};
    }
    ++at_;
    return {c == '.' ? Word::Kind::kDot : Word::Kind::kOther, text_.substr(begin, 1)};
  }

 private:
  void skip() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#')
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (c == '\\' || std::isspace(static_cast<unsigned char>(c)) != 0)
        ++at_;
      else
        return;
    }
  }
  Word string(char quote) {
    const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
    const bool is_triple = text_.substr(at_).starts_with(triple);
    const std::size_t width = is_triple ? 3 : 1;
    const std::size_t begin = at_ += width;
    while (at_ < text_.size()) {
      if (text_[at_] == '\\') {
        at_ = std::min(at_ + 2, text_.size());
        continue;
      }
      if (is_triple ? text_.substr(at_).starts_with(triple) : text_[at_] == quote) break;
      ++at_;
    }
    const Word word{Word::Kind::kString, text_.substr(begin, at_ - begin)};
    at_ = std::min(at_ + width, text_.size());
    return word;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// One dotted name, as "torch.ops.aten.add"; its first part is empty when it continues an expression
// (").add").
std::optional<std::string> forbidden_in_name(const std::vector<std::string_view>& parts) {
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (is_any(parts[i], kFileOperations)) return "aten::" + std::string(parts[i]);
  }
  std::size_t first = parts[0] == "torch" && parts.size() > 1 && parts[1] == "ops" ? 1 : 0;
  if (parts[first] == "ops" && parts.size() > first + 2) {
    const std::string name = std::string(parts[first + 1]) + "::" + std::string(parts[first + 2]);
    if (!is_allowed_operation(name)) return name;
  }
  if (is_any(parts.back(), kOutside)) return "prim::" + std::string(parts.back());
  for (std::size_t i = 1; i + 1 < parts.size(); ++i) {
    if (parts[i] == "classes" && parts[i - 1] == "torch" && parts[i + 1] != "quantized") {
      return "torch.classes." + std::string(parts[i + 1]);
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_allowed_operation(std::string_view qualified) {
  const std::size_t colons = qualified.find("::");
  if (colons == std::string_view::npos) return false;
  const std::string_view name = qualified.substr(colons + 2);
  return is_any(qualified.substr(0, colons), kNamespaces) && !is_any(name, kFileOperations) &&
         !is_any(name, kOutside);
}

bool is_allowed_class(std::string_view qualified) {
  constexpr std::string_view kClasses = "__torch__.torch.classes.";
  return !qualified.starts_with(kClasses) ||
         qualified.substr(kClasses.size()).starts_with("quantized.");
}

std::optional<std::string> forbidden_in_source(std::string_view code) {
  using Kind = Words::Word::Kind;
  Words words(code);
  Words::Word word = words.next();
  bool getattr = false;  // since the last getattr( no other string was seen
  while (word.kind != Kind::kEnd) {
    if (word.kind == Kind::kString) {
      if (getattr && is_any(word.text, kFileOperations)) return "aten::" + std::string(word.text);
      getattr = false;
    }
    if (word.kind != Kind::kName && word.kind != Kind::kDot) {
      word = words.next();
      continue;
    }
    std::vector<std::string_view> parts;
    if (word.kind == Kind::kName) {
      getattr = getattr || word.text == "getattr";
      parts.push_back(word.text);
      word = words.next();
    } else {
      parts.emplace_back();
    }
    while (word.kind == Kind::kDot) {
      word = words.next();
      if (word.kind != Kind::kName) break;
      parts.push_back(word.text);
      word = words.next();
    }
    if (auto found = forbidden_in_name(parts)) return found;
  }
  return std::nullopt;
}

}  // namespace serin::backends
