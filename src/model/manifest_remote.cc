// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include "model/manifest_sections.h"
#include "net/http/uri.h"

namespace serin::model {
namespace {

using Protocol = Remote::Protocol;

// A package may ask for a key by name, and must not be able to ask for any other secret of the
// environment.
constexpr std::string_view kKeyPrefix = "SERIN_UPSTREAM_";
constexpr std::chrono::hours kLongestTimeout{1};
constexpr std::size_t kMostWords = 256;
constexpr std::int64_t kMostCalls = 256;

std::string replaced(std::string text, std::string_view from, std::string_view with) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), with);
    at += with.size();
  }
  return text;
}

bool is_variable_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

void check_url(const Value& value, const Remote& remote) {
  if (!value.present()) return;
  const bool placed = remote.url.find("{port}") != std::string::npos ||
                      remote.url.find("{socket}") != std::string::npos;
  if (placed && remote.command.empty()) {
    return value.wrong("{port} and {socket} stand for the address of a command; there is none");
  }
  const auto parsed = net::parse_url(filled(remote.url, 1, "/s"));
  if (!parsed) return value.wrong(parsed.error().message);
  if (parsed->target.find('?') != std::string::npos) value.wrong("must not hold a query");
}

std::string read_path(const Value& value) {
  std::string path = value.word();
  if (value.present() && !path.starts_with('/')) value.wrong("must begin with '/'");
  return path;
}

std::vector<std::string> read_absolute(const Value& value) {
  std::vector<std::string> paths = value.words();
  for (const std::string& path : paths) {
    if (!std::filesystem::path(path).is_absolute())
      value.wrong(shown(path) + " must be absolute; the package itself is readable anyway");
  }
  return paths;
}

std::vector<std::uint16_t> read_ports(const Value& value) {
  std::vector<std::uint16_t> ports;
  for (const Value& item : value.list())
    ports.push_back(static_cast<std::uint16_t>(item.integer(1, 65535, 1)));
  return ports;
}

// Everything that goes only with a command.
void read_command(const Fields& fields, Remote& remote) {
  constexpr std::string_view kOnly[] = {"directory", "environment", "read", "write", "connect"};
  if (!fields.has("command")) {
    for (const std::string_view name : kOnly) {
      if (fields.has(name)) fields.wrong(name, "goes only with command");
    }
    return;
  }
  remote.command = fields["command"].words();
  if (remote.command.empty() || remote.command.size() > kMostWords)
    fields.wrong("command", "must be a program and its arguments, 1 to 256 words");
  remote.directory = fields["directory"].word();
  remote.environment = fields["environment"].words();
  for (const std::string& name : remote.environment) {
    if (!is_variable_name(name))
      fields.wrong("environment", shown(name) + " is no variable's name; values stay outside");
  }
  remote.read = read_absolute(fields["read"]);
  remote.write = read_absolute(fields["write"]);
  remote.connect = read_ports(fields["connect"]);
}

// Of tensors alone: what is relayed waits in the upstream's own queue.
void read_concurrency(const Fields& fields, Remote& remote) {
  if (!fields.has("concurrency")) return;
  if (remote.protocol != Protocol::kOpenInference)
    return fields.wrong("concurrency", "goes only with protocol openInference");
  const auto standard = static_cast<std::int64_t>(remote.concurrency);
  remote.concurrency =
      static_cast<std::size_t>(fields["concurrency"].integer(1, kMostCalls, standard));
}

void read_names(const Fields& fields, Remote& remote) {
  if (remote.protocol == Protocol::kHttp) {
    remote.path = read_path(fields.required("path"));
    if (fields.has("model"))
      fields.wrong("model", "does not go with protocol http; there is one at its path");
    return;
  }
  remote.model = fields.required("model").word();
  if (fields.has("path")) fields.wrong("path", "goes only with protocol http");
}

}  // namespace

std::string filled(std::string text, std::uint16_t port, std::string_view socket) {
  return replaced(replaced(std::move(text), "{port}", std::to_string(port)), "{socket}", socket);
}

Remote read_remote(const Value& value) {
  const Fields fields(
      value, {"protocol", "url", "model", "path", "keyVariable", "healthPath", "timeout",
              "concurrency", "command", "directory", "environment", "read", "write", "connect"});
  Remote remote;
  remote.protocol = fields.required("protocol")
                        .one_of<Protocol>({{"openai", Protocol::kOpenAi},
                                           {"openInference", Protocol::kOpenInference},
                                           {"http", Protocol::kHttp}},
                                          Protocol::kOpenAi);
  const Value url = fields.required("url");
  remote.url = url.word();
  while (remote.url.ends_with('/')) remote.url.pop_back();
  read_names(fields, remote);
  read_command(fields, remote);
  check_url(url, remote);
  const Value key = fields["keyVariable"];
  remote.key_variable = key.word();
  if (key.present() &&
      (!remote.key_variable.starts_with(kKeyPrefix) || !is_variable_name(remote.key_variable))) {
    key.wrong("must begin with " + std::string(kKeyPrefix) +
              ", so that a package cannot ask for other secrets");
  }
  remote.health_path = read_path(fields["healthPath"]);
  read_concurrency(fields, remote);
  if (const Value timeout = fields["timeout"]; timeout.present()) {
    const auto parsed = parse_wait(timeout.json().is_string() ? timeout.text() : "");
    if (!parsed || *parsed > kLongestTimeout || *parsed < std::chrono::milliseconds(1)) {
      timeout.wrong("must be a time from 1ms to 3600s with its unit (ms or s), such as 60s");
    } else {
      remote.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
    }
  }
  return remote;
}

}  // namespace serin::model
