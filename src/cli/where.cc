// SPDX-License-Identifier: Apache-2.0
// Which control plane a command asks. What the line leaves out may stand in the environment, or in
// $XDG_CONFIG_HOME/serin/client.yaml (else ~/.config/serin/client.yaml):
//
//   server: https://models.example:8443
//   keyFile: /home/ada/.config/serin/key
//   caFile: /home/ada/.config/serin/ca.pem     # may be left out
//
// A key goes to the server that it was named with, and to no other.
#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/files.h"
#include "base/yaml.h"
#include "cli/control.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestFile = 64 * 1024;

struct Where {
  std::string server;
  fs::path key_file, ca_file;
};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

fs::path client_file() {
  if (const std::string config = variable("XDG_CONFIG_HOME"); !config.empty())
    return fs::path(config) / "serin" / "client.yaml";
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".config" / "serin" / "client.yaml";
}

Result<Where> read_client_file(const fs::path& file) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(file, kLargestFile));
  const auto yaml = parse_yaml(text);
  if (!yaml) return invalid(file.string() + ":" + yaml.error().message);
  Where where;
  for (const YamlNode::Entry& entry : yaml->entries) {
    if (entry.key == "server") {
      where.server = entry.value.scalar;
    } else if (entry.key == "keyFile") {
      where.key_file = entry.value.scalar;
    } else if (entry.key == "caFile") {
      where.ca_file = entry.value.scalar;
    } else {
      return invalid(file.string() + ":" + to_string(entry.mark) + ": " + entry.key +
                     " is not a field; there are server, keyFile and caFile");
    }
  }
  if (where.server.empty()) return invalid(file.string() + " names no server");
  return where;
}

// The way in which every TLS client of this process is told.
void trust(const fs::path& authorities) { ::setenv("SSL_CERT_FILE", authorities.c_str(), 1); }

// No server: that of this machine.
Result<Where> where_of(const ControlLine& line) {
  if (!line.server.empty()) {
    const std::string named = variable("SERIN_SERVER");
    fs::path key = line.key_file;
    if (key.empty() && (named.empty() || named == line.server)) key = variable("SERIN_KEY_FILE");
    return Where{line.server, key, {}};
  }
  if (line.state_given) return Where{};
  Where where{variable("SERIN_SERVER"), variable("SERIN_KEY_FILE"), {}};
  const fs::path file = client_file();
  std::error_code ignored;
  if (where.server.empty() && !file.empty() && fs::exists(file, ignored)) {
    SERIN_TRY_ASSIGN(where, read_client_file(file));
  }
  if (!line.key_file.empty()) where.key_file = line.key_file;
  return where;
}

}  // namespace

void add_state_option(CLI::App& command, ControlLine& line) {
  line.state = state_directory();
  takes_folder(command.add_option("--state", line.state, "Folder of the control plane's state"))
      ->capture_default_str();
}

void add_control_options(CLI::App& command, ControlLine& line) {
  add_state_option(command, line);
  CLI::Option* state = command.get_option("--state");
  state->each([&line](const std::string&) { line.state_given = true; });
  command
      .add_option("--server", line.server,
                  "A control plane on the network, https://HOST:PORT; also SERIN_SERVER")
      ->excludes(state);
  takes_file(command.add_option("--key-file", line.key_file,
                                "The key for that one, in a file; also SERIN_KEY_FILE"));
  takes_file(command.add_option_function<std::string>(
      "--ca-file",
      [&line](const std::string& file) {
        line.ca_file = file;
        trust(file);
      },
      "PEM certificates of authorities to believe, beside the system's"));
}

Result<std::string> read_key_file(const std::filesystem::path& file) {
  constexpr std::uint64_t kLongest = 4096;
  SERIN_TRY_ASSIGN(std::string key, read_file(file, kLongest));
  while (key.ends_with('\n') || key.ends_with('\r') || key.ends_with(' ')) key.pop_back();
  if (key.empty() || key.find_first_of(" \t\r\n") != std::string::npos)
    return invalid(file.string() + " must hold one line, the key");
  return key;
}

Result<control::api::Client> local_client(const ControlLine& line) {
  return control::api::Client::create(fs::absolute(line.state));
}

Result<control::api::Client> client_of(const ControlLine& line) {
  SERIN_TRY_ASSIGN(const Where where, where_of(line));
  if (line.ca_file.empty() && !where.ca_file.empty()) trust(where.ca_file);
  if (where.server.empty()) return local_client(line);
  if (where.key_file.empty())
    return invalid(where.server + " wants a key: name its file with --key-file or SERIN_KEY_FILE");
  SERIN_TRY_ASSIGN(std::string key, read_key_file(where.key_file));
  return control::api::Client::create(where.server, std::move(key));
}

}  // namespace serin::cli
