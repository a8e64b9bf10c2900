// SPDX-License-Identifier: Apache-2.0
// The description of the commands as completions for the shells.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "cli/command.h"
#include "cli/described.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

using Kind = Taken::Kind;

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string spaced(const std::vector<std::string>& words) { return CLI::detail::join(words, " "); }

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  return names;
}

std::vector<std::string> commands_below(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(below->get_name());
  return names;
}

// Commands below it, and the options that it takes: its own and those of all commands.
std::vector<std::string> words_after(const CLI::App& app) {
  std::vector<std::string> words = commands_below(app);
  const auto add = [&words](const CLI::App& from) {
    for (const CLI::Option* option : from.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string word = "--" + name;
        if (std::ranges::find(words, word) == words.end()) words.push_back(word);
      }
    }
  };
  add(app);
  const CLI::App* root = &app;
  while (root->get_parent() != nullptr) root = root->get_parent();
  add(*root);
  return words;
}

std::vector<const CLI::Option*> arguments_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

// A topic is a command, the commands below it, or a page of its own.
std::vector<std::string> topics(const CLI::App& root) {
  std::vector<std::string> words = commands_below(root);
  for (const std::string& topic : CLI::detail::split(topic_list(), ','))
    words.push_back(CLI::detail::trim_copy(topic));
  return words;
}

// As _serin below reads it: a word that stands for a kind, or the words themselves.
std::string bash_value(const CLI::Option& option, const CLI::App& root) {
  const Taken taken = taken_by(option);
  switch (taken.kind) {
    case Kind::kNothing:
    case Kind::kAnything:
      return "@nothing";
    case Kind::kWords:
      return spaced(taken.words);
    case Kind::kPath:
      return "@path";
    case Kind::kFolder:
      return "@folder";
    case Kind::kPackage:
      return "@package";
    case Kind::kService:
      return "@service";
    case Kind::kTopic:
      return spaced(topics(root));
  }
  return "@nothing";
}

// The lines of a `case` over "COMMAND:OPTION" and "COMMAND:@PLACE"; every option that takes a value
// has one. What stands in the root's goes for all commands.
std::string bash_values(const std::vector<Described>& all) {
  std::ostringstream out;
  const CLI::App& root = *all.front().app;
  for (const Described& one : all) {
    for (const CLI::Option* option : one.app->get_options()) {
      if (taken_by(*option).kind == Kind::kNothing) continue;
      for (const std::string& name : names_of(*option)) {
        out << "    " << (one.path.empty() ? "*" : quoted(one.path)) << ":" << name
            << ") value=" << quoted(bash_value(*option, root)) << " ;;\n";
      }
    }
    int place = 1;
    for (const CLI::Option* argument : arguments_of(*one.app)) {
      const bool many = argument->get_items_expected_max() > 1;
      out << "    " << quoted(one.path) << ":@" << (many ? "*" : std::to_string(place++))
          << ") value=" << quoted(bash_value(*argument, root)) << " ;;\n";
    }
  }
  return out.str();
}

constexpr std::string_view kBash = R"bash(
# The command so far, options and their values left out, and what the next word is a value of.
_serin() {
  local cur=${COMP_WORDS[COMP_CWORD]} path= option= value words word place=1 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [ "$word" = = ]; then continue; fi
    if [ -n "$option" ]; then option=; continue; fi
    case $word in
      -*)
        _serin_value "$path:${word%%=*}"
        case $word in *=*) value= ;; esac
        [ -z "$value" ] || option=$word
        ;;
      *)
        if _serin_words "${path:+$path }$word"; then path=${path:+$path }$word; else place=$((place + 1)); fi
        ;;
    esac
  done
  [ "$cur" != = ] || cur=
  if [ -n "$option" ]; then
    _serin_value "$path:$option"
    words=
  else
    _serin_words "$path"
    _serin_value "$path:@$place"
  fi
  case $cur in
    -*) value= ;;
    *) [ -z "$value" ] || words= ;;
  esac
  case $value in
    @nothing) COMPREPLY=() ;;
    @*)
      local IFS=$'\n'
      case $value in
        @path) COMPREPLY=($(compgen -f -- "$cur")) ;;
        @folder) COMPREPLY=($(compgen -d -- "$cur")) ;;
        @package) COMPREPLY=($(compgen -d -- "$cur") $(compgen -f -X '!*.serin' -- "$cur")) ;;
        @service) COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" get -o name 2>/dev/null)" -- "$cur")) ;;
      esac
      ;;
    *) COMPREPLY=($(compgen -W "$words $value" -- "$cur")) ;;
  esac
}
)bash";

std::string bash_completion(const std::vector<Described>& all) {
  std::ostringstream out;
  out << "# bash completion of serin\n_serin_words() {\n  case $1 in\n";
  for (const Described& one : all) {
    out << "    " << quoted(one.path) << ") words=" << quoted(spaced(words_after(*one.app)))
        << " ;;\n";
  }
  out << "    *) words=; return 1 ;;\n  esac\n}\n_serin_value() {\n  value=\n  case $1 in\n"
      << bash_values(all) << "  esac\n}" << kBash << "complete -o filenames -F _serin serin\n";
  return out.str();
}

// zsh runs bash's completions through its own shim.
std::string zsh_completion(const std::vector<Described>& all) {
  return "#compdef serin\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(all);
}

std::string fish_value(const CLI::Option& option, const CLI::App& root) {
  const Taken taken = taken_by(option);
  switch (taken.kind) {
    case Kind::kNothing:
      return "";
    case Kind::kAnything:
      return " -x";
    case Kind::kWords:
      return " -x -a " + quoted(spaced(taken.words));
    case Kind::kPath:
      return " -r -F";
    case Kind::kFolder:
      return " -x -a '(__fish_complete_directories)'";
    case Kind::kPackage:
      return " -x -a '(__fish_complete_directories; set -l found (commandline -ct)*.serin; "
             "string join \\n -- $found)'";
    case Kind::kService:
      return " -x -a '(serin get -o name 2>/dev/null)'";
    case Kind::kTopic:
      return " -x -a " + quoted(spaced(topics(root)));
  }
  return "";
}

// When the words of a command stand on the line.
std::string fish_condition(const std::string& path) {
  if (path.empty()) return "__fish_use_subcommand";
  std::string condition;
  for (const std::string& word : CLI::detail::split(path, ' '))
    condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
  return condition;
}

void fish_command(std::ostringstream& out, const Described& one, const CLI::App& root) {
  const std::string seen = " -n " + quoted(fish_condition(one.path));
  const std::vector<std::string> below = commands_below(*one.app);
  // Where one of the commands below was named already, they are offered no more.
  const std::string first =
      " -n " + quoted(fish_condition(one.path) +
                      (one.path.empty() || below.empty()
                           ? ""
                           : "; and not __fish_seen_subcommand_from " + spaced(below)));
  for (const CLI::App* command : one.app->get_subcommands([](const CLI::App*) { return true; })) {
    out << "complete -c serin" << first << " -f -a " << command->get_name() << " -d "
        << quoted(command->get_description()) << "\n";
  }
  for (const CLI::Option* option : one.app->get_options()) {
    if (option->get_positional()) {
      out << "complete -c serin" << seen << fish_value(*option, root) << "\n";
      continue;
    }
    for (const std::string& name : option->get_lnames()) {
      out << "complete -c serin" << (one.path.empty() ? "" : seen) << " -l " << name
          << fish_value(*option, root) << " -d " << quoted(option->get_description()) << "\n";
    }
  }
}

std::string fish_completion(const std::vector<Described>& all) {
  std::ostringstream out;
  out << "# fish completion of serin\ncomplete -c serin -f\n";
  for (const Described& one : all) fish_command(out, one, *all.front().app);
  return out.str();
}

}  // namespace

Result<std::string> completions(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return bash_completion(described(app));
  if (shell == "zsh") return zsh_completion(described(app));
  if (shell == "fish") return fish_completion(described(app));
  return invalid("there are completions for bash, zsh and fish, not for " + std::string(shell));
}

}  // namespace serin::cli
