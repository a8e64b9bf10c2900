// SPDX-License-Identifier: Apache-2.0
// `serin package list|tag|untag|prune`: the packages of this machine by name.
#include "model/registry.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/clock.h"
#include "base/json.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/source.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

struct RegistryLine {
  SourceLine from;
  std::string package, name;
  std::string older_than = "1d";
  bool replace = false, json = false;
};

Result<model::Reference> reference(const std::string& text) {
  if (auto parsed = model::parse_reference(text)) return *std::move(parsed);
  return invalid("\"" + text + "\" is no name of a package; write NAME:VERSION");
}

json::array strings(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::string joined(const std::vector<std::string>& texts) {
  std::string line;
  for (const std::string& text : texts) line += (line.empty() ? "" : " ") + text;
  return line.empty() ? "-" : line;
}

// One line a package: names, digest, bytes, users.
Status list(const RegistryLine& line) {
  SERIN_TRY_ASSIGN(auto registry, model::Registry::open_existing(line.from.registry));
  SERIN_TRY_ASSIGN(const auto entries, registry.list());
  for (const model::Registry::Entry& entry : entries) {
    if (line.json) {
      std::cout << canonical_json(json::object{{"names", strings(entry.names)},
                                               {"package", entry.digest},
                                               {"bytes", entry.bytes},
                                               {"used", entry.used},
                                               {"users", strings(entry.users)}})
                << "\n";
    } else {
      std::cout << joined(entry.names) << "  " << entry.digest << "  " << entry.bytes
                << " bytes  used by: " << joined(entry.users) << "\n";
    }
  }
  return {};
}

Status tag(const RegistryLine& line) {
  SERIN_TRY_ASSIGN(const auto name, reference(line.name));
  SERIN_TRY_ASSIGN(auto registry, model::Registry::open_existing(line.from.registry));
  std::string digest = line.package;
  if (const auto known = model::parse_reference(line.package); known && known->name != "sha256") {
    SERIN_TRY_ASSIGN(const auto held, registry.find(*known));
    digest = held.digest;
  }
  SERIN_TRY(registry.tag(name, digest, line.replace));
  std::cout << name.text() << " " << digest << "\n";
  return {};
}

Status untag(const RegistryLine& line) {
  SERIN_TRY_ASSIGN(const auto name, reference(line.name));
  SERIN_TRY_ASSIGN(auto registry, model::Registry::open_existing(line.from.registry));
  return registry.untag(name);
}

Status prune(const RegistryLine& line) {
  SERIN_TRY_ASSIGN(const double seconds, parse_duration(line.older_than));
  SERIN_TRY_ASSIGN(auto registry, model::Registry::open_existing(line.from.registry));
  SERIN_TRY_ASSIGN(const auto removed,
                   registry.prune(std::chrono::seconds(static_cast<std::int64_t>(seconds))));
  std::uint64_t bytes = 0;
  for (const model::Registry::Entry& entry : removed) {
    bytes += entry.bytes;
    std::cout << "removed " << entry.digest << "\n";
  }
  std::cout << removed.size() << (removed.size() == 1 ? " package, " : " packages, ") << bytes
            << " bytes\n";
  return {};
}

}  // namespace

void add_registry(CLI::App& package, Action& chosen) {
  auto line = std::make_shared<RegistryLine>();
  auto command = [&](const std::string& name, const std::string& about,
                     Status (*action)(const RegistryLine&)) {
    CLI::App* made = package.add_subcommand(name, about);
    made->callback([line, action, &chosen] { chosen = [line, action] { return action(*line); }; });
    add_registry_option(*made, line->from);
    return made;
  };
  CLI::App* all = command("list", "List the packages of this machine and who uses them", list);
  all->add_flag("--json", line->json, "One line of JSON a package");
  CLI::App* give = command("tag", "Give a package of this machine a further name", tag);
  give->add_option("package", line->package, "NAME:VERSION or sha256:…")->required();
  give->add_option("name", line->name, "The new NAME:VERSION")->required();
  give->add_flag("--replace", line->replace, "Take the name from another package");
  CLI::App* take = command("untag", "Take a name from a package; the package stays", untag);
  take->add_option("name", line->name, "NAME:VERSION")->required();
  CLI::App* clean =
      command("prune", "Remove packages that have no name and that nobody uses", prune);
  takes_duration(clean->add_option("--older-than", line->older_than,
                                   "Keep what was used since, such as 12h or 7d"))
      ->capture_default_str();
}

}  // namespace serin::cli
