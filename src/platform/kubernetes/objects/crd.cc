// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/crd.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/json_defaults.h"
#include "platform/kubernetes/objects/crd_rules.h"
#include "platform/kubernetes/objects/status_json.h"

namespace serin::platform::kubernetes {
namespace {

// A duration as base/quantity.h reads it. Kubernetes' own format of that name knows no days.
constexpr std::string_view kDuration = R"(^([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+$)";
constexpr std::string_view kShare = R"(^[0-9]+(\.[0-9]+)?%$)";

bool is_any(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

std::string below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

// A number or a string, which has no type on a cluster.
void add_share(json::object& node) {
  node["x-kubernetes-preserve-unknown-fields"] = true;
  node["minimum"] = 0;
  node["maximum"] = 1;
  node["pattern"] = kShare;
}

void add_format(json::object& node, std::string_view format) {
  if (format == "share") return add_share(node);
  if (format != "duration") {
    node["format"] = format;
    return;
  }
  node["maxLength"] = 32;
  node["pattern"] = kDuration;
}

void amend(json::object& node, const std::string& path) {
  json::array rules;
  for (const CelRule& rule : kCelRules) {
    if (rule.path == path) rules.push_back({{"rule", rule.rule}, {"message", rule.message}});
  }
  if (!rules.empty()) node["x-kubernetes-validations"] = std::move(rules);
  for (const Amendment& amendment : kAmendments) {
    if (amendment.path != path) continue;
    const auto keywords = parse_json(amendment.keywords);
    SERIN_CHECK(keywords.has_value());
    for (const auto& [name, value] : keywords->as_object()) {
      if (value.is_null()) {
        node.erase(name);
      } else {
        node[name] = value;
      }
    }
  }
}

json::object structural(const json::value& schema, const std::string& path);

json::object all_structural(const json::value& properties, const std::string& path) {
  json::object fields;
  for (const auto& [name, field] : properties.as_object())
    fields[name] = structural(field, below(path, name));
  return fields;
}

json::object structural(const json::value& schema, const std::string& path) {
  json::object node;
  for (const auto& [name, value] : schema.as_object()) {
    if (is_any(name, {"$schema", "$id", "title", "examples"})) continue;
    if (name == "format") {
      add_format(node, value.as_string());
    } else if (name == "type") {
      if (value.is_string()) node[name] = value;
    } else if (name == "exclusiveMinimum" || name == "exclusiveMaximum") {
      node[name == "exclusiveMinimum" ? "minimum" : "maximum"] = value;
      node[name] = true;
    } else if (name == "properties") {
      node[name] = all_structural(value, path);
    } else if (name == "items") {
      node[name] = structural(value, path + "[]");
    } else if (name != "additionalProperties" || value.is_object()) {
      node[name] = value;
    }
  }
  const auto* type = node.if_contains("type");
  if (type != nullptr && *type == "object" && !node.contains("properties") &&
      !node.contains("additionalProperties"))
    node["x-kubernetes-preserve-unknown-fields"] = true;
  amend(node, path);
  // A cluster tries rules on a default as it stands there: it has to be whole.
  if (json::value* otherwise = node.if_contains("default"))
    *otherwise = with_defaults(*otherwise, node);
  return node;
}

json::object column(std::string_view name, std::string_view type, std::string_view path,
                    std::string_view description) {
  return {{"name", name}, {"type", type}, {"jsonPath", path}, {"description", description}};
}

json::array columns() {
  return {column("Model", "string", ".spec.model", "What is wanted."),
          column("Stable", "string", ".status.stable", "The version that serves."),
          column("Candidate", "string", ".status.candidate", "The version that is being tried."),
          column("Weight", "integer", ".status.weight", "Percent of the requests it gets."),
          column("Ready", "string", R"(.status.conditions[?(@.type=="Ready")].status)",
                 "Whether the stable version has its workers."),
          column("Age", "date", ".metadata.creationTimestamp", "Since it was made.")};
}

// A service is called what its Service is called: a label of DNS that begins with a letter.
json::object metadata_schema() {
  return {
      {"type", "object"},
      {"properties",
       {{"name",
         {{"type", "string"}, {"pattern", "^[a-z]([-a-z0-9]*[a-z0-9])?$"}, {"maxLength", 63}}}}}};
}

json::object root_schema(const json::value& manifest, const json::value& status) {
  const json::value& fields = manifest.at("properties");
  json::object root{
      {"type", "object"},
      {"description", manifest.at("description")},
      {"required", {"spec"}},
      {"properties",
       {{"apiVersion",
         {{"type", "string"}, {"description", fields.at("apiVersion").at("description")}}},
        {"kind", {{"type", "string"}, {"description", fields.at("kind").at("description")}}},
        {"metadata", metadata_schema()},
        {"spec", structural(fields.at("spec"), "spec")},
        {"status", structural(status, "status")}}}};
  amend(root, "");
  return root;
}

}  // namespace

json::value status_schema() {
  auto schema = parse_json(kStatusJson);
  SERIN_CHECK(schema.has_value());
  return *std::move(schema);
}

json::object crd_of(const json::value& manifest, const json::value& status) {
  // `kubectl scale` and whatever else scales set how many workers there are at least: without
  // spec.replicas.max that is how many there are.
  const json::object scale{{"specReplicasPath", ".spec.replicas.min"},
                           {"statusReplicasPath", ".status.replicas"},
                           {"labelSelectorPath", ".status.selector"}};
  json::object version{{"name", kVersion},
                       {"served", true},
                       {"storage", true},
                       {"subresources", {{"status", json::object()}, {"scale", scale}}},
                       {"additionalPrinterColumns", columns()},
                       {"schema", {{"openAPIV3Schema", root_schema(manifest, status)}}}};
  return {{"apiVersion", "apiextensions.k8s.io/v1"},
          {"kind", "CustomResourceDefinition"},
          {"metadata",
           {{"name", std::string(kPlural) + "." + std::string(kGroup)},
            {"labels", {{"app.kubernetes.io/part-of", "serin"}}}}},
          {"spec",
           {{"group", kGroup},
            {"scope", "Namespaced"},
            {"names",
             {{"kind", kKind},
              {"listKind", std::string(kKind) + "List"},
              {"plural", kPlural},
              {"singular", "generativeservice"},
              {"shortNames", {"gsvc"}},
              {"categories", {"all", "serin"}}}},
            {"versions", json::array{std::move(version)}}}}};
}

}  // namespace serin::platform::kubernetes
