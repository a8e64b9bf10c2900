// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/kubeconfig.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/base64.h"
#include "base/files.h"
#include "base/words.h"
#include "model/manifest_reader.h"
#include "net/http/uri.h"

namespace serin::platform::kubernetes {
namespace {

using model::Path;
using model::Value;

constexpr std::uint64_t kMostBytes = 4 << 20;
constexpr std::string_view kAuthentication = "client.authentication.k8s.io/";

// kubectl writes null and "" for what is not set.
Value field(const Value& of, std::string_view name) {
  const json::value* found = nullptr;
  if (of.present() && !of.json().is_object()) of.wrong("must be a mapping");
  if (of.present()) found = of.json().as_object().if_contains(name);
  if (found != nullptr && (found->is_null() || (found->is_string() && found->as_string().empty())))
    found = nullptr;
  return {found, of.path() / name, of.problems()};
}

struct Document {
  std::filesystem::path path;
  YamlNode root;
  json::value value;
  model::Problems problems;

  Value top() { return {value.is_null() ? nullptr : &value, {}, problems}; }
  std::filesystem::path near(const std::string& named) const {
    return named.empty() ? std::filesystem::path() : path.parent_path() / named;
  }
  std::string place(const Value& of) const {
    const std::string text = model::error_of({of.path(), ""}, root, path.string()).message;
    return text.substr(0, text.rfind(": "));
  }
};
using Documents = std::vector<std::unique_ptr<Document>>;

Result<Documents> parse(std::span<const ConfigFile> files) {
  Documents documents;
  for (const ConfigFile& file : files) {
    auto root = parse_yaml(file.text);
    if (!root) return fail(std::move(root).error().within(file.path.string()));
    auto value = root->to_json();
    if (!value) return fail(std::move(value).error().within(file.path.string()));
    documents.push_back(
        std::make_unique<Document>(Document{file.path, *std::move(root), *std::move(value), {}}));
  }
  return documents;
}

Status first_problem(const Documents& documents) {
  for (const auto& document : documents)
    if (document->problems.any())
      return fail(
          model::error_of(document->problems.first(), document->root, document->path.string()));
  return {};
}

// An entry of one of the lists, and the file that it is from.
struct Found {
  Document* document = nullptr;
  Value body;
};

// {name: NAME, KIND: {…}} in the list KINDs.
Result<Found> find(const Documents& documents, const std::string& kind, std::string_view name,
                   const std::string& asked_by) {
  std::vector<std::string> known;
  for (const auto& document : documents) {
    for (const Value& entry : field(document->top(), kind + "s").list()) {
      const std::string one = field(entry, "name").text();
      if (one == name && !document->problems.any())
        return Found{document.get(), field(entry, kind)};
      known.push_back(one);
    }
  }
  SERIN_TRY(first_problem(documents));
  const std::vector<std::string_view> names(known.begin(), known.end());
  return invalid(asked_by + ": there is no " + kind + " " + shown(name) +
                     (names.empty() ? "" : "; " + there_are(names)),
                 kind + "s");
}

std::string base64_text(const Value& value) {
  std::string text = value.text();
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  auto bytes = from_base64(text);
  if (bytes) return *std::move(bytes);
  value.wrong("must be base64: " + bytes.error().message);
  return {};
}

// NAME-data in the configuration goes before NAME, a file.
Secret pem(Document& document, const Value& body, const std::string& name) {
  const Value inlined = field(body, name + "-data");
  const Value file = field(body, name);
  Secret secret;
  secret.place = document.place(inlined.present() ? inlined : file);
  if (inlined.present()) {
    secret.text = base64_text(inlined);
  } else {
    secret.file = document.near(file.text());
  }
  return secret;
}

void refuse(const Value& body, std::initializer_list<std::string_view> names,
            const std::string& why) {
  for (const std::string_view name : names)
    if (const Value value = field(body, name); value.present()) value.wrong(why);
}

// What a plugin reads under spec.cluster.
json::value cluster_info(const Access& access, const Value& cluster) {
  json::object info{{"server", access.server}};
  if (!access.server_name.empty()) info["tls-server-name"] = access.server_name;
  if (!access.verify) info["insecure-skip-tls-verify"] = true;
  for (const Value& extension : field(cluster, "extensions").list()) {
    if (field(extension, "name").text() != "client.authentication.k8s.io/exec") continue;
    if (const Value config = field(extension, "extension"); config.present())
      info["config"] = config.json();
  }
  return info;
}

void read_cluster(Document& document, const Value& body, Access& access) {
  const Value server = field(body, "server");
  access.server = server.text();
  while (access.server.ends_with('/')) access.server.pop_back();
  if (!server.present()) server.wrong("is missing; https://HOST:PORT of the API server");
  if (const auto url = net::parse_url(access.server); !url || url->host.empty())
    server.wrong("must be https://HOST:PORT, not " + shown(access.server));
  access.server_name = field(body, "tls-server-name").text();
  const Value insecure = field(body, "insecure-skip-tls-verify");
  access.verify = !insecure.boolean(false);
  access.authority = pem(document, body, "certificate-authority");
  if (!access.verify && access.authority.given())
    insecure.wrong("contradicts certificate-authority: remove one of the two");
  refuse(body, {"proxy-url"}, "proxies are not supported; name a server that can be reached");
}

ExecPlugin read_plugin(Document& document, const Value& body) {
  ExecPlugin plugin;
  const Value version = field(body, "apiVersion");
  const std::string named = version.text();
  if (named == std::string(kAuthentication) + "v1" ||
      named == std::string(kAuthentication) + "v1beta1") {
    plugin.version = named.substr(kAuthentication.size());
  } else {
    version.wrong("must be client.authentication.k8s.io/v1 or …/v1beta1");
  }
  const Value command = field(body, "command");
  plugin.command = command.text();
  if (!command.present()) command.wrong("is missing");
  if (plugin.command.find('/') != std::string::npos)
    plugin.command = document.near(plugin.command).string();
  for (const Value& one : field(body, "args").list()) plugin.arguments.push_back(one.text());
  for (const Value& one : field(body, "env").list())
    plugin.environment.emplace_back(field(one, "name").text(), field(one, "value").text());
  plugin.install_hint = field(body, "installHint").text();
  const Value mode = field(body, "interactiveMode");
  if (mode.text() == "Always") mode.wrong("is Always, and there is nobody at a terminal to ask");
  return plugin;
}

void read_user(Document& document, const Value& body, Access& access) {
  access.certificate = pem(document, body, "client-certificate");
  access.key = pem(document, body, "client-key");
  const Value file = field(body, "tokenFile");
  const Value token = field(body, "token");
  access.token.file = document.near(file.text());
  if (!file.present()) access.token.text = token.text();
  access.token.place = document.place(file.present() ? file : token);
  const Value exec = field(body, "exec");
  if (exec.present()) access.plugin = read_plugin(document, exec);
  if (access.plugin && (access.token.given() || access.certificate.given()))
    exec.wrong("stands beside a token or a certificate: which of them is meant?");
  if (access.certificate.given() != access.key.given())
    body.wrong("client-certificate and client-key come together");
  refuse(body, {"username", "password"},
         "passwords are not supported: API servers have not taken them since 1.19");
  refuse(body, {"auth-provider"}, "is not supported: kubectl has dropped it for exec");
  refuse(body, {"as", "as-uid", "as-groups", "as-user-extra"}, "impersonation is not supported");
}

std::string current_context(const Documents& documents) {
  for (const auto& document : documents) {
    std::string name = field(document->top(), "current-context").text();
    if (!name.empty()) return name;
  }
  return {};
}

Status check_secrecy(const Access& access) {
  const bool secret = access.token.given() || access.certificate.given() || access.plugin;
  if (!secret || access.server.starts_with("https://")) return {};
  return invalid(access.name + ": server: " + access.server +
                     " would see a secret in clear; it must be https://…",
                 "server");
}

Result<std::string> one_line(const std::filesystem::path& file) {
  SERIN_TRY_ASSIGN(std::string text, read_file(file, kMostBytes));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<Access> access_of_pod(const Surroundings& where) {
  const bool v6 = where.service_host.find(':') != std::string::npos;
  const auto secret = [&](const char* name) {
    const std::filesystem::path file = where.service_account / name;
    return Secret{{}, file, file.string()};
  };
  Access access;
  access.name = "the pod's service account";
  access.server = "https://" + (v6 ? "[" + where.service_host + "]" : where.service_host) + ":" +
                  (where.service_port.empty() ? "443" : where.service_port);
  access.authority = secret("ca.crt");
  access.token = secret("token");
  SERIN_TRY_ASSIGN(access.ns, one_line(where.service_account / "namespace"));
  return access;
}

std::vector<std::filesystem::path> split(std::string_view paths) {
  std::vector<std::filesystem::path> files;
  while (!paths.empty()) {
    const std::size_t colon = std::min(paths.find(':'), paths.size());
    if (colon > 0) files.emplace_back(paths.substr(0, colon));
    paths.remove_prefix(std::min(colon + 1, paths.size()));
  }
  return files;
}

// Those that are there: kubectl passes over the others.
Result<std::vector<ConfigFile>> read_files(const std::vector<std::filesystem::path>& paths) {
  std::vector<ConfigFile> files;
  for (const std::filesystem::path& path : paths) {
    auto text = read_file(path, kMostBytes);
    if (!text && text.error().code == Code::kNotFound) continue;
    if (!text) return fail(std::move(text).error());
    files.push_back({path, *std::move(text)});
  }
  return files;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

Result<Access> read_kubeconfig(std::span<const ConfigFile> files, std::string_view context) {
  SERIN_TRY_ASSIGN(const Documents documents, parse(files));
  const std::string name = context.empty() ? current_context(documents) : std::string(context);
  std::string from;
  for (const ConfigFile& file : files) from += (from.empty() ? "" : ":") + file.path.string();
  if (name.empty()) {
    SERIN_TRY(first_problem(documents));
    return invalid(from + ": current-context is not set; kubectl config use-context sets it",
                   "current-context");
  }
  SERIN_TRY_ASSIGN(const Found chosen, find(documents, "context", name, from));
  Access access;
  access.name = "context " + name + " of " + chosen.document->path.string();
  const std::string cluster = field(chosen.body, "cluster").text();
  const std::string user = field(chosen.body, "user").text();
  if (const Value ns = field(chosen.body, "namespace"); ns.present()) access.ns = ns.text();
  SERIN_TRY_ASSIGN(const Found server, find(documents, "cluster", cluster, access.name));
  read_cluster(*server.document, server.body, access);
  if (!user.empty()) {
    SERIN_TRY_ASSIGN(const Found who, find(documents, "user", user, access.name));
    read_user(*who.document, who.body, access);
    const Value exec = field(who.body, "exec");
    if (access.plugin && field(exec, "provideClusterInfo").boolean(false))
      access.plugin->cluster = cluster_info(access, server.body);
  }
  SERIN_TRY(first_problem(documents));
  SERIN_TRY(check_secrecy(access));
  return access;
}

Surroundings Surroundings::of_process() {
  Surroundings where;
  where.kubeconfig = variable("KUBECONFIG");
  where.home = variable("HOME");
  where.service_host = variable("KUBERNETES_SERVICE_HOST");
  where.service_port = variable("KUBERNETES_SERVICE_PORT");
  return where;
}

Result<Access> find_access(const Surroundings& where, std::string_view context) {
  const auto named = split(where.kubeconfig);
  std::vector<std::filesystem::path> paths = named;
  if (named.empty() && !where.home.empty()) paths.push_back(where.home / ".kube" / "config");
  SERIN_TRY_ASSIGN(const auto files, read_files(paths));
  if (!files.empty()) return read_kubeconfig(files, context);
  if (!named.empty())
    return fail(Code::kFailedPrecondition,
                "KUBECONFIG names " + where.kubeconfig + ", and there is no such file");
  if (context.empty() && !where.service_host.empty()) return access_of_pod(where);
  const std::string none =
      where.home.empty() ? "HOME is not set" : "there is no " + paths.front().string();
  return fail(Code::kFailedPrecondition,
              "no cluster is known: " + none + ", KUBECONFIG names none, and this is no pod");
}

}  // namespace serin::platform::kubernetes
