// SPDX-License-Identifier: Apache-2.0
// `serin logs` and `serin events`, also followed.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <thread>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/service_table.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{500};

struct LogsLine {
  ControlLine control;
  std::string service, replica;
  std::size_t lines = 100;
  bool follow = false;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Where in `now` the lines begin that were not among the last of `before`: the two overlap by the
// longest end of `before` that is a beginning of `now`.
std::size_t first_new(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  for (std::size_t overlap = std::min(before.size(), now.size()); overlap > 0; --overlap) {
    if (std::equal(before.end() - static_cast<std::ptrdiff_t>(overlap), before.end(), now.begin()))
      return overlap;
  }
  return 0;
}

// The one that is asked for, or those that there are now.
Result<std::vector<std::string>> replicas_of(const control::api::Client& client,
                                             const LogsLine& line) {
  if (!line.replica.empty()) return std::vector{line.replica};
  SERIN_TRY_ASSIGN(const json::value service, client.service(line.service));
  std::vector<std::string> replicas;
  for (const json::value& version : at(service, "versions").as_array()) {
    for (const json::value& replica : at(version, "replicas").as_array())
      replicas.push_back(text_at(replica, "id"));
  }
  return replicas;
}

Status follow(const control::api::Client& client, const LogsLine& line) {
  // Enough lines that two looks overlap.
  constexpr std::size_t kLooked = 2000;
  std::map<std::string, std::vector<std::string>> before;  // by replica
  while (true) {
    SERIN_TRY_ASSIGN(const auto replicas, replicas_of(client, line));
    for (const std::string& replica : replicas) {
      const auto text = client.logs(line.service, replica, kLooked);
      // A worker that was just asked for has written nothing yet.
      if (!text && text.error().code == Code::kNotFound) continue;
      if (!text) return fail(text.error());
      std::vector<std::string> now = lines_of(*text);
      const bool first = !before.contains(replica);
      std::size_t begin = first_new(before[replica], now);
      if (first && now.size() > line.lines) begin = now.size() - line.lines;
      for (std::size_t i = begin; i < now.size(); ++i) std::cout << now[i] << "\n";
      before[replica] = std::move(now);
    }
    std::cout.flush();
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

Status logs(const LogsLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  if (line.follow) return follow(client, line);
  SERIN_TRY_ASSIGN(const std::string text, client.logs(line.service, line.replica, line.lines));
  std::cout << text;
  return {};
}

struct EventsLine {
  ControlLine control;
  std::string service;
  std::size_t most = 100;
  bool follow = false;
};

Status events(const EventsLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  std::int64_t after = 0;
  while (true) {
    SERIN_TRY_ASSIGN(const json::array found, client.events(line.service, after, line.most));
    // Those of a service that was deleted are still there; of one that never was, none.
    if (found.empty() && after == 0 && !line.service.empty())
      SERIN_TRY(client.service(line.service));
    if (line.control.output == "yaml" && !line.follow) {
      std::cout << to_yaml(found);
      return {};
    }
    for (const json::value& event : found) {
      std::cout << (line.control.output == "table" ? event_line(event)
                                                   : json::serialize(event) + "\n");
      after = static_cast<std::int64_t>(number_at(event, "id"));
    }
    std::cout.flush();
    if (!line.follow) return {};
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

}  // namespace

void add_logs(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<LogsLine>();
  CLI::App* command = app.add_subcommand("logs", "Show what the workers of a service wrote");
  takes_service(command->add_option("service", line->service, "The service"))->required();
  command->add_option("--replica", line->replica, "One of them; none: all");
  takes_between(command->add_option("-n,--lines", line->lines, "So many of the last lines"), 1,
                10'000)
      ->capture_default_str();
  command->add_flag("-f,--follow", line->follow, "Go on as lines come");
  add_control_options(*command, line->control);
  command->callback([line, &chosen] { chosen = [line] { return logs(*line); }; });
}

void add_events(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<EventsLine>();
  CLI::App* command = app.add_subcommand("events", "Show what happened, and why");
  takes_service(command->add_option("service", line->service, "Of one service; none: of all"));
  takes_between(command->add_option("-n,--most", line->most, "So many of the last ones"), 1, 1000)
      ->capture_default_str();
  command->add_flag("-f,--follow", line->follow, "Go on as events come");
  add_output_option(*command, line->control);
  add_control_options(*command, line->control);
  command->callback([line, &chosen] { chosen = [line] { return events(*line); }; });
}

}  // namespace serin::cli
