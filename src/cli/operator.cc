// SPDX-License-Identifier: Apache-2.0
// `serin operator`: the control plane of a cluster.
#include "cluster/operator.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/stop_signals.h"
#include "cli/command.h"
#include "cli/takes.h"
#include "cli/version.h"
#include "cluster/install.h"
#include "cluster/probe_server.h"
#include "platform/kubernetes/client/kubeconfig.h"
#include "platform/kubernetes/platform/kubernetes_platform.h"

namespace serin::cli {
namespace {

namespace kubernetes = platform::kubernetes;

constexpr std::chrono::seconds kSyncs{60};

std::string environment_or(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::move(otherwise) : std::string(value);
}

struct OperatorLine {
  std::string image;
  std::string ns = environment_or("POD_NAMESPACE", "serin-system");
  std::string address = "127.0.0.1";
  std::uint16_t port = cluster::kOperatorPort;
  std::string context;
  int gateway_replicas = 2;
};

// Of this process and of no other: who leads is told apart by it, also after a pod's container was
// started again.
std::string identity() {
  const std::string pod = environment_or("POD_NAME", "pid-" + std::to_string(::getpid()));
  return pod + "-" + std::to_string(Clock::real().wall().time_since_epoch().count());
}

kubernetes::InformerOptions ours(std::string group, std::string plural) {
  kubernetes::InformerOptions options;
  options.target.resource = {
      .group = std::move(group), .version = "v1", .plural = std::move(plural)};
  options.which.labels = "app.kubernetes.io/managed-by=serin";
  return options;
}

// What every namespace's platform looks at.
struct Informers {
  explicit Informers(kubernetes::Api& api)
      : deployments(
            api, ours("apps", "deployments"), [](const auto&) {}, Clock::real()),
        pods(api, ours("", "pods"), [](const auto&) {}, Clock::real()) {
    deployments.start();
    pods.start();
  }
  kubernetes::Informer deployments, pods;
};

Result<cluster::PlatformOfNamespace> platform_of(const std::string& ns, const OperatorLine& line,
                                                 kubernetes::Api& api, Informers& informers,
                                                 const cluster::Operator& of) {
  if (!informers.deployments.wait_synced(kSyncs) || !informers.pods.wait_synced(kSyncs))
    return fail(Code::kUnavailable, "the cluster has not told of its Deployments and pods yet");
  kubernetes::KubernetesOptions options;
  options.name_space = ns;
  options.operator_namespace = line.ns;
  options.image = line.image;
  options.gateway_replicas = line.gateway_replicas;
  SERIN_TRY_ASSIGN(auto made, kubernetes::KubernetesPlatform::create(
                                  api, {informers.deployments.objects(), informers.pods.objects()},
                                  [&of, ns](std::string_view service) {
                                    return of.owner_of(ns, std::string(service));
                                  },
                                  std::move(options)));
  auto refresh = [platform = made.get()] { return platform->refresh(); };
  return cluster::PlatformOfNamespace{std::move(made), std::move(refresh)};
}

Status run(const OperatorLine& line) {
  const sigset_t stops = hold_stop_signals();
  SERIN_TRY_ASSIGN(kubernetes::Access access,
                   kubernetes::find_access(kubernetes::Surroundings::of_process(), line.context));
  log::info("the cluster", {{"of", access.name}, {"server", access.server}});
  SERIN_TRY_ASSIGN(const auto api, kubernetes::Api::create(std::move(access), Clock::real(),
                                                           {.manager = "serin-operator"}));
  Informers informers(*api);
  cluster::Operator of(*api, {.ns = line.ns, .identity = identity(), .build = kVersion},
                       Clock::real());
  SERIN_TRY_ASSIGN(const auto probes, cluster::ProbeServer::create(of, line.address, line.port));
  log::info("listening", {{"port", probes->port()}});
  Status ended;
  std::jthread leads([&](const std::stop_token& stop) {
    ended = of.run(
        [&](const std::string& ns) { return platform_of(ns, line, *api, informers, of); }, stop);
    // Who leads no more ends, and is started again.
    ::kill(::getpid(), SIGTERM);
  });
  int signal = 0;
  sigwait(&stops, &signal);
  log::info("stopping; what runs goes on running", {{"signal", signal}});
  leads.request_stop();
  leads.join();
  return ended;
}

}  // namespace

void add_operator(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<OperatorLine>();
  CLI::App* command = app.add_subcommand(
      "operator", "Run the services of a Kubernetes cluster, as its GenerativeServices say");
  command
      ->add_option("--image", line->image,
                   "What workers and gateways run where a manifest names no image")
      ->required();
  command->add_option("--namespace", line->ns, "Where its Lease is; $POD_NAMESPACE, else this")
      ->capture_default_str();
  command->add_option("--context", line->context, "Of the kubeconfig; by default the current one");
  command->add_option("--address", line->address, "Address of /health and /metrics")
      ->capture_default_str();
  takes_port(command->add_option("--port", line->port, "Port of these; 0: any free one"))
      ->capture_default_str();
  takes_between(command->add_option("--gateway-replicas", line->gateway_replicas,
                                    "Gateways of a namespace that has services with router: serin"),
                1, 100)
      ->capture_default_str();
  command->callback([line, &chosen] { chosen = [line] { return run(*line); }; });
}

}  // namespace serin::cli
