// SPDX-License-Identifier: Apache-2.0
// The description of the commands as a manual page.
#include <CLI/CLI.hpp>
#include <sstream>

#include "cli/command.h"
#include "cli/described.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

void describe(const std::string& path, const CLI::App& app, std::vector<Described>& all) {
  all.push_back({path, &app});
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
    describe(path.empty() ? below->get_name() : path + " " + below->get_name(), *below, all);
  }
}

std::string roff(std::string text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '-' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::vector<Described> described(const CLI::App& app) {
  std::vector<Described> all;
  describe("", app, all);
  return all;
}

std::string man_page(const CLI::App& app) {
  std::ostringstream out;
  out << ".TH SERIN 1\n.SH NAME\nserin \\- " << roff(app.get_description())
      << "\n.SH SYNOPSIS\n.B serin\n.I COMMAND\n[options]\n";
  for (const Described& one : described(app)) {
    out << ".SH " << (one.path.empty() ? "OPTIONS" : roff("serin " + one.path)) << "\n";
    if (!one.path.empty()) out << roff(one.app->get_description()) << "\n";
    for (const CLI::Option* option : one.app->get_options()) {
      const bool value = taken_by(*option).kind != Taken::Kind::kNothing;
      out << ".TP\n.B " << roff(option->get_name(false, true))
          << (value ? " \\fI" + roff(option->get_type_name()) + "\\fR" : "") << "\n"
          << roff(option->get_description());
      if (!option->get_default_str().empty())
        out << " (default: " << roff(option->get_default_str()) << ")";
      out << "\n";
    }
  }
  return out.str();
}

}  // namespace serin::cli
