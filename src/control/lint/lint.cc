// SPDX-License-Identifier: Apache-2.0
#include "control/lint/lint.h"

#include <algorithm>

#include "control/schema/manifest.h"

namespace serin::control {
namespace {

// The documents of a file, each with as many empty lines before it as it stood after, so that marks
// are those of the file.
std::vector<std::string> documents_of(std::string_view text) {
  std::vector<std::string> documents(1);
  std::size_t lines = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    ++lines;
    if (line == "---" || line.starts_with("---\n") || line.starts_with("---\r") ||
        line.starts_with("--- ")) {
      documents.emplace_back(lines, '\n');
    } else {
      documents.back() += line;
    }
  }
  return documents;
}

std::string_view scalar_of(const YamlNode& document, std::string_view key) {
  const YamlNode* node = document.find(key);
  return node == nullptr ? std::string_view() : std::string_view(node->scalar);
}

void lint_document(const YamlNode& document, const LintFacts& facts,
                   std::vector<LintFinding>& findings) {
  const std::string_view version = scalar_of(document, "apiVersion");
  std::span<const LintRule> rules;
  if (version.starts_with("networking.istio.io/")) {
    rules = istio_rules();
  } else if (scalar_of(document, "kind") == "GenerativeService") {
    const auto errors = check_manifest(document);
    for (const Finding& error : errors)
      findings.push_back({"schema", error.mark, error.path, error.message});
    if (!errors.empty()) return;
    if (const auto value = document.to_json(); !value) {
      findings.push_back({"schema", document.mark, "", value.error().message});
      return;
    }
    rules = manifest_rules();
  }
  for (const LintRule& rule : rules) rule.check(document, facts, findings);
}

}  // namespace

Result<std::vector<LintFinding>> lint(std::string_view text, const LintFacts& facts) {
  std::vector<LintFinding> findings;
  for (const std::string& document : documents_of(text)) {
    SERIN_TRY_ASSIGN(const YamlNode node, parse_yaml(document));
    lint_document(node, facts, findings);
  }
  const auto place = [](const LintFinding& finding) {
    return std::pair(finding.mark.line, finding.mark.column);
  };
  std::ranges::sort(findings, [&](const LintFinding& one, const LintFinding& other) {
    return std::pair(place(one), one.rule) < std::pair(place(other), other.rule);
  });
  return findings;
}

}  // namespace serin::control
