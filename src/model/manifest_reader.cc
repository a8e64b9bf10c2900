// SPDX-License-Identifier: Apache-2.0
#include "model/manifest_reader.h"

#include <algorithm>
#include <cmath>

#include "base/words.h"

namespace serin::model {
namespace {

bool plain(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// An integer that JSON's numbers hold exactly, written with or without a fraction of zero.
std::optional<std::int64_t> integral(const json::value& value) {
  if (const auto* i = value.if_int64()) return *i;
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (const auto* d = value.if_double();
      d != nullptr && std::trunc(*d) == *d && std::abs(*d) <= kExact) {
    return static_cast<std::int64_t>(*d);
  }
  return std::nullopt;
}

std::string describe(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "nothing";
    case json::kind::bool_:
      return value.get_bool() ? "true" : "false";
    case json::kind::string:
      return shown(value.get_string());
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "a mapping";
    default:
      return "the number " + shown(value.to_number<double>());
  }
}

}  // namespace

std::string to_string(const Path& path) {
  std::string text;
  for (const Path::Step& step : path.steps()) {
    if (const auto* index = std::get_if<std::size_t>(&step)) {
      text += '[' + std::to_string(*index) + ']';
    } else if (const std::string& key = std::get<std::string>(step); plain(key)) {
      if (!text.empty()) text += '.';
      text += key;
    } else {
      text += '[' + shown(key) + ']';
    }
  }
  return text;
}

namespace {

// Where a field begins: its key, or the item of its list. The nearest place above for what is
// absent.
YamlMark locate(const YamlNode& root, const Path& path) {
  const YamlNode* node = &root;
  YamlMark mark = root.mark;
  for (const Path::Step& step : path.steps()) {
    if (const auto* index = std::get_if<std::size_t>(&step)) {
      if (*index >= node->items.size()) return mark;
      node = &node->items[*index];
      mark = node->mark;
      continue;
    }
    const auto entry =
        std::ranges::find(node->entries, std::get<std::string>(step), &YamlNode::Entry::key);
    if (entry == node->entries.end()) return mark;
    node = &entry->value;
    mark = entry->mark;
  }
  return mark;
}

}  // namespace

Error error_of(const Problem& problem, const YamlNode& root, std::string_view file_name) {
  const std::string param = to_string(problem.path);
  const std::string place =
      std::string(file_name) + ":" + to_string(locate(root, problem.path)) + ": ";
  return {Code::kInvalidArgument,
          place + (param.empty() ? "" : param + ": ") + problem.message,
          {},
          param};
}

void Value::wrong_type(std::string_view wanted) const {
  std::string message = "must be " + std::string(wanted) + ", not " + describe(*value_);
  const bool scalar =
      !value_->is_array() && !value_->is_object() && !value_->is_string() && !value_->is_null();
  if (wanted.starts_with("a string") && scalar) message += "; put it in quotes";
  wrong(std::move(message));
}

void Value::not_one_of(std::string_view given, std::span<const std::string_view> known) const {
  if (!value_->is_string()) return;  // text() has said so
  std::string message = shown(given) + " is not known; must be " + either(known);
  if (const std::string_view meant = nearest(given, known); !meant.empty()) {
    message = shown(given) + " is not known; did you mean " + std::string(meant) + "? It must be " +
              either(known);
  }
  wrong(std::move(message));
}

std::string Value::text(std::string_view otherwise) const {
  if (!present()) return std::string(otherwise);
  if (const auto* string = value_->if_string()) return std::string(*string);
  wrong_type("a string");
  return {};
}

std::string Value::word(std::string_view otherwise) const {
  if (!present()) return std::string(otherwise);
  std::string result = text();
  if (result.empty()) wrong("must not be empty");
  return result;
}

std::int64_t Value::integer(std::int64_t least, std::int64_t most, std::int64_t otherwise) const {
  if (!present()) return otherwise;
  const auto number = integral(*value_);
  if (!number) {
    wrong_type("an integer");
    return otherwise;
  }
  if (*number < least || *number > most) {
    wrong("must be from " + std::to_string(least) + " to " + std::to_string(most) + ", not " +
          std::to_string(*number));
    return otherwise;
  }
  return *number;
}

double Value::number(double least, double most, double otherwise) const {
  if (!present()) return otherwise;
  if (!value_->is_number()) {
    wrong_type("a number");
    return otherwise;
  }
  const auto number = value_->to_number<double>();
  if (!(number >= least && number <= most)) {
    wrong("must be from " + shown(least) + " to " + shown(most) + ", not " + shown(number));
    return otherwise;
  }
  return number;
}

bool Value::boolean(bool otherwise) const {
  if (!present()) return otherwise;
  if (const auto* flag = value_->if_bool()) return *flag;
  wrong_type("true or false");
  return otherwise;
}

DType Value::dtype(DType otherwise) const {
  if (!present()) return otherwise;
  static constexpr std::string_view kNames[] = {"float32", "float16", "bfloat16", "float64",
                                                "int8",    "uint8",   "int16",    "int32",
                                                "int64",   "bool"};
  const std::string name = text();
  if (const auto found = dtype_named(name)) return *found;
  not_one_of(name, kNames);
  return otherwise;
}

std::vector<Value> Value::list() const {
  std::vector<Value> items;
  if (!present()) return items;
  const auto* array = value_->if_array();
  if (array == nullptr) {
    wrong_type("a list");
    return items;
  }
  items.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i)
    items.emplace_back(&(*array)[i], path_ / i, *problems_);
  return items;
}

std::vector<std::string> Value::words() const {
  std::vector<std::string> result;
  for (const Value& item : list()) result.push_back(item.word());
  return result;
}

Shape Value::shape(std::span<const std::pair<std::string_view, std::int64_t>> named) const {
  constexpr std::int64_t kMostDimensions = 8;
  constexpr std::int64_t kMostSize = std::int64_t{1} << 31;
  Shape result;
  for (const Value& item : list()) {
    if (!item.present()) break;
    if (!item.json().is_string()) {
      result.push_back(item.integer(1, kMostSize, 1));
      continue;
    }
    const auto found =
        std::ranges::find(named, item.text(), &std::pair<std::string_view, std::int64_t>::first);
    if (found == named.end()) {
      std::string names;
      for (const auto& [name, value] : named) names += std::string(name) + ", ";
      item.wrong(shown(item.text()) + " is not a dimension; must be " + names +
                 (names.empty() ? "" : "or ") + "a number from 1");
      break;
    }
    result.push_back(found->second);
  }
  if (result.size() > kMostDimensions)
    wrong("must have at most 8 dimensions, not " + std::to_string(result.size()));
  return result;
}

Fields::Fields(const Value& value, std::initializer_list<std::string_view> known)
    : path_(value.path()), problems_(&value.problems()) {
  if (!value.present()) return;
  object_ = value.json().if_object();
  if (object_ == nullptr) {
    value.wrong("must be a mapping, not " + describe(value.json()));
    return;
  }
  for (const auto& member : *object_) {
    const std::string_view key = member.key();
    if (std::ranges::find(known, key) != known.end()) continue;
    const std::string_view meant = nearest(key, std::span(known.begin(), known.size()));
    problems_->add(path_ / key, meant.empty()
                                    ? "is not a field here; the fields are " + listed(known, "and")
                                    : "is not a field; did you mean " + std::string(meant) + "?");
  }
}

bool Fields::has(std::string_view name) const {
  return object_ != nullptr && object_->contains(name);
}

Value Fields::operator[](std::string_view name) const {
  return {object_ == nullptr ? nullptr : object_->if_contains(name), path_ / name, *problems_};
}

Value Fields::required(std::string_view name) const {
  if (object_ != nullptr && !has(name)) wrong(std::string(name) + " is missing");
  return (*this)[name];
}

}  // namespace serin::model
