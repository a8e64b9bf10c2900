// SPDX-License-Identifier: Apache-2.0
#include "control/verbs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/nearest.h"

namespace serin::control {
namespace {

constexpr std::array<std::string_view, 6> kVerbs = {"start",   "pause", "resume",
                                                    "promote", "abort", "undo"};

tl::unexpected<Error> cannot(const ServiceRecord& record, std::string why) {
  return fail(Code::kFailedPrecondition, record.name + ": " + std::move(why));
}

std::string by(std::string_view who) { return "asked for by " + std::string(who); }

Result<Step> start(const ServiceRecord& record, const Manifest& manifest, std::string_view who,
                   Moment now) {
  if (record.rolling()) return cannot(record, "a rollout runs already");
  const VersionRecord* stable = record.version(record.stable);
  if (stable == nullptr || !record.routed)
    return cannot(record, "the first version has not served yet");
  if (stable->model.digest == record.model.digest)
    return cannot(record, record.stable + " is the package that the manifest asks for");
  Step step{.next = record, .events = {}};
  ServiceRecord& next = step.next;
  next.versions.push_back({.label = "v" + std::to_string(++next.labels),
                           .model = record.model,
                           .since = now,
                           .state = VersionState::kCandidate,
                           .trouble = {}});
  next.attempted = next.generation;
  const std::string label = next.versions.back().label;
  begin_rollout(step, manifest, now, label, /*undo=*/false);
  step.events.back().message += "; " + by(who);
  return step;
}

Result<Step> pause(const ServiceRecord& record, std::string_view who, Moment now) {
  if (record.rollout->phase != Phase::kMoving)
    return cannot(record, "traffic does not move now: there is nothing to pause");
  Step step{.next = record, .events = {}};
  if (record.rollout->paused()) return step;
  step.next.rollout->paused_by = who;
  step.events.push_back(event_of(record, now, record.rollout->candidate, "Paused", by(who)));
  return step;
}

Result<Step> resume(const ServiceRecord& record, std::string_view who, Moment now) {
  Step step{.next = record, .events = {}};
  if (!record.rollout->paused()) return step;
  step.next.rollout->paused_by.clear();
  step.next.rollout->weight_since = now;
  step.next.rollout->reason = "Resumed";
  step.next.rollout->message = by(who);
  step.events.push_back(event_of(record, now, record.rollout->candidate, "Resumed", by(who)));
  return step;
}

Result<Step> abort(const ServiceRecord& record, std::string_view who, Moment now) {
  if (record.rollout->phase == Phase::kRestoring)
    return cannot(record, "it is being rolled back already");
  Step step{.next = record, .events = {}};
  roll_back(step, now, "Aborted", by(who));
  return step;
}

Result<Step> undo(const ServiceRecord& record, const Manifest& manifest, std::string_view who,
                  Moment now) {
  if (record.rolling()) return abort(record, who, now);
  const VersionRecord* before = nullptr;
  for (const VersionRecord& version : record.versions) {
    const bool was_stable =
        version.state == VersionState::kKept || version.state == VersionState::kRetired;
    if (was_stable && (before == nullptr || version.since >= before->since)) before = &version;
  }
  if (before == nullptr) return cannot(record, "there is no version before " + record.stable);
  Step step{.next = record, .events = {}};
  const std::string label = before->label;
  begin_rollout(step, manifest, now, label, /*undo=*/true);
  step.events.back().message += "; " + by(who);
  return step;
}

}  // namespace

std::string_view name_of(Verb verb) { return kVerbs[static_cast<std::size_t>(verb)]; }

Result<Verb> verb_of(std::string_view name) {
  const auto* found = std::ranges::find(kVerbs, name);
  if (found != kVerbs.end()) return static_cast<Verb>(found - kVerbs.begin());
  std::string message = "a rollout has no verb \"" + std::string(name) + "\"";
  if (const auto meant = nearest(name, kVerbs); !meant.empty())
    message += "; did you mean " + std::string(meant) + "?";
  return fail(Code::kNotFound, std::move(message));
}

Result<Step> ask(const ServiceRecord& record, const Manifest& manifest, const Seen& seen, Verb verb,
                 std::string_view who, Moment now) {
  if (record.deleting) return cannot(record, "it is being deleted");
  if (verb == Verb::kStart) return start(record, manifest, who, now);
  if (verb == Verb::kUndo) return undo(record, manifest, who, now);
  if (!record.rolling()) return cannot(record, "no rollout runs");
  if (verb == Verb::kPause) return pause(record, who, now);
  if (verb == Verb::kResume) return resume(record, who, now);
  if (verb == Verb::kAbort) return abort(record, who, now);
  if (!is_ready(seen.version(record.rollout->candidate), manifest))
    return cannot(record, record.rollout->candidate + " is not ready: it could not answer");
  Step step{.next = record, .events = {}};
  promote(step, manifest, now, "PromotedByHand", by(who));
  return step;
}

Result<Step> apply(const ServiceRecord& record, const Manifest& manifest,
                   const platform::Model& model, std::string_view who, Moment now) {
  if (record.deleting) return cannot(record, "it is being deleted; apply it again when it is gone");
  Step step{.next = record, .events = {}};
  ServiceRecord& next = step.next;
  next.name = manifest.name;
  std::string document = canonical_json(manifest.written);
  if (record.generation > 0 && document == record.manifest && model.digest == record.model.digest)
    return step;
  const bool other = record.generation > 0 && model.digest != record.model.digest;
  next.manifest = std::move(document);
  next.model = model;
  next.generation = record.generation + 1;
  next.targets.clear();
  for (const json::value& target : manifest.document.at("spec").at("notifications").as_array())
    next.targets[std::string(target.at("name").as_string())] = canonical_json(target);
  // Other settings are no reason to try a package again that was rolled back.
  if (record.generation > 0 && !other && record.attempted == record.generation)
    next.attempted = next.generation;
  step.events.push_back(event_of(
      next, now, {}, record.generation == 0 ? "Created" : "Configured",
      (record.generation == 0 || other ? model.source + " is " + short_digest(model.digest) + "; "
                                       : std::string("the same package, other settings; ")) +
          by(who)));
  return step;
}

Result<Step> remove(const ServiceRecord& record, std::string_view who, Moment now) {
  Step step{.next = record, .events = {}};
  if (record.deleting) return step;
  step.next.deleting = true;
  step.events.push_back(event_of(record, now, {}, "Deleting", by(who)));
  return step;
}

}  // namespace serin::control
