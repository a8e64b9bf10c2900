// SPDX-License-Identifier: Apache-2.0
// `serin explain`: what a field of a manifest means.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "control/schema/manifest.h"

namespace serin::cli {

void add_explain(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("explain", "Explain a field of a service's manifest");
  auto path = std::make_shared<std::string>();
  command->add_option("field", *path, "Such as spec.rollout.interval; none: the whole manifest");
  command->callback([path, &chosen] {
    chosen = [path]() -> Status {
      SERIN_TRY_ASSIGN(const std::string text, control::manifest_schema().explain(*path));
      std::cout << text;
      return {};
    };
  });
}

}  // namespace serin::cli
