// SPDX-License-Identifier: Apache-2.0
// What the commands that ask a control plane share: where it is, and how answers are printed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "control/api/client.h"

namespace CLI {
class App;
}

namespace serin::cli {

// What stands on the line of each of them.
struct ControlLine {
  std::filesystem::path state;  // the folder of a `serin up` of this machine
  bool state_given = false;
  std::string server;  // or a control plane on the network
  std::filesystem::path key_file, ca_file;
  std::string output = "table";
};
// --state, for what is about this machine.
void add_state_option(CLI::App& command, ControlLine& line);
// The same, and --server, --key-file and --ca-file.
void add_control_options(CLI::App& command, ControlLine& line);
// -o table, json or yaml.
void add_output_option(CLI::App& command, ControlLine& line);

// The key that is a file's one line.
Result<std::string> read_key_file(const std::filesystem::path& file);

// Of this machine.
Result<control::api::Client> local_client(const ControlLine& line);
// The one that is meant: by the line, else by SERIN_SERVER and SERIN_KEY_FILE, else by the file
// client.yaml (cli/where.cc), else that of this machine.
Result<control::api::Client> client_of(const ControlLine& line);

// Manifests that -f names: files, "-" for standard input, and of folders what ends in .yaml, .yml
// or .json. kNotFound, and kInvalidArgument for a folder without one.
Result<std::vector<control::api::Client::Manifest>> read_manifests(
    const std::vector<std::string>& names);

// Columns as wide as their widest text; the first row is the head.
std::string table(const std::vector<std::vector<std::string>>& rows);
// In block style, as parse_yaml() reads it back.
std::string to_yaml(const json::value& value);
// As -o json or -o yaml.
std::string formatted(const json::value& value, const std::string& form);

// Of the API's answers: the field, or empty and 0 where it is null or not there.
std::string text_at(const json::value& object, std::string_view field);
double number_at(const json::value& object, std::string_view field);
const json::value& at(const json::value& object, std::string_view field);

// "12ms", "1.50s"; "-" where there is none.
std::string seconds_text(const json::value& seconds);
std::string percent_text(double share);
std::string rate_text(double per_second);

}  // namespace serin::cli
