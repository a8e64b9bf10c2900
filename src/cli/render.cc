// SPDX-License-Identifier: Apache-2.0
// `serin render`: what a cluster is given, as YAML.
#include <CLI/CLI.hpp>
#include <iostream>

#include "base/yaml.h"
#include "cli/command.h"
#include "control/schema/manifest.h"
#include "platform/kubernetes/objects/crd.h"

namespace serin::cli {
namespace {

namespace kubernetes = platform::kubernetes;

Status render_crd() {
  std::cout << "# SPDX-License-Identifier: Apache-2.0\n# made by serin render crd\n"
            << write_yaml(kubernetes::crd_of(control::manifest_schema().document(),
                                             kubernetes::status_schema()));
  return {};
}

}  // namespace

void add_render(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("render", "Print what a cluster is given, as YAML");
  command->require_subcommand(1);
  command->add_subcommand("crd", "The definition of the resource GenerativeService")
      ->callback([&chosen] { chosen = render_crd; });
}

}  // namespace serin::cli
