// SPDX-License-Identifier: Apache-2.0
// `serin rollout …`: how a service moves from one version to another.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>
#include <optional>

#include "base/stop_signals.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/screen.h"
#include "cli/service_table.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

using control::Verb;

constexpr std::chrono::nanoseconds kBetweenLooks{500'000'000};

struct RolloutLine {
  ControlLine control;
  std::string service;
  std::size_t most = 20;
};

Status status(const RolloutLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const json::value rollout, client.rollout(line.service));
  std::cout << (line.control.output == "table" ? rollout_text(line.service, rollout)
                                               : formatted(rollout, line.control.output));
  return {};
}

// A line for everything that changes, until it is over. On a terminal with what every metric says
// meanwhile; the lines stay there.
Status watch(const RolloutLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  const sigset_t stops = hold_stop_signals();
  std::optional<Screen> screen;
  std::string lines;
  std::string before;
  const auto end = [&](Status status) {
    if (screen) {
      screen.reset();
      std::cout << lines;
    }
    return status;
  };
  while (true) {
    const auto rollout = client.rollout(line.service);
    if (!rollout) return end(fail(rollout.error()));
    const std::string now = rollout_line(*rollout) + "\n";
    if (now != before) lines += now;
    const std::string ending = text_at(*rollout, "ending");
    if (!screen && ending == "none" && ::isatty(STDOUT_FILENO) == 1) screen.emplace();
    if (screen) {
      // What every metric says has its room first.
      std::string page = rollout_text(line.service, *rollout) + "\n";
      const auto used = static_cast<std::size_t>(std::ranges::count(page, '\n'));
      const std::size_t rows = screen->size().rows;
      page += last_lines(lines, rows > used ? rows - used : 0);
      screen->draw(page);
    } else if (now != before) {
      std::cout << now << std::flush;
    }
    before = now;
    if (ending == "rolledBack")
      return end(fail(Code::kAborted, line.service + ": " + text_at(*rollout, "candidate") +
                                          " was rolled back: " + text_at(*rollout, "message")));
    if (ending != "none") return end({});
    const timespec pause{0, kBetweenLooks.count()};
    if (::sigtimedwait(&stops, nullptr, &pause) > 0)
      return end(fail(Code::kCancelled, "the rollout goes on unwatched"));
  }
}

Status history(const RolloutLine& line) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const json::array rollouts, client.rollouts(line.service, line.most));
  std::cout << (line.control.output == "table"
                    ? history_table(rollouts)
                    : formatted(json::object{{"rollouts", rollouts}}, line.control.output));
  return {};
}

Status ask(const RolloutLine& line, Verb verb) {
  SERIN_TRY_ASSIGN(const auto client, client_of(line.control));
  SERIN_TRY_ASSIGN(const json::value rollout, client.ask(line.service, verb));
  std::cout << rollout_line(rollout) << "\n";
  return {};
}

CLI::App& add(CLI::App& rollout, const std::string& name, const std::string& help,
              const std::shared_ptr<RolloutLine>& line) {
  CLI::App* command = rollout.add_subcommand(name, help);
  takes_service(command->add_option("service", line->service, "The service"))->required();
  add_control_options(*command, line->control);
  return *command;
}

}  // namespace

void add_rollout(CLI::App& app, Action& chosen) {
  CLI::App* rollout = app.add_subcommand("rollout", "Watch and steer how a new version takes over");
  rollout->require_subcommand(1);
  const auto line = std::make_shared<RolloutLine>();
  const std::pair<Verb, const char*> kVerbs[] = {
      {Verb::kStart, "Try the manifest's package again that was rolled back"},
      {Verb::kPause, "Keep the weight where it is; harm still rolls back"},
      {Verb::kResume, "Go on; the step begins anew"},
      {Verb::kPromote, "Give the candidate all traffic now, whatever the evidence"},
      {Verb::kAbort, "Go back to the stable version now"},
      {Verb::kUndo, "Go back to the version before; while a rollout runs, abort it"}};
  for (const auto& [asked, help] : kVerbs) {
    add(*rollout, std::string(name_of(asked)), help, line).callback([line, verb = asked, &chosen] {
      chosen = [line, verb] { return ask(*line, verb); };
    });
  }
  CLI::App& shown =
      add(*rollout, "status", "Where it stands, and what each metric says of both versions", line);
  add_output_option(shown, line->control);
  shown.callback([line, &chosen] { chosen = [line] { return status(*line); }; });
  add(*rollout, "watch", "A line for every change; ends with the rollout, with 1 when it went back",
      line)
      .callback([line, &chosen] { chosen = [line] { return watch(*line); }; });
  add_rollout_simulate(*rollout, chosen);
  CLI::App& before = add(*rollout, "history", "The service's rollouts, the newest first", line);
  takes_between(before.add_option("-n,--most", line->most, "So many"), 1, 100)
      ->capture_default_str();
  add_output_option(before, line->control);
  before.callback([line, &chosen] { chosen = [line] { return history(*line); }; });
}

}  // namespace serin::cli
