// SPDX-License-Identifier: Apache-2.0
// Reads one document field by field. The first thing that is wrong is kept and everything after it
// reads as empty, so that a reader is a straight list of fields; whoever began looks at Problems
// once, at the end. One thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/nearest.h"
#include "base/shown.h"
#include "base/tensor.h"
#include "base/yaml.h"
#include "model/path.h"

namespace serin::model {

struct Problem {
  Path path;
  std::string message;
};

class Problems {
 public:
  void add(const Path& path, std::string message) {
    if (!first_) first_ = Problem{path, std::move(message)};
  }
  bool any() const { return first_.has_value(); }
  const Problem& first() const { return *first_; }

 private:
  std::optional<Problem> first_;
};

// "FILE:LINE:COLUMN: path: message", with the path as the error's param; `root` is the document.
Error error_of(const Problem& problem, const YamlNode& root, std::string_view file_name);

template <class E>
using Names = std::initializer_list<std::pair<std::string_view, E>>;

// A value of the document and where it stands. Null where the field is absent and optional.
class Value {
 public:
  Value(const json::value* value, Path path, Problems& problems)
      : value_(value), path_(std::move(path)), problems_(&problems) {}

  bool present() const { return value_ != nullptr && !problems_->any(); }
  const json::value& json() const { return *value_; }
  const Path& path() const { return path_; }
  Problems& problems() const { return *problems_; }
  void wrong(std::string message) const { problems_->add(path_, std::move(message)); }

  // Each gives `otherwise` for an absent field, and says what is wrong with a present one.
  std::string text(std::string_view otherwise = "") const;
  std::string word(std::string_view otherwise = "") const;  // text that must not be empty
  std::int64_t integer(std::int64_t least, std::int64_t most, std::int64_t otherwise = 0) const;
  double number(double least, double most, double otherwise = 0) const;
  bool boolean(bool otherwise) const;
  DType dtype(DType otherwise = DType::kFloat32) const;
  std::vector<Value> list() const;
  std::vector<std::string> words() const;
  // Sizes of dimensions; with names ("N") where `named` has them.
  Shape shape(std::span<const std::pair<std::string_view, std::int64_t>> named = {}) const;

  template <class E>
  E one_of(Names<E> names, E otherwise) const {
    if (!present()) return otherwise;
    const std::string given = text();
    std::vector<std::string_view> known;
    for (const auto& [name, value] : names) {
      if (name == given) return value;
      known.push_back(name);
    }
    not_one_of(given, known);
    return otherwise;
  }

 private:
  void not_one_of(std::string_view given, std::span<const std::string_view> known) const;
  void wrong_type(std::string_view wanted) const;

  const json::value* value_;
  Path path_;
  Problems* problems_;
};

// A mapping with a closed set of fields.
class Fields {
 public:
  Fields(const Value& value, std::initializer_list<std::string_view> known);

  Value operator[](std::string_view name) const;  // may be absent
  Value required(std::string_view name) const;    // absence is a problem
  bool has(std::string_view name) const;
  const Path& path() const { return path_; }
  void wrong(std::string message) const { problems_->add(path_, std::move(message)); }
  void wrong(std::string_view field, std::string message) const {
    problems_->add(path_ / field, std::move(message));
  }

 private:
  const json::object* object_ = nullptr;  // null: not a mapping
  Path path_;
  Problems* problems_;
};

}  // namespace serin::model
