// SPDX-License-Identifier: Apache-2.0
// The description of the commands as a manual page and as completions.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "cli/command.h"

namespace serin::cli {
namespace {

// A path of words ("package verify") and the app that it names, the root first.
struct Described {
  std::string path;
  const CLI::App* app;
};

void describe(const std::string& path, const CLI::App& app, std::vector<Described>& all) {
  all.push_back({path, &app});
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
    describe(path.empty() ? below->get_name() : path + " " + below->get_name(), *below, all);
  }
}

std::vector<Described> described(const CLI::App& app) {
  std::vector<Described> all;
  describe("", app, all);
  return all;
}

std::vector<std::string> words_after(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.push_back(below->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string roff(std::string text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '-' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string bash_completion(const std::vector<Described>& all) {
  std::ostringstream out;
  out << "# bash completion of serin\n_serin() {\n  local path= word\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    case $word in -*) ;; *) path=\"${path:+$path }$word\" ;; esac\n  done\n"
         "  local words\n  case $path in\n";
  for (const Described& one : all) {
    out << "    " << quoted(one.path) << ") words=" << quoted(joined(words_after(*one.app)))
        << " ;;\n";
  }
  out << "    *) words= ;;\n  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
         "  [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "
         "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
         "complete -o filenames -F _serin serin\n";
  return out.str();
}

std::string zsh_completion(const CLI::App& app) {
  // zsh runs bash's completions through its own shim.
  return "#compdef serin\nautoload -U +X bashcompinit && bashcompinit\n" +
         bash_completion(described(app));
}

std::string fish_completion(const std::vector<Described>& all) {
  std::ostringstream out;
  out << "# fish completion of serin\n";
  for (const Described& one : all) {
    const auto space = one.path.rfind(' ');
    const std::string seen = one.path.empty() ? "__fish_use_subcommand"
                             : space == std::string::npos
                                 ? "__fish_seen_subcommand_from " + one.path
                                 : "__fish_seen_subcommand_from " + one.path.substr(space + 1);
    for (const CLI::App* below : one.app->get_subcommands([](const CLI::App*) { return true; })) {
      out << "complete -c serin -n " << quoted(seen) << " -a " << below->get_name() << " -d "
          << quoted(below->get_description()) << "\n";
    }
    for (const CLI::Option* option : one.app->get_options()) {
      for (const std::string& name : option->get_lnames()) {
        out << "complete -c serin -n " << quoted(seen) << " -l " << name << " -d "
            << quoted(option->get_description()) << "\n";
      }
    }
  }
  return out.str();
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::ostringstream out;
  out << ".TH SERIN 1\n.SH NAME\nserin \\- " << roff(app.get_description())
      << "\n.SH SYNOPSIS\n.B serin\n.I COMMAND\n[options]\n";
  for (const Described& one : described(app)) {
    out << ".SH " << (one.path.empty() ? "OPTIONS" : roff("serin " + one.path)) << "\n";
    if (!one.path.empty()) out << roff(one.app->get_description()) << "\n";
    for (const CLI::Option* option : one.app->get_options()) {
      out << ".TP\n.B " << roff(option->get_name(false, true)) << "\n"
          << roff(option->get_description());
      if (!option->get_default_str().empty())
        out << " (default: " << roff(option->get_default_str()) << ")";
      out << "\n";
    }
  }
  return out.str();
}

Result<std::string> completions(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return bash_completion(described(app));
  if (shell == "zsh") return zsh_completion(app);
  if (shell == "fish") return fish_completion(described(app));
  return invalid("there are completions for bash, zsh and fish, not for " + std::string(shell));
}

}  // namespace serin::cli
