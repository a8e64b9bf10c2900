// SPDX-License-Identifier: Apache-2.0
// `serin lint`: what is questionable in manifests and in Istio's resources.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/files.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "control/lint/lint.h"

namespace serin::cli {
namespace {

constexpr std::size_t kMostFile = std::size_t{4} << 20;

struct LintLine {
  std::vector<std::string> files;
  control::LintFacts facts;
};

Status run(const LintLine& line) {
  std::size_t count = 0;
  for (const std::string& file : line.files) {
    SERIN_TRY_ASSIGN(const std::string text, read_file(file, kMostFile));
    const auto findings = control::lint(text, line.facts);
    if (!findings) return invalid(file + ":" + findings.error().message);
    for (const control::LintFinding& finding : *findings) {
      std::cout << file << ":" << to_string(finding.mark) << ": " << finding.rule << ": "
                << (finding.path.empty() ? "" : finding.path + ": ") << finding.message << "\n";
    }
    count += findings->size();
  }
  if (count == 0) return {};
  return fail(Code::kFailedPrecondition,
              std::to_string(count) + (count == 1 ? " finding" : " findings"));
}

}  // namespace

void add_lint(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand(
      "lint", "Find what is valid and questionable in manifests and in Istio's resources");
  const auto line = std::make_shared<LintLine>();
  takes_path(command->add_option("files", line->files, "YAML files"))->required();
  command
      ->add_option("--rate", line->facts.requests_per_second,
                   "The service's requests a second, for rules that need it")
      ->check(CLI::PositiveNumber);
  takes_between(command->add_option("--error-rate", line->facts.error_rate,
                                    "The part of them that fails now, for the same rules"),
                0.0, 0.5)
      ->capture_default_str();
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace serin::cli
