// SPDX-License-Identifier: Apache-2.0
// Reads the fields of a configuration's JSON into variables that hold their defaults, and keeps the
// first thing that is wrong with its path. For config*.cc, and feedback; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "base/quantity.h"

namespace serin::gateway {

using std::chrono::milliseconds;

// The first thing that is wrong, with the path of its field.
class Errors {
 public:
  void add(const std::string& path, std::string_view what) {
    if (!first_) first_ = Error{Code::kInvalidArgument, path + ": " + std::string(what), {}, path};
  }
  Status status() const {
    if (first_) return fail(*first_);
    return {};
  }

 private:
  std::optional<Error> first_;
};

// One JSON object: what is there goes into the variables that hold the defaults.
class Object {
 public:
  Object(Errors& errors, const json::value& value, std::string path)
      : errors_(errors), fields_(value.if_object()), path_(std::move(path)) {
    if (fields_ == nullptr) errors_.add(path_, "must be an object");
  }

  const json::value* find(std::string_view name) {
    known_.push_back(name);
    return fields_ == nullptr ? nullptr : fields_->if_contains(name);
  }
  std::string at(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  void text(std::string_view name, std::string& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return errors_.add(at(name), "must be a text");
    into = value->as_string();
  }
  void flag(std::string_view name, bool& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_bool()) return errors_.add(at(name), "must be true or false");
    into = value->as_bool();
  }
  template <class Integer>
  void integer(std::string_view name, Integer& into, std::uint64_t most) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    boost::system::error_code wrong;
    const auto number = value->to_number<std::uint64_t>(wrong);
    if (wrong || number > most)
      return errors_.add(at(name), "must be an integer from 0 to " + std::to_string(most));
    into = static_cast<Integer>(number);
  }
  void number(std::string_view name, double& into, int most) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const double number = value->is_number() ? value->to_number<double>() : -1;
    if (!(number >= 0 && number <= most))
      return errors_.add(at(name), "must be a number from 0 to " + std::to_string(most));
    into = number;
  }
  void duration(std::string_view name, milliseconds& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto* text = value->if_string();
    if (text == nullptr) return errors_.add(at(name), "must be a duration such as 250ms or 60s");
    const auto seconds = parse_duration(*text);
    if (!seconds) return errors_.add(at(name), seconds.error().message);
    into = milliseconds(static_cast<std::int64_t>(*seconds * 1000 + 0.5));
  }
  void share(std::string_view name, double& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto share = parse_share(*value);
    if (!share) return errors_.add(at(name), share.error().message);
    into = *share;
  }
  template <class Choice>
  void choice(std::string_view name, Choice& into,
              std::initializer_list<std::pair<std::string_view, Choice>> choices) {
    std::string text;
    this->text(name, text);
    std::string names;
    for (const auto& [word, meaning] : choices) {
      if (text == word) {
        into = meaning;
        return;
      }
      names += (names.empty() ? "" : ", ") + std::string(word);
    }
    if (!text.empty()) errors_.add(at(name), "\"" + text + "\" must be one of " + names);
  }
  template <class Read>
  void object(std::string_view name, Read read) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    Object inner(errors_, *value, at(name));
    read(inner);
    inner.no_others();
  }
  template <class Read>
  void each(std::string_view name, Read read) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    const auto* list = value->if_array();
    if (list == nullptr) return errors_.add(at(name), "must be a list");
    for (std::size_t i = 0; i < list->size(); ++i) {
      Object inner(errors_, (*list)[i], at(name) + "[" + std::to_string(i) + "]");
      read(inner);
      inner.no_others();
    }
  }
  void no_others() {
    if (fields_ == nullptr) return;
    for (const auto& field : *fields_) {
      const std::string_view name = field.key();
      if (std::ranges::find(known_, name) != known_.end()) continue;
      const std::string_view close = nearest(name, known_);
      errors_.add(at(name), "is not a field of this object" +
                                (close.empty() ? std::string()
                                               : "; did you mean " + std::string(close) + "?"));
    }
  }
  void wrong(std::string_view name, std::string_view what) { errors_.add(at(name), what); }

 private:
  Errors& errors_;
  const json::object* fields_;
  std::string path_;
  std::vector<std::string_view> known_;  // literals
};

// As duration() reads it.
inline std::string text_of(milliseconds time) { return std::to_string(time.count()) + "ms"; }

}  // namespace serin::gateway
