// SPDX-License-Identifier: Apache-2.0
// What validates and is questionable all the same: rules over manifests, and over Istio's resources
// that people bring along. Pure. docs/lint.md has the table of rules.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/yaml.h"

namespace serin::control {

struct LintFinding {
  std::string_view rule;  // "first-token-timeout"
  YamlMark mark;
  std::string path;
  std::string message;
};

// What only who runs the service knows.
struct LintFacts {
  double requests_per_second = 0;  // 0: not stated
  double error_rate = 0.001;       // of the stable version
};

// One rule adds what it finds in a document of its kind.
struct LintRule {
  std::string_view name;
  std::string_view what;  // a sentence
  void (*check)(const YamlNode& document, const LintFacts& facts,
                std::vector<LintFinding>& findings);
};
// Rules of a GenerativeService, which is valid; and of Istio's resources.
std::span<const LintRule> manifest_rules();
std::span<const LintRule> istio_rules();

// Every document of a file, in order; documents of kinds that no rule knows are left alone, and an
// invalid manifest has its errors as findings of rule "schema". kInvalidArgument for what is no
// YAML.
Result<std::vector<LintFinding>> lint(std::string_view text, const LintFacts& facts);

}  // namespace serin::control
