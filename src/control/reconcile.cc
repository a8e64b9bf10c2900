// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/quantity.h"

namespace serin::control {
namespace {

using platform::ReplicaState;
using platform::VersionStatus;

constexpr std::size_t kMostVersions = 20;  // remembered, those that do not run included

std::string with_last_words(std::string message, const VersionStatus* version) {
  if (version == nullptr) return message;
  for (const platform::ReplicaStatus& replica : version->replicas) {
    if (!replica.message.empty()) return message + "; its last words: " + replica.message;
  }
  return message;
}

// Of one that has not begun anew: from then on its message is about its start.
std::string how_it_ended(const VersionStatus& version) {
  for (const platform::ReplicaStatus& replica : version.replicas) {
    if (replica.state == ReplicaState::kBackoff && !replica.message.empty())
      return ": " + replica.message;
  }
  return {};
}

bool in_crash_loop(const VersionStatus* version) {
  return version != nullptr && std::ranges::any_of(version->replicas, [](const auto& replica) {
           return replica.state == ReplicaState::kCrashLoop;
         });
}

std::string described(const VersionRecord& version) {
  return version.model.source + " (" + short_digest(version.model.digest) + ")";
}

const std::string& add_version(ServiceRecord& record, Moment now, VersionState state) {
  record.versions.push_back({.label = "v" + std::to_string(++record.labels),
                             .model = record.model,
                             .since = now,
                             .state = state,
                             .trouble = {}});
  record.attempted = record.generation;
  return record.versions.back().label;
}

void set_state(ServiceRecord& record, std::string_view label, VersionState state, Moment now) {
  VersionRecord* version = record.version(label);
  if (version == nullptr || version->state == state) return;
  version->state = state;
  version->since = now;
}

std::optional<Step> begin_service(const ServiceRecord& record, Moment now) {
  Step step{.next = record, .events = {}};
  const std::string label = add_version(step.next, now, VersionState::kStable);
  step.next.stable = label;
  step.events.push_back(event_of(record, now, label, "Starting",
                                 described(step.next.versions.back()) + " is the first version"));
  return step;
}

// Until the first version has served nobody depends on it.
std::optional<Step> first_version(const ServiceRecord& record, const Manifest& manifest,
                                  const Seen& seen, Moment now) {
  const VersionRecord* first = record.version(record.stable);
  if (record.attempted < record.generation) {
    Step step{.next = record, .events = {}};
    if (first != nullptr && first->model.digest == record.model.digest) {
      step.next.attempted = record.generation;
      return step;
    }
    set_state(step.next, record.stable, VersionState::kRolledBack, now);
    step.events.push_back(event_of(record, now, record.stable, "Superseded",
                                   "another package was applied before it had served"));
    const std::string label = add_version(step.next, now, VersionState::kStable);
    step.next.stable = label;
    step.events.push_back(event_of(record, now, label, "Starting",
                                   described(step.next.versions.back()) + " takes its place"));
    return step;
  }
  if (!is_ready(seen.version(record.stable), manifest)) return std::nullopt;
  Step step{.next = record, .events = {}};
  step.next.routed = true;
  step.events.push_back(
      event_of(record, now, record.stable, "Serving", "it is ready and gets the traffic"));
  return step;
}

// The manifest asks for another package than was last begun with.
std::optional<Step> next_generation(const ServiceRecord& record, const Manifest& manifest,
                                    Moment now) {
  Step step{.next = record, .events = {}};
  const std::string& serving = record.rolling() ? record.rollout->candidate : record.stable;
  const VersionRecord* current = record.version(serving);
  if (current != nullptr && current->model.digest == record.model.digest) {
    step.next.attempted = record.generation;
    return step;
  }
  if (record.rolling()) {
    if (record.rollout->phase == Phase::kRestoring) return std::nullopt;
    roll_back(step, now, "Superseded",
              described({.label = {}, .model = record.model, .trouble = {}}) + " was applied");
    return step;
  }
  const std::string label = add_version(step.next, now, VersionState::kCandidate);
  begin_rollout(step, manifest, now, label, /*undo=*/false);
  return step;
}

// A version that nothing counts on any more has ended.
bool is_gone(const VersionStatus* version) { return version == nullptr || version->stopped(); }

std::optional<Step> vacate(const ServiceRecord& record, const Seen& seen, Moment now) {
  for (const VersionStatus& version : seen.versions) {
    if (!version.stopped() && version.label != record.rollout->candidate) return std::nullopt;
  }
  Step step{.next = record, .events = {}};
  step.next.rollout->phase = Phase::kMoving;
  step.next.rollout->unready_since = now;
  step.events.push_back(event_of(record, now, record.rollout->candidate, "Starting",
                                 record.rollout->stable + " has ended: there is room"));
  return step;
}

std::optional<Step> restore(const ServiceRecord& record, const Seen& seen, Moment now) {
  if (!is_gone(seen.version(record.rollout->candidate))) return std::nullopt;
  Step step{.next = record, .events = {}};
  step.next.rollout->ending =
      record.rollout->reason == "Superseded" ? Ending::kSuperseded : Ending::kRolledBack;
  step.next.rollout->ended = now;
  return step;
}

void carry_out(Step& step, const Manifest& manifest, const rollout::Action& action, Moment now,
               const VersionStatus* candidate) {
  RolloutRecord& rollout = *step.next.rollout;
  switch (action.kind) {
    case rollout::ActionKind::kWait:
      if (action.reason == "WouldRollBack")
        step.events.push_back(event_of(step.next, now, rollout.candidate, action.reason,
                                       action.message + "; dryRun only tells", true));
      break;
    case rollout::ActionKind::kSetWeight:
      step.events.push_back(event_of(step.next, now, rollout.candidate, "WeightChanged",
                                     std::to_string(rollout.weight) + " % to " +
                                         std::to_string(action.weight) + " %: " + action.message));
      rollout.weight = action.weight;
      rollout.weight_since = now;
      break;
    case rollout::ActionKind::kPause:
      rollout.paused_by = "holdLimit";
      step.events.push_back(
          event_of(step.next, now, rollout.candidate, "Paused", action.message, true));
      break;
    case rollout::ActionKind::kPromote:
      return promote(step, manifest, now, action.reason, action.message);
    case rollout::ActionKind::kRollBack:
      return roll_back(step, now, action.reason,
                       action.reason == "ProgressDeadlineExceeded"
                           ? with_last_words(action.message, candidate)
                           : action.message);
  }
  rollout.reason = action.reason;
  rollout.message = action.message;
}

// What the strategies without evidence do: all at once, when the candidate is ready.
rollout::Action switch_over(const RolloutRecord& rollout, bool ready, bool late) {
  using rollout::ActionKind;
  if (late && !ready)
    return {.kind = ActionKind::kRollBack,
            .reason = "ProgressDeadlineExceeded",
            .message = "the candidate did not become ready in time"};
  if (rollout.paused())
    return {.reason = "Paused", .message = "waits to be resumed, promoted or aborted"};
  if (!ready) return {.reason = "CandidateNotReady", .message = "the candidate is starting"};
  return {.kind = ActionKind::kPromote, .reason = "Ready", .message = "the candidate is ready"};
}

std::optional<Step> move(const ServiceRecord& record, const Manifest& manifest, const Seen& seen,
                         Moment now) {
  const RolloutRecord& rollout = *record.rollout;
  const VersionStatus* candidate = seen.version(rollout.candidate);
  Step step{.next = record, .events = {}};
  const bool ready = is_ready(candidate, manifest);
  if (!ready && in_crash_loop(candidate) && candidate->ready() == 0) {
    roll_back(step, now, "CrashLoop", with_last_words("it ends again and again", candidate));
    return step;
  }
  if (ready == rollout.unready_since.has_value()) {
    step.next.rollout->unready_since = ready ? std::nullopt : std::optional(now);
    return step;
  }
  const bool late =
      rollout.unready_since && now - *rollout.unready_since > manifest.rollout.progress_deadline;
  const rollout::Action action = goes_by_evidence(rollout.strategy)
                                     ? plan(manifest.rollout.canary,
                                            {.weight = rollout.weight,
                                             .at_weight = now - rollout.weight_since,
                                             .paused = rollout.paused(),
                                             .candidate_ready = ready,
                                             .deadline_passed = late},
                                            seen.report)
                                     : switch_over(rollout, ready, late);
  if (action.kind == rollout::ActionKind::kPause && rollout.paused()) return std::nullopt;
  if (action.kind == rollout::ActionKind::kWait && action.reason == rollout.reason)
    return std::nullopt;
  carry_out(step, manifest, action, now, candidate);
  return step;
}

std::optional<Step> roll(const ServiceRecord& record, const Manifest& manifest, const Seen& seen,
                         Moment now) {
  switch (record.rollout->phase) {
    case Phase::kVacating:
      return vacate(record, seen, now);
    case Phase::kMoving:
      return move(record, manifest, seen, now);
    case Phase::kRestoring:
      return restore(record, seen, now);
  }
  return std::nullopt;
}

std::optional<Step> retire(const ServiceRecord& record, const Manifest& manifest, Moment now) {
  for (const VersionRecord& version : record.versions) {
    if (version.state != VersionState::kKept || now - version.since < manifest.rollout.undo_window)
      continue;
    Step step{.next = record, .events = {}};
    set_state(step.next, version.label, VersionState::kRetired, now);
    step.events.push_back(event_of(record, now, version.label, "Retired",
                                   "it was kept for undo as long as undoWindow says"));
    return step;
  }
  return std::nullopt;
}

// Crash loops of what ought to run are told when they begin and when they are over.
std::optional<Step> tell_trouble(const ServiceRecord& record, const Seen& seen, Moment now) {
  for (const VersionRecord& version : record.versions) {
    const VersionStatus* status = seen.version(version.label);
    const bool over =
        version.state == VersionState::kRetired || version.state == VersionState::kRolledBack;
    if (status == nullptr || over) continue;
    const bool bad = in_crash_loop(status);
    const bool well = status->wanted > 0 && status->ready() >= status->wanted;
    if (bad ? !version.trouble.empty() : version.trouble.empty() || !well) continue;
    Step step{.next = record, .events = {}};
    step.next.version(version.label)->trouble = bad ? "CrashLoop" : "";
    step.events.push_back(
        bad ? event_of(record, now, version.label, "CrashLoop",
                       with_last_words("a worker ends again and again", status), true)
            : event_of(record, now, version.label, "Recovered", "all its workers are ready"));
    return step;
  }
  return std::nullopt;
}

std::optional<Step> forget(const ServiceRecord& record, const Seen& seen) {
  if (record.versions.size() <= kMostVersions) return std::nullopt;
  for (const VersionRecord& version : record.versions) {
    const bool over =
        version.state == VersionState::kRetired || version.state == VersionState::kRolledBack;
    if (!over || seen.version(version.label) != nullptr) continue;
    Step step{.next = record, .events = {}};
    std::erase_if(step.next.versions,
                  [&](const VersionRecord& other) { return other.label == version.label; });
    return step;
  }
  return std::nullopt;
}

// How many workers a version ought to have; nothing: it is to be removed.
std::optional<int> replicas_of(const ServiceRecord& record, const VersionRecord& version,
                               const Manifest& manifest) {
  const int wanted = static_cast<int>(manifest.min_replicas);
  const bool recreating = record.rolling() && record.rollout->strategy == Strategy::kRecreate;
  switch (version.state) {
    case VersionState::kStable:
      return recreating ? 0 : wanted;
    case VersionState::kKept:
      return wanted;
    case VersionState::kCandidate:
      if (recreating && record.rollout->phase != Phase::kMoving) return std::nullopt;
      return wanted;
    case VersionState::kRetired:
    case VersionState::kRolledBack:
      return std::nullopt;
  }
  return std::nullopt;
}

// As long as a request may take.
std::chrono::seconds drain_of(const json::object& spec) {
  const auto timeout = parse_duration(spec.at("resilience").at("timeout").as_string());
  SERIN_CHECK(timeout.has_value());
  return std::chrono::ceil<std::chrono::seconds>(std::chrono::duration<double>(*timeout));
}

}  // namespace

const VersionStatus* Seen::version(std::string_view label) const {
  const auto found = std::ranges::find(versions, label, &VersionStatus::label);
  return found == versions.end() ? nullptr : &*found;
}

Event event_of(const ServiceRecord& record, Moment now, std::string version, std::string reason,
               std::string message, bool warning) {
  return {.time = now,
          .service = record.name,
          .version = std::move(version),
          .reason = std::move(reason),
          .message = std::move(message),
          .warning = warning};
}

std::string short_digest(std::string_view digest) {
  constexpr std::size_t kShown = std::string_view("sha256:").size() + 12;
  return std::string(digest.substr(0, kShown));
}

bool is_ready(const VersionStatus* version, const Manifest& manifest) {
  return version != nullptr && version->wanted == manifest.min_replicas &&
         version->ready() >= manifest.min_replicas;
}

void begin_rollout(Step& step, const Manifest& manifest, Moment now, const std::string& label,
                   bool undo) {
  ServiceRecord& record = step.next;
  for (VersionRecord& version : record.versions) {
    if (version.state == VersionState::kKept && version.label != label)
      set_state(record, version.label, VersionState::kRetired, now);
  }
  set_state(record, label, VersionState::kCandidate, now);
  RolloutRecord rollout;
  rollout.number = ++record.rollouts;
  rollout.candidate = label;
  rollout.stable = record.stable;
  rollout.strategy = manifest.rollout.strategy;
  // Back to what was known to be good needs no evidence, and nothing can be compared where nothing
  // runs.
  if (rollout.strategy != Strategy::kRecreate && (undo || manifest.min_replicas == 0))
    rollout.strategy = Strategy::kBlueGreen;
  rollout.undo = undo;
  rollout.manifest = record.manifest;
  rollout.phase = rollout.strategy == Strategy::kRecreate ? Phase::kVacating : Phase::kMoving;
  rollout.salt = record.name + "/" + std::to_string(rollout.number);
  rollout.began = rollout.weight_since = now;
  rollout.unready_since = now;
  rollout.reason = "Started";
  rollout.message = "the candidate is starting";
  record.rollout = std::move(rollout);
  step.events.push_back(event_of(record, now, label, undo ? "UndoStarted" : "RolloutStarted",
                                 described(*record.version(label)) + " is to take over from " +
                                     record.stable + ", " +
                                     std::string(name_of(record.rollout->strategy))));
}

void promote(Step& step, const Manifest& manifest, Moment now, std::string reason,
             std::string message) {
  ServiceRecord& record = step.next;
  RolloutRecord& rollout = *record.rollout;
  const bool keep =
      rollout.strategy != Strategy::kRecreate && manifest.rollout.undo_window.count() > 0;
  set_state(record, record.stable, keep ? VersionState::kKept : VersionState::kRetired, now);
  set_state(record, rollout.candidate, VersionState::kStable, now);
  record.stable = rollout.candidate;
  rollout.weight = 100;
  rollout.paused_by.clear();
  rollout.ending = Ending::kPromoted;
  rollout.ended = now;
  step.events.push_back(event_of(record, now, rollout.candidate, "Promoted", message));
  rollout.reason = std::move(reason);
  rollout.message = std::move(message);
}

void roll_back(Step& step, Moment now, std::string reason, std::string message) {
  ServiceRecord& record = step.next;
  RolloutRecord& rollout = *record.rollout;
  const bool superseded = reason == "Superseded";
  set_state(record, rollout.candidate,
            rollout.undo ? VersionState::kRetired : VersionState::kRolledBack, now);
  rollout.weight = 0;
  rollout.paused_by.clear();
  if (rollout.strategy == Strategy::kRecreate) {
    rollout.phase = Phase::kRestoring;
  } else {
    rollout.ending = superseded ? Ending::kSuperseded : Ending::kRolledBack;
    rollout.ended = now;
  }
  step.events.push_back(event_of(record, now, rollout.candidate,
                                 superseded ? "Superseded" : "RolledBack", reason + ": " + message,
                                 !superseded));
  rollout.reason = std::move(reason);
  rollout.message = std::move(message);
}

std::optional<Step> next_step(const ServiceRecord& record, const Manifest& manifest,
                              const Seen& seen, Moment now) {
  if (record.deleting) {
    if (!seen.versions.empty()) return std::nullopt;
    return Step{.next = record,
                .events = {event_of(record, now, {}, "Deleted", "nothing of it runs any more")},
                .erase = true};
  }
  if (record.stable.empty()) return begin_service(record, now);
  if (!record.routed) {
    if (auto step = first_version(record, manifest, seen, now)) return step;
    return tell_trouble(record, seen, now);
  }
  if (record.attempted < record.generation) {
    if (auto step = next_generation(record, manifest, now)) return step;
  }
  if (record.rolling()) {
    if (auto step = roll(record, manifest, seen, now)) return step;
  }
  if (auto step = retire(record, manifest, now)) return step;
  if (auto step = tell_trouble(record, seen, now)) return step;
  return forget(record, seen);
}

std::vector<Event> worker_ends(const ServiceRecord& record,
                               const std::vector<VersionStatus>& before,
                               const std::vector<VersionStatus>& after, Moment now) {
  std::vector<Event> events;
  for (const VersionStatus& version : after) {
    const VersionRecord* known = record.version(version.label);
    const auto last = std::ranges::find(before, version.label, &VersionStatus::label);
    const bool serves =
        record.routed && known != nullptr &&
        (known->state == VersionState::kStable || known->state == VersionState::kKept);
    if (!serves || last == before.end() || version.crashes <= last->crashes ||
        in_crash_loop(&version))
      continue;
    const std::uint64_t count = version.crashes - last->crashes;
    std::string message = count == 1 ? "a worker ended" : std::to_string(count) + " workers ended";
    events.push_back(event_of(record, now, version.label, "WorkerEnded",
                              std::move(message) + how_it_ended(version), true));
  }
  return events;
}

Wish wish_of(const ServiceRecord& record, const Manifest& manifest,
             const std::vector<ScorerSpec>& scorers) {
  Wish wish;
  if (record.deleting) return wish;
  const json::object& spec = manifest.document.at("spec").as_object();
  for (const VersionRecord& version : record.versions) {
    const auto replicas = replicas_of(record, version, manifest);
    if (!replicas) continue;
    wish.versions.push_back({.service = record.name,
                             .label = version.label,
                             .model = version.model,
                             .replicas = *replicas,
                             .resources = manifest.resources,
                             .max_replicas = static_cast<int>(manifest.max_replicas),
                             .drain = drain_of(spec),
                             .kubernetes = spec.at("kubernetes").as_object()});
  }
  if (record.stable.empty()) return wish;
  // Also before the first version is ready: who comes waits for it.
  platform::Traffic traffic;
  traffic.service = record.name;
  traffic.stable = record.stable;
  if (record.rolling() && record.rollout->weight > 0) {
    traffic.candidate = record.rollout->candidate;
    traffic.weight = record.rollout->weight;
    traffic.salt = record.rollout->salt;
    traffic.shadow = record.rollout->strategy == Strategy::kShadow;
  }
  traffic.by_user = manifest.rollout.sticky_by == StickyBy::kUser;
  traffic.user_header = manifest.rollout.user_header;
  traffic.kubernetes = spec.at("kubernetes").as_object();
  traffic.resilience = spec.at("resilience").as_object();
  if (const json::value* access = spec.if_contains("access")) traffic.access = access->as_object();
  for (const ScorerSpec& scorer : scorers) traffic.sample = std::max(traffic.sample, scorer.sample);
  wish.traffic = std::move(traffic);
  return wish;
}

}  // namespace serin::control
