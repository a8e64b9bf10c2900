// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/namespace_gateway.h"

#include <algorithm>
#include <utility>

#include "platform/gateway_config.h"
#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

// Secrets that nobody watches are looked at anew now and then.
constexpr std::chrono::minutes kAgain{10};
// Others may write the same Secret between a look and a write.
constexpr int kTries = 3;

Reference secret_named(std::string_view name) { return {"v1", "Secret", std::string(name)}; }

bool is_due(const std::optional<Instant>& last, Instant now) {
  return !last || now - *last >= kAgain;
}

Error refused(const GatewayPod& pod, const net::Response& response) {
  const Code code = response.status == 409   ? Code::kFailedPrecondition
                    : response.status == 400 ? Code::kInvalidArgument
                                             : Code::kUnavailable;
  return {code, "the gateway " + pod.name + " answers its configuration with " +
                    std::to_string(response.status) + ": " + response.body};
}

}  // namespace

// A Secret that somebody removed is begun anew with a number that is larger than any before: pods
// take none that is smaller than theirs.
Result<NamespaceGateway::Found> NamespaceGateway::find() {
  Found found;
  SERIN_TRY_ASSIGN(found.secret, applier_.get(secret_named(kGatewayName)));
  if (found.secret.is_object()) {
    SERIN_TRY_ASSIGN(found.config, gateway_config_of(found.secret));
    return found;
  }
  const auto since = std::chrono::floor<std::chrono::milliseconds>(clock_.wall());
  found.config.revision = static_cast<std::uint64_t>(since.time_since_epoch().count());
  return found;
}

Status NamespaceGateway::write(const std::vector<Route>& routes) {
  Status done;
  for (int tried = 0; tried < kTries; ++tried) {
    SERIN_TRY_ASSIGN(const Found found, find());
    json::value next = gateway_secret_of(options_.name_space, found.config);
    for (const Route& route : routes) {
      SERIN_TRY_ASSIGN(next, serin_router().set_weights(route, next));
    }
    SERIN_TRY_ASSIGN(config_, gateway_config_of(next));
    if (found.secret.is_object() && config_ == found.config) return {};
    done = applier_.replace(next.as_object(), found.secret);
    if (done || done.error().code != Code::kAborted) return done;
  }
  return done;
}

Status NamespaceGateway::publish(const std::vector<Route>& routes) {
  if (routes.empty()) return {};
  std::vector<gateway::Service> wanted;
  for (const Route& route : routes) {
    SERIN_TRY_ASSIGN(gateway::Service service, service_of(route.traffic, route.versions));
    wanted.push_back(std::move(service));
  }
  const Instant now = clock_.now();
  if (wanted != wanted_ || is_due(written_, now)) {
    SERIN_TRY(write(routes));
    wanted_ = std::move(wanted);
    written_ = now;
  }
  SERIN_TRY(admit());
  SERIN_TRY(provide(routes.front().fields.image_pull_secrets));
  return tell();
}

// Makes or renews what the operator and the pods know each other by.
Status NamespaceGateway::admit() {
  const Instant now = clock_.now();
  if (!is_due(admitted_, now)) return {};
  SERIN_TRY_ASSIGN(const json::value live, applier_.get(secret_named(kGatewayAdminName)));
  SERIN_TRY_ASSIGN(json::object secret, admin_secret_of(live, options_.name_space, clock_.wall()));
  const bool same = live.is_object() && live.at("data") == secret.at("data");
  if (!same) SERIN_TRY(applier_.replace(secret, live));
  SERIN_TRY_ASSIGN(AdminAccess access, admin_access_of(secret, options_.name_space));
  const std::lock_guard lock(mutex_);
  if (!client_ || client_->access() != access) {
    SERIN_TRY_ASSIGN(client_, GatewayClient::create(std::move(access), options_.admin_port));
  }
  admitted_ = now;
  return {};
}

Status NamespaceGateway::provide(const json::array& image_pull_secrets) {
  GatewayPlan plan;
  plan.name_space = options_.name_space;
  plan.image = options_.image;
  plan.replicas = options_.gateway_replicas;
  plan.drain = drain_of(config_);
  plan.image_pull_secrets = image_pull_secrets;
  plan.operator_namespace = options_.operator_namespace;
  {
    const std::lock_guard lock(mutex_);
    plan.admin_digest = client_->access().digest;
  }
  const Object live = caches_.deployments.find({options_.name_space, std::string(kGatewayName)});
  applier_.look({"apps/v1", "Deployment", std::string(kGatewayName)}, live.get());
  for (const json::object& object : gateway_objects_of(plan)) SERIN_TRY(applier_.apply(object));
  return {};
}

Status NamespaceGateway::tell(const GatewayPod& pod) {
  SERIN_TRY_ASSIGN(
      const net::Response answer,
      ask(pod, "PUT", "/config", gateway::write_config(config_), options_.answer_within));
  if (answer.status != 200) return fail(refused(pod, answer));
  told_[pod.life] = config_.revision;
  return {};
}

Status NamespaceGateway::tell() {
  const std::vector<GatewayPod> running = pods();
  std::erase_if(told_, [&](const auto& one) {
    return std::ranges::find(running, one.first, &GatewayPod::life) == running.end();
  });
  bool any = false;
  Status done;
  for (const GatewayPod& pod : running) {
    if (!pod.ready) continue;
    any = true;
    const auto known = told_.find(pod.life);
    if (known != told_.end() && known->second == config_.revision) continue;
    // The others are told all the same.
    if (Status told = tell(pod); !told) done = std::move(told);
  }
  if (!any)
    return fail(Code::kUnavailable,
                "no pod of the gateway is ready; the first that is has this configuration");
  return done;
}

Status NamespaceGateway::withdraw(const Route& route) {
  SERIN_TRY_ASSIGN(const Found found, find());
  if (!found.secret.is_object()) return {};
  SERIN_TRY_ASSIGN(const RouteRemoval removal, serin_router().remove(route, found.secret));
  const json::object& left = *removal.changed;
  SERIN_TRY_ASSIGN(config_, gateway_config_of(left));
  if (config_ != found.config) SERIN_TRY(applier_.replace(left, found.secret));
  wanted_.clear();
  if (config_.services.empty()) return remove_all();
  SERIN_TRY(admit());
  return tell();
}

Status NamespaceGateway::remove_all() {
  GatewayPlan plan;
  plan.name_space = options_.name_space;
  plan.admin_digest = "any";  // all that there may be
  for (const json::object& object : gateway_objects_of(plan))
    SERIN_TRY(applier_.remove(reference_of(object)));
  SERIN_TRY(applier_.remove(secret_named(kGatewayName)));
  SERIN_TRY(applier_.remove(secret_named(kGatewayAdminName)));
  written_.reset();
  admitted_.reset();
  const std::lock_guard lock(mutex_);
  client_.reset();
  return {};
}

std::vector<GatewayPod> NamespaceGateway::pods() const {
  return gateways_among(caches_.pods.in(options_.name_space));
}

Result<net::Response> NamespaceGateway::ask(const GatewayPod& pod, std::string method,
                                            std::string target, std::string body,
                                            std::chrono::milliseconds within,
                                            const CancelToken& cancel) const {
  std::shared_ptr<GatewayClient> client;
  {
    const std::lock_guard lock(mutex_);
    client = client_;
  }
  if (!client) return fail(Code::kUnavailable, "nothing is known of the gateway's pods yet");
  return client->ask(pod, std::move(method), std::move(target), std::move(body), within, cancel);
}

}  // namespace serin::platform::kubernetes
