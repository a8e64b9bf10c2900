// SPDX-License-Identifier: Apache-2.0
#include "worker/api/fields.h"

#include <vector>

#include "base/nearest.h"

namespace serin::worker::api {

tl::unexpected<Error> wrong_field(std::string_view name, std::string_view what) {
  return fail(Error{Code::kInvalidArgument, std::string(name) + " must be " + std::string(what),
                    "invalid_value", std::string(name)});
}

const json::value* Fields::any(std::string_view name) {
  read_.emplace(name);
  const json::value* value = body_->if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::optional<std::string>> Fields::string(std::string_view name) {
  const json::value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return wrong_field(name, "a string");
  return std::string(value->get_string());
}

Result<std::optional<bool>> Fields::boolean(std::string_view name) {
  const json::value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) return wrong_field(name, "true or false");
  return value->get_bool();
}

Result<std::optional<std::int64_t>> Fields::integer(std::string_view name, std::int64_t least,
                                                    std::int64_t most) {
  const json::value* value = any(name);
  if (value == nullptr) return std::nullopt;
  json::error_code failed;
  const auto number = value->is_number() ? value->to_number<std::int64_t>(failed) : 0;
  if (!value->is_number() || failed || number < least || number > most) {
    return wrong_field(name,
                       "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

Result<std::optional<json::object>> Fields::object(std::string_view name) {
  const json::value* value = any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) return wrong_field(name, "an object");
  return value->get_object();
}

void Fields::ignore(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) read_.emplace(name);
}

void Fields::pass(std::initializer_list<std::string_view> names, json::object& into) {
  for (const std::string_view name : names) {
    if (const json::value* value = any(name)) into[name] = *value;
  }
}

void Fields::pass_rest(json::object& into) {
  for (const auto& [name, value] : *body_) {
    if (read_.emplace(name).second) into[name] = value;
  }
}

Status Fields::no_others() const {
  for (const auto& field : *body_) {
    const std::string_view name = field.key();
    if (read_.contains(name)) continue;
    const std::vector<std::string_view> known(read_.begin(), read_.end());
    const std::string_view meant = nearest(name, known);
    return fail(Error{Code::kInvalidArgument,
                      "unknown field: " + std::string(name) +
                          (meant.empty() ? "" : "; did you mean " + std::string(meant) + "?"),
                      "unknown_parameter", std::string(name)});
  }
  return {};
}

}  // namespace serin::worker::api
