// SPDX-License-Identifier: Apache-2.0
#include "control/schema/schema.h"

#include <algorithm>
#include <array>
#include <regex>

#include "base/json_defaults.h"
#include "base/nearest.h"
#include "base/quantity.h"
#include "base/words.h"

namespace serin::control {
namespace {

constexpr std::array<std::string_view, 22> kKeywords = {"$schema",
                                                        "$id",
                                                        "title",
                                                        "description",
                                                        "type",
                                                        "enum",
                                                        "properties",
                                                        "required",
                                                        "additionalProperties",
                                                        "items",
                                                        "minItems",
                                                        "maxItems",
                                                        "minimum",
                                                        "maximum",
                                                        "exclusiveMinimum",
                                                        "exclusiveMaximum",
                                                        "minLength",
                                                        "maxLength",
                                                        "pattern",
                                                        "format",
                                                        "default",
                                                        "examples"};

template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
  return std::ranges::find(range, value) != std::ranges::end(range);
}

const json::value* keyword(const json::value& schema, std::string_view name) {
  return schema.as_object().if_contains(name);
}
std::string text_of(const json::value& schema, std::string_view name) {
  const json::value* value = keyword(schema, name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

Status check_schema(const json::value& schema, const std::string& path) {
  if (!schema.is_object()) return invalid(path + ": a schema is an object");
  for (const auto& member : schema.get_object()) {
    if (!contains(kKeywords, std::string_view(member.key())))
      return invalid(path + ": " + std::string(member.key()) + " is not supported");
  }
  if (const json::value* examples = keyword(schema, "examples");
      examples != nullptr && (!examples->is_array() || examples->get_array().empty()))
    return invalid(path + ": examples is a list of one or more");
  if (const json::value* properties = keyword(schema, "properties")) {
    for (const auto& property : properties->as_object())
      SERIN_TRY(check_schema(property.value(), path + "." + std::string(property.key())));
  }
  if (const json::value* items = keyword(schema, "items"))
    SERIN_TRY(check_schema(*items, path + "[]"));
  return {};
}

std::string type_of(const json::value& value) {
  if (value.is_object()) return "object";
  if (value.is_array()) return "array";
  if (value.is_string()) return "string";
  if (value.is_bool()) return "boolean";
  if (value.is_null()) return "null";
  return value.is_double() ? "number" : "integer";
}
std::string with_article(std::string_view type) {
  if (type == "object") return "a mapping";
  if (type == "array") return "a list";
  if (type == "integer") return "a whole number";
  if (type == "boolean") return "true or false";
  if (type == "null") return "nothing";
  return "a " + std::string(type);
}
std::vector<std::string_view> types_of(const json::value& schema) {
  const json::value* type = keyword(schema, "type");
  if (type == nullptr) return {};
  if (type->is_string()) return {type->get_string()};
  std::vector<std::string_view> types;
  for (const json::value& one : type->as_array()) types.emplace_back(one.as_string());
  return types;
}
bool has_type(const json::value& value, std::span<const std::string_view> types) {
  const std::string type = type_of(value);
  return types.empty() || contains(types, std::string_view(type)) ||
         (type == "integer" && contains(types, std::string_view("number")));
}

std::string shown(const json::value& value) { return canonical_json(value); }

// ", such as …" where there is an example.
std::string such_as(const json::value& schema) {
  if (text_of(schema, "format") == "duration") return R"(, such as "60s")";
  const json::value* examples = keyword(schema, "examples");
  return examples == nullptr ? "" : ", such as " + shown(examples->as_array().at(0));
}

// Walks a document and its schema side by side.
class Validation {
 public:
  std::vector<Finding> findings;

  void check(const YamlNode& node, const json::value& schema, const std::string& path) {
    if (findings.size() >= Schema::kMostFindings) return;
    if (node.kind == YamlNode::Kind::kMap && allows(schema, "object"))
      return check_fields(node, schema, path);
    if (node.kind == YamlNode::Kind::kSequence && allows(schema, "array"))
      return check_items(node, schema, path);
    const auto value = node.to_json();
    if (!value) return add(node.mark, path, value.error().message);
    if (const auto types = types_of(schema); !has_type(*value, types))
      return add(node.mark, path,
                 "must be " + wanted(types) + such_as(schema) + ", not " + given(*value));
    if (value->is_string()) check_string(*value, node.mark, schema, path);
    if (value->is_number()) check_number(*value, node.mark, schema, path);
    check_enum(*value, node.mark, schema, path);
    if (text_of(schema, "format") == "share") {
      if (const auto share = parse_share(*value); !share)
        add(node.mark, path, share.error().message);
    }
  }

 private:
  void add(const YamlMark& mark, const std::string& path, std::string message) {
    findings.push_back({mark, path, std::move(message)});
  }

  static bool allows(const json::value& schema, std::string_view type) {
    const auto types = types_of(schema);
    return types.empty() || contains(types, type);
  }
  static std::string wanted(std::span<const std::string_view> types) {
    std::vector<std::string> names;
    for (const auto type : types) names.push_back(with_article(type));
    return either(names);
  }
  static std::string given(const json::value& value) {
    if (value.is_object() || value.is_array() || value.is_null())
      return with_article(type_of(value));
    return shown(value);
  }

  void check_fields(const YamlNode& node, const json::value& schema, const std::string& path) {
    const json::value* properties = keyword(schema, "properties");
    const json::value* more = keyword(schema, "additionalProperties");
    for (const YamlNode::Entry& entry : node.entries) {
      const std::string at = path.empty() ? entry.key : path + "." + entry.key;
      const json::value* field =
          properties == nullptr ? nullptr : properties->as_object().if_contains(entry.key);
      if (field == nullptr && more != nullptr && more->is_object()) field = more;
      if (field != nullptr) {
        check(entry.value, *field, at);
      } else if (more != nullptr && more->is_bool() && !more->get_bool()) {
        add(entry.mark, at, "is not a field" + meant(entry.key, properties));
      }
    }
    const json::value* required = keyword(schema, "required");
    if (required == nullptr) return;
    for (const json::value& name : required->as_array()) {
      if (node.find(name.as_string()) == nullptr)
        add(node.mark, path, std::string(name.as_string()) + " is missing");
    }
  }

  static std::string meant(std::string_view key, const json::value* properties) {
    std::vector<std::string_view> known;
    if (properties != nullptr) {
      for (const auto& property : properties->as_object()) known.emplace_back(property.key());
    }
    const std::string_view name = nearest(key, known);
    return name.empty() ? std::string() : "; did you mean " + std::string(name) + "?";
  }

  void check_items(const YamlNode& node, const json::value& schema, const std::string& path) {
    const auto count = static_cast<std::int64_t>(node.items.size());
    if (const json::value* least = keyword(schema, "minItems");
        least && count < least->to_number<std::int64_t>())
      add(node.mark, path, "must have at least " + shown(*least) + " items");
    if (const json::value* most = keyword(schema, "maxItems");
        most && count > most->to_number<std::int64_t>())
      return add(node.mark, path, "must have at most " + shown(*most) + " items");
    const json::value* items = keyword(schema, "items");
    if (items == nullptr) return;
    for (std::size_t i = 0; i < node.items.size(); ++i)
      check(node.items[i], *items, path + "[" + std::to_string(i) + "]");
  }

  void check_string(const json::value& value, const YamlMark& mark, const json::value& schema,
                    const std::string& path) {
    const std::string text(value.as_string());
    const auto length = static_cast<std::int64_t>(text.size());
    if (const json::value* least = keyword(schema, "minLength");
        least && length < least->to_number<std::int64_t>())
      add(mark, path,
          length == 0 ? "must not be empty"
                      : "must have at least " + shown(*least) + " characters");
    // Before the pattern, so that a regular expression never sees a long text.
    constexpr std::int64_t kLongest = 4096;
    const json::value* most = keyword(schema, "maxLength");
    const std::int64_t longest = most == nullptr ? kLongest : most->to_number<std::int64_t>();
    if (length > longest)
      return add(mark, path, "must have at most " + std::to_string(longest) + " characters");
    const std::string pattern = text_of(schema, "pattern");
    if (!pattern.empty() && !std::regex_search(text, std::regex(pattern, std::regex::ECMAScript)))
      add(mark, path, shown(value) + " does not have the form " + pattern + such_as(schema));
    if (text_of(schema, "format") == "duration") {
      if (const auto duration = parse_duration(text); !duration)
        add(mark, path, duration.error().message);
    }
  }

  void check_number(const json::value& value, const YamlMark& mark, const json::value& schema,
                    const std::string& path) {
    const double number = value.to_number<double>();
    const auto bound = [&](std::string_view name, std::string_view words, auto breaks) {
      const json::value* limit = keyword(schema, name);
      if (limit != nullptr && breaks(number, limit->to_number<double>()))
        add(mark, path,
            "must be " + std::string(words) + " " + shown(*limit) + ", not " + shown(value));
    };
    bound("minimum", "at least", std::less());
    bound("maximum", "at most", std::greater());
    bound("exclusiveMinimum", "more than", std::less_equal());
    bound("exclusiveMaximum", "less than", std::greater_equal());
  }

  void check_enum(const json::value& value, const YamlMark& mark, const json::value& schema,
                  const std::string& path) {
    const json::value* known = keyword(schema, "enum");
    if (known == nullptr || contains(known->as_array(), value)) return;
    std::vector<std::string> names;
    for (const json::value& one : known->as_array())
      names.emplace_back(one.is_string() ? std::string(one.get_string()) : shown(one));
    const std::vector<std::string_view> views(names.begin(), names.end());
    std::string message = shown(value) + " is not known; must be " + either(names);
    if (value.is_string()) {
      if (const auto name = nearest(value.get_string(), views); !name.empty() && names.size() > 1)
        message = shown(value) + " is not known; did you mean " + std::string(name) +
                  "? It must be " + either(names);
    }
    add(mark, path, std::move(message));
  }
};

// "string, default canary; one of canary, blueGreen"
std::string summary(const json::value& schema) {
  std::vector<std::string> types;
  for (const auto type : types_of(schema)) types.emplace_back(type);
  std::string text = either(types);
  if (const std::string format = text_of(schema, "format"); !format.empty())
    text += " (" + format + ")";
  const auto add = [&](std::string_view name, std::string_view words) {
    if (const json::value* value = keyword(schema, name))
      text += ", " + std::string(words) + " " + shown(*value);
  };
  add("minimum", "at least");
  add("exclusiveMinimum", "more than");
  add("maximum", "at most");
  add("exclusiveMaximum", "less than");
  if (const json::value* known = keyword(schema, "enum")) {
    std::vector<std::string> names;
    for (const json::value& one : known->as_array()) names.emplace_back(shown(one));
    text += ", one of " + either(names);
  }
  if (const json::value* value = keyword(schema, "default");
      value && !value->is_object() && !value->is_array())
    text += ", default " + shown(*value);
  return text;
}

}  // namespace

std::string findings_text(const std::vector<Finding>& findings, std::string_view file) {
  std::string text;
  for (const Finding& finding : findings) {
    if (!text.empty()) text += "\n";
    text += std::string(file) + ":" + to_string(finding.mark) + ": ";
    if (!finding.path.empty()) text += finding.path + ": ";
    text += finding.message;
  }
  return text;
}

Result<Schema> Schema::create(json::value document) {
  SERIN_TRY(check_schema(document, "schema"));
  return Schema(std::move(document));
}

std::vector<Finding> Schema::validate(const YamlNode& document) const {
  Validation validation;
  validation.check(document, root_, "");
  return std::move(validation.findings);
}

json::value Schema::with_defaults(const json::value& document) const {
  return serin::with_defaults(document, root_);
}

Result<std::string> Schema::explain(std::string_view path) const {
  const json::value* at = &root_;
  std::string walked;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t dot = rest.find('.');
    std::string_view name = rest.substr(0, dot);
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    name = name.substr(0, name.find('['));
    if (const json::value* items = keyword(*at, "items")) at = items;
    const json::value* properties = keyword(*at, "properties");
    const json::value* field =
        properties == nullptr ? nullptr : properties->as_object().if_contains(name);
    if (field == nullptr) {
      std::vector<std::string_view> known;
      if (properties != nullptr) {
        for (const auto& property : properties->as_object()) known.emplace_back(property.key());
      }
      std::string message =
          (walked.empty() ? "a manifest" : walked) + " has no field " + std::string(name);
      if (const auto meant = nearest(name, known); !meant.empty())
        message += "; did you mean " + std::string(meant) + "?";
      return fail(Code::kNotFound, std::move(message));
    }
    walked += (walked.empty() ? "" : ".") + std::string(name);
    at = field;
  }
  std::string text = (walked.empty() ? text_of(*at, "title") : walked) + "  <" + summary(*at) +
                     ">\n\n" + text_of(*at, "description") + "\n";
  if (const json::value* items = keyword(*at, "items")) at = items;
  if (const json::value* properties = keyword(*at, "properties")) {
    text += "\nFields:\n";
    for (const auto& property : properties->as_object()) {
      text += "  " + std::string(property.key()) + "  <" + summary(property.value()) + ">\n      " +
              text_of(property.value(), "description") + "\n";
    }
  }
  return text;
}

}  // namespace serin::control
