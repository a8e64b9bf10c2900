// SPDX-License-Identifier: Apache-2.0
// The way from the top of a document to one of its values: inputs[2].labels. A value type; the
// reader and the checks name what is wrong by it, and the document says at which line and column
// that stands.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace serin::model {

class Path {
 public:
  using Step = std::variant<std::string, std::size_t>;  // a key, or a place in a list

  Path() = default;
  Path(std::string_view key) { steps_.emplace_back(std::string(key)); }  // NOLINT: "name" is a path
  Path(const char* key) : Path(std::string_view(key)) {}                 // NOLINT

  Path operator/(std::string_view key) const { return with(std::string(key)); }
  Path operator/(const char* key) const { return with(std::string(key)); }
  Path operator/(std::size_t index) const { return with(index); }

  const std::vector<Step>& steps() const { return steps_; }
  bool empty() const { return steps_.empty(); }

 private:
  Path with(Step step) const {
    Path longer = *this;
    longer.steps_.push_back(std::move(step));
    return longer;
  }
  std::vector<Step> steps_;
};

// inputs[2].labels; a key that is not a plain word stands in quotes: request["two words"]. Empty
// for the whole document.
std::string to_string(const Path& path);

}  // namespace serin::model
