// SPDX-License-Identifier: Apache-2.0
#include "cluster/reconciler.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "cluster/manifest.h"
#include "cluster/service_status.h"
#include "control/verbs.h"
#include "platform/kubernetes/objects/crd.h"
#include "platform/kubernetes/objects/resource.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;
using k8s::Object;
using k8s::ObjectKey;

constexpr std::string_view kWho = "the cluster";
// Between two looks at a service that ends.
constexpr Duration kEnds = std::chrono::seconds(1);

k8s::Target target_of(const ObjectKey& key, std::string subresource = {}) {
  return {.resource = {.group = std::string(k8s::kGroup),
                       .version = std::string(k8s::kVersion),
                       .plural = std::string(k8s::kPlural)},
          .ns = key.ns,
          .name = key.name,
          .subresource = std::move(subresource)};
}

std::int64_t generation_of(const json::value& resource) {
  const json::value* value = value_at(resource, "/metadata/generation");
  boost::system::error_code none;
  return value == nullptr ? 0 : value->to_number<std::int64_t>(none);
}

bool is_deleting(const json::value& resource) {
  return value_at(resource, "/metadata/deletionTimestamp") != nullptr;
}

json::array finalizers_of(const json::value& resource) {
  const json::value* value = value_at(resource, "/metadata/finalizers");
  return value == nullptr || !value->is_array() ? json::array() : value->get_array();
}

bool is_ours(const json::value& finalizer) {
  return finalizer.is_string() && std::string_view(finalizer.get_string()) == kFinalizer;
}
bool holds(const json::array& finalizers) { return std::ranges::any_of(finalizers, is_ours); }

// Only while the resource is as it was seen.
json::object patch_of(const json::value& resource, json::object metadata) {
  metadata["resourceVersion"] = k8s::version_of(resource);
  return {{"metadata", std::move(metadata)}};
}

// What it said is true until the manifest says something else.
bool is_lasting(const Status& accepted) {
  if (accepted) return true;
  switch (accepted.error().code) {
    case Code::kInvalidArgument:
    case Code::kUnimplemented:
    case Code::kPermissionDenied:
    case Code::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

bool asks_for_the_same(const control::ServiceRecord& record, const json::object& manifest) {
  const auto stored = parse_json(record.manifest);
  return stored && canonical_json(*stored) == canonical_json(manifest);
}

}  // namespace

Result<std::optional<Duration>> Reconciler::reconcile(const ObjectKey& key) {
  const Object resource = world_.find(key);
  if (resource == nullptr) {
    const std::lock_guard lock(mutex_);
    verdicts_.erase(key);
    return std::nullopt;
  }
  SERIN_TRY_ASSIGN(const std::shared_ptr<Realm> realm, world_.realm(key.ns));
  if (is_deleting(*resource)) return end(*realm, *resource);
  SERIN_TRY(hold(*resource));
  Status accepted = remember(*resource, accept(*realm, *resource));
  if (accepted) SERIN_TRY(obey(*realm, *resource));
  SERIN_TRY(say(*realm, *resource, accepted));
  if (!is_lasting(accepted)) return fail(std::move(accepted).error());
  return std::nullopt;
}

Status Reconciler::refresh(const ObjectKey& key) {
  const Object resource = world_.find(key);
  if (resource == nullptr || is_deleting(*resource)) return {};
  const auto verdict = verdict_of(*resource);
  if (!verdict) return {};
  SERIN_TRY_ASSIGN(const std::shared_ptr<Realm> realm, world_.realm(key.ns));
  return say(*realm, *resource, verdict->accepted);
}

Status Reconciler::hold(const json::value& resource) {
  json::array finalizers = finalizers_of(resource);
  if (holds(finalizers)) return {};
  finalizers.emplace_back(kFinalizer);
  const json::object patch = patch_of(resource, {{"finalizers", std::move(finalizers)}});
  auto held = world_.api.merge(target_of(k8s::key_of(resource)), patch);
  return held ? Status() : fail(std::move(held).error());
}

Status Reconciler::release(const json::value& resource) {
  json::array finalizers = finalizers_of(resource);
  if (!holds(finalizers)) return {};
  json::array others;
  for (const json::value& one : finalizers) {
    if (!is_ours(one)) others.push_back(one);
  }
  const json::object patch = patch_of(resource, {{"finalizers", std::move(others)}});
  auto released = world_.api.merge(target_of(k8s::key_of(resource)), patch);
  if (released || released.error().code == Code::kNotFound) return {};
  return fail(std::move(released).error());
}

Result<std::optional<Duration>> Reconciler::end(Realm& realm, const json::value& resource) {
  const std::string name = k8s::key_of(resource).name;
  const auto view = realm.controller().get(name);
  if (!view) {
    SERIN_TRY(release(resource));
    return std::nullopt;
  }
  if (!view->record.deleting) SERIN_TRY(realm.controller().remove(name, kWho));
  return kEnds;
}

Status Reconciler::accept(Realm& realm, const json::value& resource) {
  const ObjectKey key = k8s::key_of(resource);
  if (const auto said = verdict_of(resource); said && is_lasting(said->accepted))
    return said->accepted;
  SERIN_TRY_ASSIGN(json::object written, k8s::manifest_of(resource));
  // A list does not say of each item what all of them are; and what tools note on a resource is
  // nothing that it asks for.
  written["apiVersion"] = k8s::kApiVersion;
  written["kind"] = k8s::kKind;
  written["metadata"] = {{"name", key.name}, {"namespace", key.ns}};
  const std::string text = json::serialize(written);
  const std::string file = "GenerativeService " + k8s::to_string(key);
  SERIN_TRY_ASSIGN(const control::Manifest manifest, control::read_manifest(text, file));
  SERIN_TRY(check_for_cluster(manifest));
  // A tag that moved since then begins no rollout because an operator was started anew.
  const auto view = realm.controller().get(key.name);
  if (view && asks_for_the_same(view->record, written)) return {};
  auto applied = realm.controller().apply({.text = text,
                                           .file = file,
                                           .folder = {},
                                           .dry_run = false,
                                           .from_network = true,
                                           .who = std::string(kWho)});
  return applied ? Status() : fail(std::move(applied).error());
}

Status Reconciler::obey(Realm& realm, const json::value& resource) {
  const std::string_view word = text_at(resource, "/metadata/annotations/serin.dev~1rollout");
  if (word.empty()) return {};
  const ObjectKey key = k8s::key_of(resource);
  const json::object patch = patch_of(resource, {{"annotations", {{kVerbAnnotation, nullptr}}}});
  auto taken = world_.api.merge(target_of(key), patch);
  if (!taken) return fail(std::move(taken).error());
  const auto verb = control::verb_of(word);
  const Status done =
      verb ? realm.controller().ask(key.name, *verb, kWho) : Status(fail(verb.error()));
  if (done) return {};
  world_.announce(key, {.service = key.name,
                        .version = {},
                        .reason = "CannotDo",
                        .message = std::string(kVerbAnnotation) + "=" + std::string(word) + ": " +
                                   done.error().message,
                        .warning = true});
  return {};
}

Status Reconciler::say(Realm& realm, const json::value& resource, const Status& accepted) {
  const ObjectKey key = k8s::key_of(resource);
  const json::value* before = value_at(resource, "/status");
  StatusInput input{.name_space = key.ns,
                    .name = key.name,
                    .generation = generation_of(resource),
                    .accepted = accepted,
                    .view = {},
                    .now = control::moment_of(world_.clock)};
  if (auto view = realm.controller().get(key.name)) input.view = *std::move(view);
  const json::object status = status_of(input, before == nullptr ? json::value() : *before);
  if (before != nullptr && canonical_json(*before) == canonical_json(status)) return {};
  const json::object object{{"apiVersion", k8s::kApiVersion},
                            {"kind", k8s::kKind},
                            {"metadata", {{"name", key.name}, {"namespace", key.ns}}},
                            {"status", status}};
  auto said = world_.api.apply(target_of(key, "status"), object, true);
  // Gone meanwhile: there is nobody to say it of.
  if (said || said.error().code == Code::kNotFound) return {};
  return fail(std::move(said).error());
}

std::optional<Reconciler::Verdict> Reconciler::verdict_of(const json::value& resource) {
  const std::lock_guard lock(mutex_);
  const auto found = verdicts_.find(k8s::key_of(resource));
  if (found == verdicts_.end()) return std::nullopt;
  const Verdict& verdict = found->second;
  const bool same =
      verdict.generation == generation_of(resource) && verdict.uid == k8s::uid_of(resource);
  return same ? std::optional(verdict) : std::nullopt;
}

Status Reconciler::remember(const json::value& resource, Status accepted) {
  const ObjectKey key = k8s::key_of(resource);
  const auto before = verdict_of(resource);
  const bool news = !accepted && (!before || before->accepted ||
                                  before->accepted.error().message != accepted.error().message);
  if (news) {
    log::warning(accepted.error().message, {{"service", k8s::to_string(key)}});
    world_.announce(key, {.service = key.name,
                          .version = {},
                          .reason = "NotAccepted",
                          .message = accepted.error().message,
                          .warning = true});
  }
  const std::lock_guard lock(mutex_);
  verdicts_[key] = {generation_of(resource), std::string(k8s::uid_of(resource)), accepted};
  return accepted;
}

}  // namespace serin::cluster
