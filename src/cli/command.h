// SPDX-License-Identifier: Apache-2.0
// What main() is made of: each command adds itself to one description (a CLI::App), from which
// --help, `serin help`, the man page and the shells' completions are made.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace serin::cli {

// What a command does once its line was understood. Printed and turned into the exit code by
// main().
using Action = std::function<Status()>;

// Each adds one command below `app`, and stores what to do in `chosen` when it is the one called.
void add_serve(CLI::App& app, Action& chosen);
void add_gateway(CLI::App& app, Action& chosen);
void add_package(CLI::App& app, Action& chosen);
// The commands below `package` about packages by name; called by add_package().
void add_registry(CLI::App& package, Action& chosen);
// The command below `rollout` that rehearses one; called by add_rollout().
void add_rollout_simulate(CLI::App& rollout, Action& chosen);
void add_image(CLI::App& app, Action& chosen);
void add_key(CLI::App& app, Action& chosen);
void add_operator(CLI::App& app, Action& chosen);
void add_render(CLI::App& app, Action& chosen);
void add_lint(CLI::App& app, Action& chosen);
void add_up(CLI::App& app, Action& chosen);
void add_down(CLI::App& app, Action& chosen);
void add_apply(CLI::App& app, Action& chosen);
void add_diff(CLI::App& app, Action& chosen);
void add_explain(CLI::App& app, Action& chosen);
void add_get(CLI::App& app, Action& chosen);
void add_describe(CLI::App& app, Action& chosen);
void add_delete(CLI::App& app, Action& chosen);
void add_logs(CLI::App& app, Action& chosen);
void add_events(CLI::App& app, Action& chosen);
void add_rollout(CLI::App& app, Action& chosen);
void add_generate(CLI::App& app, Action& chosen);
void add_load(CLI::App& app, Action& chosen);
void add_help(CLI::App& app, Action& chosen);
void add_completion(CLI::App& app, Action& chosen);
void add_man(CLI::App& app, Action& chosen);

// The program's exit code for an error: 2 for what the caller got wrong, 1 for the rest. The one
// mapping.
int exit_code(const Error& error);

// What was probably meant where `words`, which the parser refused, name a command or an option that
// does not exist; empty where they do not.
std::string mistake_in(const CLI::App& app, const std::vector<std::string>& words);
// The same, else what `error`, the parser's, says: the command, its option and what would be right.
std::string mistake(const CLI::App& app, const CLI::ParseError& error,
                    const std::vector<std::string>& words);
std::string no_such_topic(const CLI::App& app, const std::string& word);  // of `serin help`

// Texts of `serin help TOPIC`; empty for an unknown topic.
std::string topic_text(std::string_view topic);
std::string topic_list();

// Pure: the description as a man page (roff) and as completions for a shell.
std::string man_page(const CLI::App& app);
Result<std::string> completions(const CLI::App& app, std::string_view shell);

}  // namespace serin::cli
