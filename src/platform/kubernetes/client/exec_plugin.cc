// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/exec_plugin.h"

#include "base/base64.h"
#include "base/subprocess.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/time.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::chrono::seconds kLongest{60};
constexpr std::size_t kShown = 500;  // bytes of what it said
constexpr std::string_view kInfo = "KUBERNETES_EXEC_INFO";

std::string api_version_of(std::string_view version) {
  return "client.authentication.k8s.io/" + std::string(version);
}

std::string asked(const ExecPlugin& plugin, const std::string& authority) {
  json::object spec{{"interactive", false}};
  if (plugin.cluster) {
    json::object cluster = plugin.cluster->as_object();
    if (!authority.empty()) cluster["certificate-authority-data"] = to_base64(authority);
    spec["cluster"] = std::move(cluster);
  }
  return json::serialize(json::object{{"apiVersion", api_version_of(plugin.version)},
                                      {"kind", "ExecCredential"},
                                      {"spec", std::move(spec)}});
}

Command command_of(const ExecPlugin& plugin, const std::string& authority) {
  Command command;
  command.arguments = {plugin.command};
  command.arguments.insert(command.arguments.end(), plugin.arguments.begin(),
                           plugin.arguments.end());
  Variables added = plugin.environment;
  std::erase_if(added, [](const auto& one) { return one.first == kInfo; });
  added.emplace_back(kInfo, asked(plugin, authority));
  command.environment = environment_with(added);
  return command;
}

Error refused(const ExecPlugin& plugin, const std::string& what) {
  return {Code::kUnauthenticated, plugin.command + ": " + what};
}

}  // namespace

Result<PluginAnswer> read_plugin_answer(std::string_view output, std::string_view version) {
  SERIN_TRY_ASSIGN(const json::value answer, parse_json(output));
  const std::string wanted = api_version_of(version);
  if (text_at(answer, "/kind") != "ExecCredential" || text_at(answer, "/apiVersion") != wanted)
    return invalid("the answer is no ExecCredential of " + wanted);
  PluginAnswer read;
  read.token = text_at(answer, "/status/token");
  read.certificate = text_at(answer, "/status/clientCertificateData");
  read.key = text_at(answer, "/status/clientKeyData");
  if (read.certificate.empty() != read.key.empty())
    return invalid("clientCertificateData and clientKeyData come together");
  if (read.token.empty() && read.certificate.empty())
    return invalid("the answer has neither a token nor a certificate");
  const std::string_view expires = text_at(answer, "/status/expirationTimestamp");
  if (expires.empty()) return read;
  read.expires = parse_time(expires);
  if (!read.expires)
    return invalid("expirationTimestamp is no time of RFC 3339: " + std::string(expires));
  return read;
}

Result<PluginAnswer> run_plugin(const ExecPlugin& plugin, const std::string& authority,
                                const CancelToken& cancel) {
  auto ran = run_command(command_of(plugin, authority), kLongest, cancel);
  if (!ran) {
    const std::string hint = plugin.install_hint.empty() ? "" : "; " + plugin.install_hint;
    return fail(refused(plugin, ran.error().message + hint));
  }
  if (ran->cancelled) return fail(Code::kCancelled, plugin.command + ": cancelled");
  if (ran->timed_out) return fail(refused(plugin, "gave no answer within a minute"));
  if (!ran->ok()) {
    std::string said = ran->errors.substr(0, kShown);
    while (!said.empty() && said.back() <= ' ') said.pop_back();
    return fail(refused(plugin, "ended with " + std::to_string(ran->code) + ": " + said));
  }
  auto answer = read_plugin_answer(ran->output, plugin.version);
  if (!answer) return fail(refused(plugin, answer.error().message));
  return answer;
}

}  // namespace serin::platform::kubernetes
