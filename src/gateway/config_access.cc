// SPDX-License-Identifier: Apache-2.0
#include "base/issuer.h"
#include "gateway/access/sources.h"
#include "gateway/config_parts.h"

namespace serin::gateway {
namespace {

void read_words(Object& object, std::string_view name, std::vector<std::string>& into) {
  const json::value* value = object.find(name);
  if (value == nullptr) return;
  const auto* list = value->if_array();
  into.clear();
  for (const json::value& one : list == nullptr ? json::array() : *list) {
    if (one.is_string()) into.emplace_back(one.get_string());
  }
  if (list == nullptr || into.size() != list->size()) object.wrong(name, "must be a list of texts");
}

void read_rule(Object& object, JwtRule& into) {
  object.text("issuer", into.issuer);
  if (into.issuer.empty()) object.wrong("issuer", "must not be empty");
  read_words(object, "audiences", into.audiences);
  object.text("jwksUri", into.jwks_uri);
  object.text("jwksFile", into.jwks_file);
  if (!into.jwks_uri.empty() && !into.jwks_file.empty())
    object.wrong("jwksUri", "is there beside jwksFile: one of them");
  if (token_keys_of(into).kind == TokenKeys::Kind::kIssuer && !says_its_keys(into.issuer))
    object.wrong("jwksUri",
                 "must be given, or jwksFile: an issuer that is no https:// URL cannot "
                 "say where its keys are");
  std::vector<std::string> names;
  read_words(object, "algorithms", names);
  if (!names.empty()) into.algorithms.clear();
  for (const std::string& name : names) {
    const auto algorithm = parse_algorithm(name);
    if (algorithm) {
      into.algorithms.push_back(*algorithm);
    } else {
      object.wrong("algorithms", algorithm.error().message);
    }
  }
  milliseconds leeway = into.leeway;
  object.duration("leeway", leeway);
  into.leeway = std::chrono::ceil<std::chrono::seconds>(leeway);
}

}  // namespace

void read_access_fields(Object& object, AccessRules& into) {
  object.text("keyFile", into.key_file);
  object.each("jwtRules", [&](Object& rule) { read_rule(rule, into.jwt_rules.emplace_back()); });
}

json::object write_access(const AccessRules& from) {
  json::object fields;
  if (!from.key_file.empty()) fields["keyFile"] = from.key_file;
  json::array rules;
  for (const JwtRule& rule : from.jwt_rules) {
    json::array algorithms;
    for (const JwtAlgorithm algorithm : rule.algorithms)
      algorithms.push_back(json::value(name_of(algorithm)));
    json::object made{{"issuer", rule.issuer},
                      {"audiences", json::value_from(rule.audiences)},
                      {"algorithms", std::move(algorithms)},
                      {"leeway", text_of(rule.leeway)}};
    if (!rule.jwks_uri.empty()) made["jwksUri"] = rule.jwks_uri;
    if (!rule.jwks_file.empty()) made["jwksFile"] = rule.jwks_file;
    rules.push_back(std::move(made));
  }
  if (!rules.empty()) fields["jwtRules"] = std::move(rules);
  return fields;
}

Result<AccessRules> read_access(const json::value& fields, std::string_view path) {
  Errors errors;
  AccessRules made;
  Object object(errors, fields, std::string(path));
  read_access_fields(object, made);
  object.no_others();
  SERIN_TRY(errors.status());
  return made;
}

}  // namespace serin::gateway
