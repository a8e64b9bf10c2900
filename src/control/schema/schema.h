// SPDX-License-Identifier: Apache-2.0
// The part of JSON Schema (draft 2020-12) that manifests are described in, checked against YAML so
// that every error names line, column and path. One description serves validation, defaults,
// `serin explain`, docs/ and the cluster's CRD.
//
// Keywords: type (also a list of types), enum, properties, required, additionalProperties, items,
// minItems, maxItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength,
// pattern, format ("duration", "share"), default, title, description, $schema, $id. Another keyword
// is an error of the schema. Immutable once made; safe to use from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/yaml.h"

namespace serin::control {

// What is wrong at one place of a document.
struct Finding {
  YamlMark mark;
  std::string path;  // "spec.rollout.metrics[0].margin"
  std::string message;
};

// For people: a line each, "FILE:LINE:COLUMN: PATH: what". `file` is for messages.
std::string findings_text(const std::vector<Finding>& findings, std::string_view file);

class Schema {
 public:
  // kInvalidArgument for a schema that uses what is not in the list above.
  static Result<Schema> create(json::value document);

  // Everything that is wrong, in the order of the document; empty when nothing is. At most
  // kMostFindings.
  std::vector<Finding> validate(const YamlNode& document) const;
  // `document`, which is valid, with what it leaves out set to its default.
  json::value with_defaults(const json::value& document) const;
  // What a field means, its type, bounds, default and fields: text for a terminal. kNotFound names
  // the nearest field that there is. An empty path is the whole document.
  Result<std::string> explain(std::string_view path) const;

  // As it was given.
  const json::value& document() const { return root_; }

  static constexpr std::size_t kMostFindings = 50;

 private:
  explicit Schema(json::value document) : root_(std::move(document)) {}

  json::value root_;
};

}  // namespace serin::control
