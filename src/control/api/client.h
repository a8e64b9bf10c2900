// SPDX-License-Identifier: Apache-2.0
// The control API from the other end: what commands ask with. Every call blocks, and fails with the
// error that the control plane gave; kUnavailable where none runs or answers.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "control/verbs.h"
#include "net/http/client.h"

namespace serin::control::api {

class Client {
 public:
  // Of this machine; `state`: the folder of a `serin up`.
  static Result<Client> create(const std::filesystem::path& state);
  // Of another one: "https://HOST:PORT", and one of its keys.
  static Result<Client> create(std::string server, std::string key);

  struct Manifest {
    std::string text, file;
    std::filesystem::path folder;  // that "./model" is meant from, on this machine
  };
  // {"name", "result": "created" | "configured" | "unchanged", "manifest", …}. A package may have
  // to be fetched first: waits for up to an hour.
  Result<json::value> apply(const Manifest& manifest, bool dry_run = false) const;
  Result<json::array> services() const;
  Result<json::value> service(std::string_view name) const;
  Status remove(std::string_view name) const;
  Result<std::string> logs(std::string_view name, std::string_view replica,
                           std::size_t lines) const;
  Result<json::value> rollout(std::string_view name) const;
  Result<json::array> rollouts(std::string_view name, std::size_t most) const;
  Result<json::value> ask(std::string_view name, Verb verb) const;
  // Those after `after`, at most `most`; the last ones where `after` is 0.
  Result<json::array> events(std::string_view service, std::int64_t after, std::size_t most) const;
  Result<json::value> status() const;
  Status stop() const;

 private:
  Client(std::unique_ptr<net::Client> client, std::string base, std::string key)
      : client_(std::move(client)), base_(std::move(base)), key_(std::move(key)) {}
  bool here() const { return key_.empty(); }
  Result<std::string> call(std::string_view method, const std::string& target,
                           std::string body = {}) const;
  Result<json::value> call_json(std::string_view method, const std::string& target,
                                std::string body = {}) const;

  std::unique_ptr<net::Client> client_;
  std::string base_;  // what a path follows
  std::string key_;   // empty: of this machine
};

// Where the control plane of a state folder listens.
std::filesystem::path socket_of(const std::filesystem::path& state);

}  // namespace serin::control::api
