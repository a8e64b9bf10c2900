// SPDX-License-Identifier: Apache-2.0
// Which API server to speak to, and as whom: from kubeconfig files by kubectl's rules, or from
// what a pod is given. Reading is pure; what a file named here holds is read by credentials.h, when
// it is needed and again when it changes.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::platform::kubernetes {

// A certificate, a key or a token: as it stands in the configuration, or in a file.
struct Secret {
  std::string text;
  std::filesystem::path file;  // goes before `text`
  std::string place;           // "FILE:LINE:COLUMN: users[0].user.client-key", for messages

  bool given() const { return !text.empty() || !file.empty(); }
};

// A command that says who we are (client.authentication.k8s.io).
struct ExecPlugin {
  std::string version = {};  // "v1" or "v1beta1"
  std::string command = {};  // a path, or a name found on PATH
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  // in addition to ours
  std::string install_hint = {};
  std::optional<json::value> cluster = {};  // what it is to be told of the cluster
};

struct Access {
  std::string name;         // "context dev of /home/me/.kube/config", for messages
  std::string server;       // https://HOST:PORT, with no slash at the end
  std::string server_name;  // that its certificate must have, where it is not the host
  bool verify = true;
  std::string ns = "default";
  Secret authority, certificate, key, token;
  std::optional<ExecPlugin> plugin;
};

struct ConfigFile {
  std::filesystem::path path;
  std::string text;
};

// The files joined: the first that has a cluster, a user, a context or the current context by name
// is the one that says what it is. Paths are meant from the folder of their file. `context` empty:
// the current one. kInvalidArgument names file, line and field.
Result<Access> read_kubeconfig(std::span<const ConfigFile> files, std::string_view context = {});

// Where find_access() looks.
struct Surroundings {
  std::string kubeconfig = {};  // $KUBECONFIG: paths with ':' between them
  // Whose .kube/config is read where that names none; empty: nobody's.
  std::filesystem::path home = {};
  // What a pod has: its service account's folder, and the server's address.
  std::filesystem::path service_account = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::string service_host = {}, service_port = {};

  static Surroundings of_process();
};

// KUBECONFIG, else ~/.kube/config, else, where no `context` is asked for, the pod's own.
// kFailedPrecondition where there is none of them.
Result<Access> find_access(const Surroundings& where, std::string_view context = {});

}  // namespace serin::platform::kubernetes
