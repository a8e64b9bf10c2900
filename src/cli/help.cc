// SPDX-License-Identifier: Apache-2.0
// `serin help TOPIC`, `serin man` and `serin completion SHELL`.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "cli/command.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

// "package verify" names a command below a command.
const CLI::App* find_command(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* found = &app;
  for (const std::string& word : words) {
    const auto below = found->get_subcommands(
        [&](const CLI::App* command) { return command->get_name() == word; });
    if (below.empty()) return nullptr;
    found = below.front();
  }
  return found;
}

Status help(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) {
    // App::help() would give that of the command that was chosen, which is this one.
    std::cout << app.get_formatter()->make_help(&app, app.get_name(), CLI::AppFormatMode::Normal)
              << "\nTopics: " << topic_list() << "\n";
    return {};
  }
  if (const CLI::App* command = find_command(app, words)) {
    std::string above = app.get_name();
    for (std::size_t i = 0; i + 1 < words.size(); ++i) above += " " + words[i];
    std::cout << command->help(above);
    return {};
  }
  const std::string text = words.size() == 1 ? topic_text(words.front()) : std::string();
  if (text.empty()) {
    if (words.size() > 1) return invalid(mistake_in(app, words));
    return invalid(no_such_topic(app, words.front()));
  }
  std::cout << text;
  return {};
}

}  // namespace

void add_help(CLI::App& app, Action& chosen) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("help", "Explain a command or a topic");
  takes_topic(command->add_option("topic", *words, "A command, or one of: " + topic_list()));
  command->callback(
      [&app, words, &chosen] { chosen = [&app, words] { return help(app, *words); }; });
}

void add_man(CLI::App& app, Action& chosen) {
  app.add_subcommand("man", "Print the manual page")->callback([&app, &chosen] {
    chosen = [&app]() -> Status {
      std::cout << man_page(app);
      return {};
    };
  });
}

void add_completion(CLI::App& app, Action& chosen) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("completion", "Print completions for a shell");
  takes_one_of(command->add_option("shell", *shell, "Whose"), {"bash", "zsh", "fish"})->required();
  command->callback([&app, shell, &chosen] {
    chosen = [&app, shell]() -> Status {
      SERIN_TRY_ASSIGN(const auto script, completions(app, *shell));
      std::cout << script;
      return {};
    };
  });
}

}  // namespace serin::cli
