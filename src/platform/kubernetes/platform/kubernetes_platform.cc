// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/kubernetes_platform.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "platform/gateway_config.h"
#include "platform/gateway_lines.h"
#include "platform/kubernetes/platform/applier.h"
#include "platform/kubernetes/platform/cursor.h"
#include "platform/kubernetes/platform/facts.h"
#include "platform/kubernetes/platform/namespace_gateway.h"
#include "platform/kubernetes/platform/plans.h"
#include "platform/kubernetes/platform/replicas.h"
#include "platform/kubernetes/platform/workers.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::milliseconds;

// Holders of weights that nobody watches are applied anew now and then.
constexpr std::chrono::minutes kAgain{10};
constexpr int kTries = 3;

constexpr Router kRouters[] = {Router::kSerin, Router::kIstio, Router::kLinkerd,
                               Router::kGatewayApi};

// Goes on after an error, and keeps the first.
void note(Status& all, Status one) {
  if (all && !one) all = std::move(one);
}

}  // namespace

struct KubernetesPlatform::State {
  State(Api& chosen, Caches seen, OwnerOf owners, KubernetesOptions said, const Clock& time,
        std::unique_ptr<FactsOfWorkers> asked)
      : api(chosen),
        caches(seen),
        owner_of(std::move(owners)),
        options(std::move(said)),
        clock(time),
        facts(std::move(asked)) {}

  Route route_of(const Traffic& traffic) const;
  std::vector<Route> routes_of(const std::map<std::string, Traffic>& traffics) const;
  Status prepare(const Route& route);
  Status move(const Route& route);
  Status leave_layers(const Route& route, std::optional<Router> but);
  Status refresh_routes();
  Status check_labels(const Traffic& traffic) const;

  Api& api;
  const Caches caches;
  const OwnerOf owner_of;
  const KubernetesOptions options;
  const Clock& clock;
  const std::unique_ptr<FactsOfWorkers> facts;

  std::mutex mutex;  // guards what follows, but the asking of `gateway`
  Applier applier{api, options.name_space, clock};
  Workers workers{applier, caches, owner_of, options};
  NamespaceGateway gateway{applier, caches, options, clock};
  std::map<std::string, Traffic> traffic;  // by service
  std::map<std::string, Instant> moved;    // of those whose weights a mesh holds
  std::map<std::string, Router> layers;    // the only one that knows a service
};

Route KubernetesPlatform::State::route_of(const Traffic& wanted) const {
  Route route;
  route.name_space = options.name_space;
  route.traffic = wanted;
  route.fields = fields_of(wanted.kubernetes);
  route.owner = owner_of(wanted.service);
  if (route.fields.router != Router::kSerin) return route;
  route.versions = routed_versions(workers.digests(wanted.service),
                                   of_service(caches.pods, options.name_space, wanted.service),
                                   facts->of(caches.pods.in(options.name_space)));
  return route;
}

// Of those that go through our gateway.
std::vector<Route> KubernetesPlatform::State::routes_of(
    const std::map<std::string, Traffic>& traffics) const {
  std::vector<Route> routes;
  for (const auto& [service, wanted] : traffics) {
    if (fields_of(wanted.kubernetes).router == Router::kSerin) routes.push_back(route_of(wanted));
  }
  return routes;
}

Status KubernetesPlatform::State::prepare(const Route& route) {
  for (const json::object& object : router_of(route.fields).prepare(route))
    SERIN_TRY(applier.apply(object));
  return {};
}

// The weights of a mesh, from where they stand. What somebody else has made of them is not written
// over: weights() says what it is.
Status KubernetesPlatform::State::move(const Route& route) {
  const TrafficRouter& router = router_of(route.fields);
  Status done;
  for (int tried = 0; tried < kTries; ++tried) {
    SERIN_TRY_ASSIGN(const json::value live, applier.get(router.holder(route)));
    const auto now = router.weights(route, live);
    if (!now && now.error().code != Code::kNotFound) return fail(now.error());
    SERIN_TRY_ASSIGN(const json::object next, router.set_weights(route, live));
    done = applier.replace(next, live);
    if (done) moved[route.traffic.service] = clock.now();
    if (done || done.error().code != Code::kAborted) return done;
  }
  return done;
}

// Whichever layers know the service do so no longer: an operator that begins in the middle does not
// know which it was. `but`: the one that it goes through.
Status KubernetesPlatform::State::leave_layers(const Route& route, std::optional<Router> but) {
  std::vector<Reference> kept;
  if (but) {
    for (const json::object& object : router_of(route.fields).prepare(route))
      kept.push_back(reference_of(object));
  }
  Route other = route;
  for (const Router router : kRouters) {
    if (router == but) continue;
    other.fields.router = router;
    SERIN_TRY_ASSIGN(const RouteRemoval removal, router_of(other.fields).remove(other, nullptr));
    for (const Reference& gone : removal.gone) {
      if (std::ranges::find(kept, gone) == kept.end()) SERIN_TRY(applier.remove(gone));
    }
  }
  return but == Router::kSerin ? Status() : gateway.withdraw(route);
}

Status KubernetesPlatform::State::refresh_routes() {
  Status done;
  for (const auto& [service, wanted] : traffic) {
    const Route route = route_of(wanted);
    note(done, prepare(route));
    const auto last = moved.find(service);
    const bool mesh = route.fields.router != Router::kSerin;
    if (mesh && (last == moved.end() || clock.now() - last->second >= kAgain))
      note(done, move(route));
  }
  note(done, gateway.publish(routes_of(traffic)));
  return done;
}

Status KubernetesPlatform::State::check_labels(const Traffic& wanted) const {
  const auto known = workers.digests(wanted.service);
  for (const std::string& label : {wanted.stable, wanted.candidate}) {
    if (label.empty() || known.contains(label)) continue;
    return fail(Code::kFailedPrecondition, wanted.service + " has no version " + label);
  }
  return {};
}

KubernetesPlatform::KubernetesPlatform(std::unique_ptr<State> state) : state_(std::move(state)) {}
KubernetesPlatform::~KubernetesPlatform() = default;

Result<std::unique_ptr<KubernetesPlatform>> KubernetesPlatform::create(Api& api, Caches caches,
                                                                       OwnerOf owner_of,
                                                                       KubernetesOptions options,
                                                                       const Clock& clock) {
  SERIN_TRY_ASSIGN(auto facts, FactsOfWorkers::create(clock));
  auto state = std::make_unique<State>(api, caches, std::move(owner_of), std::move(options), clock,
                                       std::move(facts));
  return std::unique_ptr<KubernetesPlatform>(new KubernetesPlatform(std::move(state)));
}

Status KubernetesPlatform::refresh() {
  const std::lock_guard lock(state_->mutex);
  Status done = state_->workers.refresh();
  note(done, state_->refresh_routes());
  return done;
}

Result<Model> KubernetesPlatform::resolve(const std::string& model) {
  if (!model::is_url(model) || model.starts_with("file:"))
    return fail(Code::kNotFound,
                model +
                    ": an operator can look at oci://, s3:// and azblob:// alone, not at what "
                    "has a name on a laptop or lies in a volume; push the package there");
  SERIN_TRY_ASSIGN(std::string digest, model::digest_of_package(model, state_->options.source));
  return Model{model, std::move(digest), {}};
}

Status KubernetesPlatform::ensure(const VersionSpec& spec) {
  const std::lock_guard lock(state_->mutex);
  return state_->workers.ensure(spec);
}

Status KubernetesPlatform::remove(std::string_view service, std::string_view label) {
  const std::lock_guard lock(state_->mutex);
  const auto routed = state_->traffic.find(std::string(service));
  if (routed != state_->traffic.end() &&
      (routed->second.stable == label || routed->second.candidate == label)) {
    return fail(Code::kFailedPrecondition, "requests of " + std::string(service) + " still go to " +
                                               std::string(label) + ": route them elsewhere");
  }
  return state_->workers.remove(std::string(service), std::string(label));
}

Result<std::vector<VersionStatus>> KubernetesPlatform::observe(std::string_view service) {
  const std::lock_guard lock(state_->mutex);
  return state_->workers.observe(std::string(service));
}

Status KubernetesPlatform::route(const Traffic& traffic) {
  SERIN_TRY(check(traffic));
  const std::lock_guard lock(state_->mutex);
  SERIN_TRY(state_->check_labels(traffic));
  // Refused before it is kept.
  const Route route = state_->route_of(traffic);
  SERIN_TRY(service_of(traffic, route.versions));
  SERIN_TRY(state_->prepare(route));
  state_->traffic[traffic.service] = traffic;
  const Router router = route.fields.router;
  SERIN_TRY(router == Router::kSerin ? state_->gateway.publish(state_->routes_of(state_->traffic))
                                     : state_->move(route));
  // Once requests go through this layer.
  const auto layer = state_->layers.find(traffic.service);
  if (layer != state_->layers.end() && layer->second == router) return {};
  SERIN_TRY(state_->leave_layers(route, router));
  state_->layers[traffic.service] = router;
  return {};
}

Status KubernetesPlatform::unroute(std::string_view service) {
  const std::lock_guard lock(state_->mutex);
  Traffic last;
  last.service = service;
  if (const auto known = state_->traffic.find(last.service); known != state_->traffic.end())
    last = known->second;
  state_->traffic.erase(last.service);
  state_->moved.erase(last.service);
  state_->layers.erase(last.service);
  return state_->leave_layers(state_->route_of(last), std::nullopt);
}

Result<EvidencePage> KubernetesPlatform::evidence(std::string_view service, std::string_view after,
                                                  std::size_t most) {
  SERIN_TRY(check_names(service, service));
  const std::vector<GatewayPod> pods = state_->gateway.pods();
  SERIN_TRY_ASSIGN(Cursor cursor, read_cursor(after));
  std::erase_if(cursor, [&](const auto& read) {
    return std::ranges::find(pods, read.first, &GatewayPod::uid) == pods.end();
  });
  const std::size_t share = std::max<std::size_t>(1, most / std::max<std::size_t>(1, pods.size()));
  EvidencePage all;
  std::optional<Error> failed;
  std::size_t heard = 0;
  for (const GatewayPod& pod : pods) {
    const std::uint64_t from = cursor[pod.uid];
    const auto answer = state_->gateway.ask(pod, "GET", evidence_target(service, from, share), "",
                                            state_->options.answer_within);
    auto page = answer ? read_page(*answer, from) : Result<GatewayPage>(fail(answer.error()));
    if (!page) {
      failed = page.error();
      continue;
    }
    ++heard;
    cursor[pod.uid] = page->next;
    all.lost += page->lost;
    std::ranges::move(page->records, std::back_inserter(all.records));
  }
  // One that is silent for a while tells later what it has.
  if (heard == 0 && failed) return fail(*std::move(failed));
  std::ranges::sort(all.records, {}, [](const Evidence& one) { return one.request.assigned; });
  all.next = write_cursor(cursor);
  return all;
}

Result<std::vector<Sample>> KubernetesPlatform::samples(std::string_view service,
                                                        std::string_view scorer, double part,
                                                        std::size_t most) {
  SERIN_TRY(check_names(service, scorer));
  std::vector<Sample> all;
  for (const GatewayPod& pod : state_->gateway.pods()) {
    if (!pod.ready || all.size() >= most) continue;
    SERIN_TRY_ASSIGN(
        const net::Response answer,
        state_->gateway.ask(pod, "GET", samples_target(service, scorer, part, most - all.size()),
                            "", state_->options.answer_within));
    SERIN_TRY_ASSIGN(auto some, read_samples(answer));
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

// To all of them: a number counts from the microsecond in which a gateway began, so that only the
// one that has the sample knows it.
Status KubernetesPlatform::score(std::string_view service, std::string_view scorer,
                                 const std::vector<SampleScore>& scores) {
  SERIN_TRY(check_names(service, scorer));
  Status done;
  for (const GatewayPod& pod : state_->gateway.pods()) {
    if (!pod.ready) continue;
    const auto answer = state_->gateway.ask(pod, "POST", scores_target(service, scorer),
                                            write_scores(scores), state_->options.answer_within);
    note(done, answer ? read_scored(*answer) : Status(fail(answer.error())));
  }
  return done;
}

Result<Reply> KubernetesPlatform::ask(std::string_view service, std::string body,
                                      milliseconds within, const CancelToken& cancel) {
  SERIN_TRY(check_names(service, service));
  Error none{Code::kUnavailable, "no pod of the gateway is ready"};
  for (const GatewayPod& pod : state_->gateway.pods()) {
    if (!pod.ready) continue;
    auto answer = state_->gateway.ask(pod, "POST", ask_target(service, within), body,
                                      within + state_->options.answer_within, cancel);
    if (answer) return Reply{answer->status, std::move(answer->body)};
    // Nothing was sent: another may be asked.
    if (answer.error().code != Code::kUnavailable) return fail(std::move(answer).error());
    none = std::move(answer).error();
  }
  return fail(std::move(none));
}

Result<std::string> KubernetesPlatform::logs(std::string_view service, std::string_view replica,
                                             std::size_t lines) {
  auto pods = of_service(state_->caches.pods, state_->options.name_space, service);
  if (!replica.empty())
    std::erase_if(pods, [&](const Object& pod) { return key_of(*pod).name != replica; });
  if (pods.empty())
    return fail(Code::kNotFound,
                "there is no log of " + std::string(replica.empty() ? service : replica));
  std::string text;
  for (const Object& pod : pods) {
    LogRequest request{state_->options.name_space, key_of(*pod).name,
                       std::string(kWorkerContainer)};
    request.lines = lines;
    SERIN_TRY_ASSIGN(const std::string one, state_->api.logs(request));
    text += one;
  }
  return text;
}

}  // namespace serin::platform::kubernetes
