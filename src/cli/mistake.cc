// SPDX-License-Identifier: Apache-2.0
// What was probably meant by a line that the parser did not take.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "base/nearest.h"
#include "cli/command.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

std::vector<const CLI::App*> commands_below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> names_below(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* below : commands_below(app)) names.push_back(below->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* from = &app; from != nullptr; from = from->get_parent()) {
    for (const CLI::Option* option : from->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

// "; did you mean …?", or where none is near, what there is.
std::string meant(const std::string& word, const std::vector<std::string>& known,
                  const std::string& otherwise) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const std::string_view near = nearest(word, names);
  return near.empty() ? otherwise : "; did you mean " + std::string(near) + "?";
}

std::string path_of(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : path_of(*app.get_parent()) + " " + app.get_name();
}

bool takes_a_value(const CLI::App& app, const std::string& word) {
  for (const CLI::App* from = &app; from != nullptr; from = from->get_parent()) {
    if (const CLI::Option* option = from->get_option_no_throw(word); option != nullptr)
      return taken_by(*option).kind != Taken::Kind::kNothing;
  }
  return false;
}

std::string no_such_command(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> known = names_below(app);
  return path_of(app) + " has no command \"" + word + "\"" +
         meant(word, known, "; it has " + CLI::detail::join(known, ", "));
}

}  // namespace

std::string no_such_topic(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known = names_below(app);
  for (const std::string& topic : CLI::detail::split(topic_list(), ','))
    known.push_back(CLI::detail::trim_copy(topic));
  return "there is no command and no topic \"" + word + "\"" +
         meant(word, known, "; topics are " + topic_list());
}

std::string mistake_in(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  bool value = false;  // the word belongs to the option before it
  for (const std::string& word : words) {
    if (std::exchange(value, false)) continue;
    if (word == "--") break;
    if (word.starts_with("--")) {
      const std::string name = word.substr(0, word.find('='));
      const std::vector<std::string> known = options_of(*command);
      if (std::ranges::find(known, name) == known.end()) {
        return path_of(*command) + " has no option " + name +
               meant(name, known, "; `" + path_of(*command) + " --help` lists what it has");
      }
      value = name == word && takes_a_value(*command, name);
      continue;
    }
    if (word.starts_with('-')) {
      value = takes_a_value(*command, word);
      continue;
    }
    const auto below = commands_below(*command);
    if (below.empty()) continue;
    const auto found =
        std::ranges::find(below, word, [](const auto* one) { return one->get_name(); });
    if (found == below.end()) return no_such_command(*command, word);
    command = *found;
  }
  return {};
}

}  // namespace serin::cli
