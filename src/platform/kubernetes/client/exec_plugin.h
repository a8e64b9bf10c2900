// SPDX-License-Identifier: Apache-2.0
// Commands that say who we are (ExecCredential of client.authentication.k8s.io): how one is run,
// and what it answers. Never at a terminal: its standard input is empty.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/error.h"
#include "platform/kubernetes/client/kubeconfig.h"

namespace serin::platform::kubernetes {

struct PluginAnswer {
  std::string token;             // empty: the certificate says who we are
  std::string certificate, key;  // PEM; empty: the token does
  std::optional<std::chrono::system_clock::time_point> expires;  // unset: once it is refused
};

// Pure. `version`: of the plugin's configuration, which its answer must be of.
Result<PluginAnswer> read_plugin_answer(std::string_view output, std::string_view version);

// Blocks until it has ended, for a minute at most. `authority`: PEM of the cluster's, for a plugin
// that is told of its cluster. kUnauthenticated with the command and what it said.
Result<PluginAnswer> run_plugin(const ExecPlugin& plugin, const std::string& authority,
                                const CancelToken& cancel);

}  // namespace serin::platform::kubernetes
