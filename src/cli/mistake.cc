// SPDX-License-Identifier: Apache-2.0
// What is wrong with a line that the parser did not take, and what was probably meant.
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

// Of the command or of one above it; null where none has it.
const CLI::Option* option_of(const CLI::App& app, const std::string& name) {
  for (const CLI::App* from = &app; from != nullptr; from = from->get_parent()) {
    if (const CLI::Option* option = from->get_option_no_throw(name); option != nullptr)
      return option;
  }
  return nullptr;
}

bool takes_a_value(const CLI::App& app, const std::string& word) {
  const CLI::Option* option = option_of(app, word);
  return option != nullptr && taken_by(*option).kind != Taken::Kind::kNothing;
}

std::string no_such_command(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> known = names_below(app);
  return path_of(app) + " has no command \"" + word + "\"" +
         meant(word, known, "; it has " + CLI::detail::join(known, ", "));
}

// The parser's errors carry their words alone: the option's name begins them, or stands where
// `before` ends.
std::string after(std::string_view text, std::string_view before) {
  const std::size_t found = text.find(before);
  return std::string(found == std::string_view::npos ? text : text.substr(found + before.size()));
}

std::string until(std::string_view text, std::string_view end) {
  return std::string(text.substr(0, text.find(end)));
}

std::string value_of(const CLI::App& command, const std::string& name) {
  const CLI::Option* option = option_of(command, name);
  if (option == nullptr) return "a value";
  const std::string type = option->get_type_name();
  if (type.starts_with("UINT") || type.starts_with("INT")) return "a whole number";
  if (type.starts_with("FLOAT")) return "a number";
  return type.empty() || type == "TEXT" ? "a value" : type;
}

std::string what_is_missing(const CLI::App& command, const std::string& name) {
  if (name == "A subcommand") return "a command: " + CLI::detail::join(names_below(command), ", ");
  const CLI::Option* option = option_of(command, name);
  if (option == nullptr) return name;
  const bool positional = !name.starts_with('-');
  return name + (positional ? "" : " " + option->get_type_name()) + ": " +
         option->get_description();
}

// The deepest command that the parser came to.
const CLI::App& command_of(const CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : command_of(*parsed.back());
}

std::string in_our_words(const CLI::App& command, const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::string kind = error.get_name();
  const std::string path = path_of(command);
  if (kind == "RequiredError")
    return path + " needs " + what_is_missing(command, until(text, " is required"));
  if (text.starts_with("The following argument"))  // whose kind has the command's name
    return path + " takes no further \"" + after(text, "expected: ") + "\"";
  if (kind == "ExcludesError")
    return path + " takes " + until(text, " excludes ") + " or " + after(text, " excludes ") +
           ", not both";
  if (kind == "ArgumentMismatch") {
    const std::string name = until(text, ":");
    if (text.find("At Most") != std::string::npos) return path + " takes " + name + " once";
    return path + " " + name + " needs " + value_of(command, name);
  }
  if (kind == "ConversionError") {
    const std::string name = until(after(text, "Could not convert: "), " = ");
    if (!takes_a_value(command, name)) return path + " " + name + " takes no value";
    return path + " " + name + ": must be " + value_of(command, name) + ", not \"" +
           after(text, " = ") + "\"";
  }
  return path + " " + text;
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
      if (option_of(*command, word.substr(0, 2)) == nullptr)
        return path_of(*command) + " has no option " + word;
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

std::string mistake(const CLI::App& app, const CLI::ParseError& error,
                    const std::vector<std::string>& words) {
  const std::string unknown = mistake_in(app, words);
  return unknown.empty() ? in_our_words(command_of(app), error) : unknown;
}

}  // namespace serin::cli
