// SPDX-License-Identifier: Apache-2.0
// `serin render`: what a cluster is given, as YAML.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <vector>

#include "base/files.h"
#include "base/quantity.h"
#include "base/yaml.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "cluster/install.h"
#include "cluster/manifest.h"
#include "control/schema/manifest.h"
#include "objects/oci_reference.h"
#include "platform/kubernetes/objects/crd.h"
#include "platform/kubernetes/routers/standalone.h"

namespace serin::cli {
namespace {

namespace kubernetes = platform::kubernetes;

constexpr std::size_t kMostFile = std::size_t{4} << 20;

struct RenderLine {
  std::filesystem::path file;
  bool without_operator = false;
  std::string image, digest;
  std::string label = "v1";
};

Status render_crd() {
  std::cout << "# SPDX-License-Identifier: Apache-2.0\n# made by serin render crd\n"
            << write_yaml(kubernetes::crd_of(control::manifest_schema().document(),
                                             kubernetes::status_schema()));
  return {};
}

void print(const std::vector<json::object>& objects) {
  for (const json::object& object : objects)
    std::cout << (&object == &objects.front() ? "" : "---\n") << write_yaml(object);
}

Status render_operator(const cluster::InstallPlan& plan) {
  std::cout << "# SPDX-License-Identifier: Apache-2.0\n# made by serin render operator\n";
  print(cluster::install_objects(plan));
  return {};
}

Result<kubernetes::VersionPlan> plan_of(const control::Manifest& manifest,
                                        const kubernetes::Fields& fields, const RenderLine& line) {
  if (!objects::is_oci_digest(line.digest))
    return invalid(
        "--without-operator needs --digest: what the package is, sha256:…; serin package inspect "
        "says it");
  if (line.image.empty())
    return invalid("--without-operator needs --image: what workers and the gateway run");
  kubernetes::VersionPlan plan;
  plan.name_space = manifest.name_space;
  plan.version.service = manifest.name;
  plan.version.label = line.label;
  plan.version.model = {manifest.model, line.digest, {}};
  plan.version.replicas = static_cast<int>(manifest.min_replicas);
  plan.version.resources = manifest.resources;
  plan.max_replicas = static_cast<int>(manifest.max_replicas);
  SERIN_TRY_ASSIGN(
      const double timeout,
      parse_duration(manifest.document.at("spec").at("resilience").at("timeout").as_string()));
  plan.drain = std::chrono::seconds(static_cast<std::int64_t>(std::ceil(timeout)));
  plan.image = line.image;
  plan.fields = fields;
  SERIN_TRY(platform::check(plan.version));
  return plan;
}

Status render_service(const RenderLine& line) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(line.file, kMostFile));
  SERIN_TRY_ASSIGN(const control::Manifest manifest,
                   control::read_manifest(text, line.file.string()));
  const json::object& spec = manifest.document.at("spec").as_object();
  const kubernetes::Fields fields = cluster::fields_of(manifest);
  SERIN_TRY(cluster::check_for_cluster(manifest));
  if (!line.without_operator) {
    std::cout << write_yaml(manifest.written);
    return {};
  }
  SERIN_TRY_ASSIGN(const kubernetes::VersionPlan plan, plan_of(manifest, fields, line));
  SERIN_TRY_ASSIGN(const std::vector<json::object> objects,
                   kubernetes::standalone_objects(plan, spec));
  print(objects);
  return {};
}

}  // namespace

void add_render(CLI::App& app, Action& chosen) {
  CLI::App* command = app.add_subcommand("render", "Print what a cluster is given, as YAML");
  command->require_subcommand(1);
  command->add_subcommand("crd", "The definition of the resource GenerativeService")
      ->callback([&chosen] { chosen = render_crd; });
  const auto plan = std::make_shared<cluster::InstallPlan>();
  CLI::App* operator_command = command->add_subcommand(
      "operator", "What a cluster needs once: that definition, the operator, and its rights");
  operator_command
      ->add_option("--image", plan->image, "The operator's; also what workers and gateways run")
      ->required();
  operator_command->add_option("--namespace", plan->name_space, "Where the operator runs")
      ->capture_default_str();
  takes_between(
      operator_command->add_option("--replicas", plan->replicas, "Operators, of which one leads"),
      1, 10)
      ->capture_default_str();
  operator_command->callback(
      [plan, &chosen] { chosen = [plan] { return render_operator(*plan); }; });
  const auto line = std::make_shared<RenderLine>();
  CLI::App* service = command->add_subcommand(
      "kubernetes", "A service, once a cluster would take it and its router can do what it asks");
  takes_file(service->add_option("-f,--file", line->file, "The service's manifest"))->required();
  CLI::Option* alone =
      service->add_flag("--without-operator", line->without_operator,
                        "The Deployment, Services, routes, … for a cluster that has no operator");
  service
      ->add_option("--image", line->image,
                   "With --without-operator, required: what workers and the gateway run")
      ->needs(alone);
  service
      ->add_option("--digest", line->digest,
                   "With --without-operator, required: the package's, sha256:…")
      ->needs(alone);
  service
      ->add_option("--version-label", line->label,
                   "With --without-operator: what the one version is called")
      ->capture_default_str()
      ->needs(alone);
  service->callback([line, &chosen] { chosen = [line] { return render_service(*line); }; });
}

}  // namespace serin::cli
