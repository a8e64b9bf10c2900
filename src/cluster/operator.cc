// SPDX-License-Identifier: Apache-2.0
#include "cluster/operator.h"

#include <chrono>
#include <thread>
#include <utility>

#include "base/last_resort.h"
#include "base/log.h"
#include "cluster/pause.h"
#include "control/api/measure.h"
#include "platform/kubernetes/objects/crd.h"
#include "telemetry/merge.h"
#include "telemetry/process.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;
using k8s::ObjectKey;

constexpr std::string_view kLease = "serin-operator";
constexpr telemetry::Buckets kReconcileSeconds{1e-3, 100, 2};

k8s::InformerOptions services_of_all_namespaces() {
  k8s::InformerOptions options;
  options.target.resource = {.group = std::string(k8s::kGroup),
                             .version = std::string(k8s::kVersion),
                             .plural = std::string(k8s::kPlural)};
  return options;
}

}  // namespace

Operator::Operator(k8s::Api& api, OperatorOptions options, const Clock& clock)
    : api_(api),
      options_(std::move(options)),
      clock_(clock),
      reconcile_seconds_(registry_.histogram("serin_operator_reconcile_seconds",
                                             "One look of the operator at one service.",
                                             kReconcileSeconds)),
      reconcile_errors_(registry_.counter("serin_operator_reconcile_errors_total",
                                          "Looks that could not be finished and are repeated.")),
      recorder_(api, "serin.dev/operator", options_.identity, clock),
      announcer_(recorder_),
      queue_(clock),
      election_(api,
                {.ns = options_.ns, .name = std::string(kLease), .identity = options_.identity},
                clock),
      services_(
          api, services_of_all_namespaces(), [this](const k8s::Change& change) { heard(change); },
          clock) {
  telemetry::measure_process(registry_, options_.build, clock_);
  registry_.gauge_read_by("serin_operator_leading", "1 while this operator leads.", {},
                          [this] { return leading() ? 1.0 : 0.0; });
  registry_.gauge_read_by("serin_operator_queue", "Services that wait to be looked at.", {},
                          [this] { return static_cast<double>(queue_.size()); });
}

Operator::~Operator() = default;

void Operator::heard(const k8s::Change& change) {
  queue_.add(k8s::key_of(change.after ? *change.after : *change.before));
}

Status Operator::run(const MakePlatform& make_platform, const std::stop_token& stop) {
  services_.start();
  election_.start([](bool leading) {
    log::info(leading ? "this operator leads" : "this operator does not lead", {});
  });
  constexpr std::chrono::milliseconds kLook{100};
  while (!(election_.leading() && services_.synced())) {
    if (!pause_for(kLook, stop)) return {};
  }
  return lead(make_platform, stop);
}

Status Operator::lead(const MakePlatform& make_platform, const std::stop_token& stop) {
  Reconciler reconciler(
      {.api = api_,
       .find = [this](const ObjectKey& key) { return services_.objects().find(key); },
       .realm = [this,
                 &make_platform](const std::string& ns) { return realm_of(ns, make_platform); },
       .announce = [this](const ObjectKey& key,
                          const control::Event& event) { announce(key, event); },
       .clock = clock_});
  {
    std::vector<std::jthread> threads;
    threads.reserve(options_.workers + 1);
    for (unsigned i = 0; i < options_.workers; ++i)
      threads.emplace_back([&](const std::stop_token& end) { work(reconciler, end); });
    threads.emplace_back([&](const std::stop_token& end) { refresh(reconciler, end); });
    constexpr std::chrono::milliseconds kLook{100};
    while (election_.leading() && pause_for(kLook, stop)) {
    }
  }
  const std::lock_guard lock(realms_mutex_);
  realms_.clear();
  return stop.stop_requested() ? Status()
                               : fail(Code::kAborted, "this operator does not lead any more");
}

void Operator::work(Reconciler& reconciler, const std::stop_token& stop) {
  while (const auto key = queue_.take(stop)) {
    survives("a look at a service", [&] {
      const Instant began = clock_.now();
      const auto done = reconciler.reconcile(*key);
      reconcile_seconds_.observe(std::chrono::duration<double>(clock_.now() - began).count());
      if (!done) {
        reconcile_errors_.add();
        log::warning(done.error().message, {{"service", k8s::to_string(*key)}});
        queue_.add_failed(*key);
        return;
      }
      queue_.forget(*key);
      if (*done) queue_.add_after(*key, **done);
    });
    queue_.done(*key);
  }
}

void Operator::refresh(Reconciler& reconciler, const std::stop_token& stop) {
  while (pause_for(options_.refresh_every, stop)) {
    for (const k8s::Object& resource : services_.objects().all()) {
      if (stop.stop_requested()) return;
      const ObjectKey key = k8s::key_of(*resource);
      survives("the status of a service", [&] {
        if (const Status said = reconciler.refresh(key); !said)
          log::warning(said.error().message, {{"service", k8s::to_string(key)}});
      });
    }
  }
}

Result<std::shared_ptr<Realm>> Operator::realm_of(const std::string& ns,
                                                  const MakePlatform& make_platform) {
  const std::lock_guard lock(realms_mutex_);
  std::shared_ptr<Realm>& realm = realms_[ns];
  if (realm != nullptr && !realm->stale()) return realm;
  realm.reset();
  SERIN_TRY_ASSIGN(
      realm, Realm::open(
                 api_,
                 {.store = {.ns = ns,
                            .writer = options_.identity,
                            .leads = [this] { return election_.leading(); }},
                  .controller = {.services = options_.services,
                                 .build = options_.build,
                                 .metric_labels = {{"namespace", ns}}}},
                 make_platform,
                 [this, ns](const control::Event& event) { announce({ns, event.service}, event); },
                 clock_));
  return realm;
}

void Operator::announce(const ObjectKey& key, const control::Event& event) {
  const auto owner = owner_of(key.ns, key.name);
  if (!owner) return;
  announcer_.announce(
      {{"apiVersion", k8s::kApiVersion},
       {"kind", k8s::kKind},
       {"metadata", {{"name", key.name}, {"namespace", key.ns}, {"uid", owner->uid}}}},
      event);
}

std::vector<std::shared_ptr<Realm>> Operator::realms() {
  const std::lock_guard lock(realms_mutex_);
  std::vector<std::shared_ptr<Realm>> all;
  for (const auto& [ns, realm] : realms_) {
    if (realm != nullptr) all.push_back(realm);
  }
  return all;
}

std::string Operator::expose() {
  std::vector<std::string> texts{registry_.expose()};
  for (const std::shared_ptr<Realm>& realm : realms()) {
    control::Controller& controller = realm->controller();
    telemetry::Registry& registry = controller.metrics().registry();
    control::api::measure(registry, controller.list());
    texts.push_back(registry.expose());
  }
  return telemetry::merge_expositions(texts);
}

std::optional<k8s::Owner> Operator::owner_of(const std::string& ns, const std::string& name) const {
  const k8s::Object found = services_.objects().find({ns, name});
  if (found == nullptr) return std::nullopt;
  return k8s::Owner{.name = name, .uid = std::string(k8s::uid_of(*found))};
}

}  // namespace serin::cluster
