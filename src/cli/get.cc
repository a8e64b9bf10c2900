// SPDX-License-Identifier: Apache-2.0
// `serin get`, `serin describe` and `serin delete`.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <thread>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/service_table.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

using std::chrono::milliseconds;

struct ServiceLine {
  ControlLine control;
  std::string name;
  std::vector<std::string> names;
  bool no_wait = false;
};

constexpr std::size_t kEventsShown = 20;
constexpr std::chrono::minutes kGoneWithin{5};
constexpr milliseconds kBetweenLooks{200};

std::string shown(const json::array& services, const std::string& form) {
  if (form == "table") return service_table(services);
  if (form != "name") return formatted(json::object{{"services", services}}, form);
  std::string names;
  for (const json::value& service : services) names += text_at(service, "name") + "\n";
  return names;
}

Status get(const ServiceLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  const std::string& form = line.control.output;
  if (line.name.empty()) {
    SERIN_TRY_ASSIGN(const json::array services, client.services());
    std::cout << shown(services, form);
    return {};
  }
  SERIN_TRY_ASSIGN(const json::value service, client.service(line.name));
  const bool whole = form == "json" || form == "yaml";
  std::cout << (whole ? formatted(service, form) : shown({service}, form));
  return {};
}

Status describe(const ServiceLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const json::value service, client.service(line.name));
  SERIN_TRY_ASSIGN(const json::array events, client.events(line.name, 0, kEventsShown));
  std::cout << service_text(service, events);
  return {};
}

Status wait_until_gone(const control::api::Client& client, const std::string& name) {
  for (milliseconds waited{0}; waited < kGoneWithin; waited += kBetweenLooks) {
    const auto service = client.service(name);
    if (!service && service.error().code == Code::kNotFound) return {};
    if (!service) return fail(service.error());
    std::this_thread::sleep_for(kBetweenLooks);
  }
  return fail(Code::kDeadlineExceeded, name + " still drains; serin get " + name + " says how far");
}

Status remove(const ServiceLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  for (const std::string& name : line.names) {
    SERIN_TRY(client.remove(name));
    if (!line.no_wait) SERIN_TRY(wait_until_gone(client, name));
    std::cout << name << (line.no_wait ? " is being deleted" : " deleted") << "\n";
  }
  return {};
}

}  // namespace

void add_get(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ServiceLine>();
  CLI::App* command = app.add_subcommand("get", "List services, or show one");
  takes_service(command->add_option("service", line->name, "The service; none: all of them"));
  takes_one_of(command->add_option("-o,--output", line->control.output, "How it is printed"),
               {"table", "json", "yaml", "name"})
      ->capture_default_str();
  add_control_options(*command, line->control);
  command->callback([line, &chosen] { chosen = [line] { return get(*line); }; });
}

void add_describe(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ServiceLine>();
  CLI::App* command =
      app.add_subcommand("describe", "Everything about a service: versions, workers, events");
  takes_service(command->add_option("service", line->name, "The service"))->required();
  add_control_options(*command, line->control);
  command->callback([line, &chosen] { chosen = [line] { return describe(*line); }; });
}

void add_delete(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ServiceLine>();
  CLI::App* command = app.add_subcommand("delete", "Drain a service and forget it");
  takes_service(command->add_option("service", line->names, "The services"))->required();
  command->add_flag("--no-wait", line->no_wait, "Do not wait until it is gone");
  add_control_options(*command, line->control);
  command->callback([line, &chosen] { chosen = [line] { return remove(*line); }; });
}

}  // namespace serin::cli
