// SPDX-License-Identifier: Apache-2.0
#include <sys/prctl.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "base/log.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "cli/version.h"

namespace {

void configure_log(const std::string& level, const std::string& form) {
  using serin::log::Form;
  using serin::log::Level;
  const Level least = level == "debug"     ? Level::kDebug
                      : level == "warning" ? Level::kWarning
                      : level == "error"   ? Level::kError
                                           : Level::kInfo;
  serin::log::configure({least, form == "json"   ? Form::kJson
                                : form == "text" ? Form::kText
                                                 : Form::kAuto});
}

}  // namespace

int main(int count, char** words) {
  using namespace serin::cli;
  ::prctl(PR_SET_NAME, "serin");  // started as /proc/self/exe, ps and top would call it "exe"
  CLI::App app("Serin turns a generative model into a microservice.", "serin");
  app.set_version_flag("--version", std::string("serin ") + serin::cli::kVersion,
                       "Print the version");
  app.require_subcommand(0, 1);
  app.fallthrough();
  std::string level = "info";
  std::string form = "auto";
  takes_one_of(app.add_option("--log-level", level, "The least that is logged"),
               {"debug", "info", "warning", "error"})
      ->capture_default_str();
  takes_one_of(app.add_option("--log-format", form, "How; auto: text on a terminal, else json"),
               {"auto", "json", "text"})
      ->capture_default_str();

  Action chosen;
  add_serve(app, chosen);
  add_up(app, chosen);
  add_down(app, chosen);
  add_apply(app, chosen);
  add_diff(app, chosen);
  add_explain(app, chosen);
  add_get(app, chosen);
  add_describe(app, chosen);
  add_delete(app, chosen);
  add_logs(app, chosen);
  add_events(app, chosen);
  add_rollout(app, chosen);
  add_generate(app, chosen);
  add_load(app, chosen);
  add_gateway(app, chosen);
  add_package(app, chosen);
  add_image(app, chosen);
  add_key(app, chosen);
  add_lint(app, chosen);
  add_operator(app, chosen);
  add_render(app, chosen);
  add_help(app, chosen);
  add_completion(app, chosen);
  add_man(app, chosen);

  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    std::cerr << "serin: "
              << mistake(app, error, std::vector<std::string>(words + 1, words + count)) << "\n";
    return 2;
  }
  if (!chosen) {
    std::cout << app.help();
    return 0;
  }
  configure_log(level, form);
  const serin::Status done = chosen();
  if (done) return 0;
  std::cerr << "serin: " << done.error().message << "\n";
  return exit_code(done.error());
}
