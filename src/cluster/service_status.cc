// SPDX-License-Identifier: Apache-2.0
#include "cluster/service_status.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/utf8.h"
#include "control/api/views.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/objects/names.h"

namespace serin::cluster {
namespace {

using control::Moment;
using control::RolloutRecord;
using control::ServiceRecord;
using control::ServiceView;
using control::VersionRecord;

// The longest that the schema allows.
constexpr std::size_t kLongestMessage = 32'768;

struct Condition {
  std::string_view type;
  bool holds = false;
  std::string reason, message;
};

std::string_view status_word(const Condition& condition) {
  return condition.holds ? "True" : "False";
}

// A word for programs of each way in which a manifest is not accepted.
std::string_view reason_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "Invalid";
    case Code::kNotFound:
      return "ModelNotFound";
    case Code::kUnimplemented:
      return "RouterCannot";
    case Code::kFailedPrecondition:
    case Code::kPermissionDenied:
      return "Refused";
    case Code::kResourceExhausted:
      return "TooMany";
    default:
      return "Unavailable";
  }
}

Condition accepted(const Status& status) {
  if (status)
    return {"Accepted", true, "Accepted", "the manifest is valid and its package was found"};
  return {"Accepted", false, std::string(reason_of(status.error().code)), status.error().message};
}

// Until a first version has served there is none; then the one that starts is what is waited for.
const platform::VersionStatus* stable_of(const ServiceView& view) {
  const ServiceRecord& record = view.record;
  const bool none = record.stable.empty() && !record.versions.empty();
  return view.seen.version(none ? record.versions.back().label : record.stable);
}

// Why a version has fewer ready workers than it ought to have: the first that says so.
std::string trouble_of(const platform::VersionStatus& version) {
  for (const platform::ReplicaStatus& replica : version.replicas) {
    if (replica.state != platform::ReplicaState::kReady && !replica.message.empty())
      return replica.id + ": " + replica.message;
  }
  return {};
}

Condition ready(const ServiceView& view) {
  const platform::VersionStatus* stable = stable_of(view);
  if (stable == nullptr) return {"Ready", false, "NoVersion", "no version serves yet"};
  std::string message = std::to_string(stable->ready()) + " of " + std::to_string(stable->wanted) +
                        " workers of " + stable->label + " are ready";
  const bool there = stable->ready() >= stable->wanted && view.record.routed;
  if (there && view.problem.empty()) return {"Ready", true, "Serving", std::move(message)};
  if (const std::string trouble = trouble_of(*stable); !trouble.empty()) message += "; " + trouble;
  if (!view.problem.empty()) message += "; " + view.problem;
  return {"Ready", false, there ? "Failed" : "Starting", std::move(message)};
}

Condition available(const ServiceView& view) {
  const platform::VersionStatus* stable = stable_of(view);
  if (stable != nullptr && stable->ready() > 0 && view.record.routed)
    return {"Available", true, "Serving", stable->label + " answers"};
  return {"Available", false, "NoWorker", "no worker answers"};
}

// Reasons of records are words for programs already; one that is none becomes `otherwise`.
std::string reason_or(const std::string& reason, std::string_view otherwise) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  const bool word =
      !reason.empty() && is_letter(reason.front()) && std::ranges::all_of(reason, is_part);
  return word ? reason : std::string(otherwise);
}

Condition progressing(const ServiceView& view) {
  const auto& rollout = view.record.rollout;
  if (!rollout) return {"Progressing", false, "NoRollout", "there was no rollout yet"};
  if (rollout->running())
    return {
        "Progressing", true, reason_or(rollout->reason, "Rolling"),
        rollout->candidate + " has " + std::to_string(rollout->weight) + " %: " + rollout->message};
  return {"Progressing", false, reason_or(rollout->reason, "Ended"), rollout->message};
}

std::string time_of(Moment moment) { return log::timestamp(moment); }

void put_time(json::object& into, std::string_view name, Moment moment) {
  if (moment != Moment{}) into[name] = time_of(moment);
}
void put_text(json::object& into, std::string_view name, const std::string& text) {
  if (!text.empty()) into[name] = text;
}

// As it stood there: since when a condition is what it is.
std::string since_of(const Condition& condition, const json::value& before, Moment now) {
  const json::value* all = value_at(before, "/conditions");
  if (all != nullptr && all->is_array()) {
    for (const json::value& one : all->get_array()) {
      if (text_at(one, "/type") == condition.type &&
          text_at(one, "/status") == status_word(condition))
        return std::string(text_at(one, "/lastTransitionTime"));
    }
  }
  return time_of(now);
}

json::object condition_json(const Condition& condition, const StatusInput& input,
                            const json::value& before) {
  return {{"type", condition.type},
          {"status", status_word(condition)},
          {"reason", condition.reason},
          {"message", utf8_head(condition.message, kLongestMessage)},
          {"lastTransitionTime", since_of(condition, before, input.now)},
          {"observedGeneration", input.generation}};
}

json::object version_json(const ServiceView& view, const VersionRecord& version) {
  json::object object{{"label", version.label},
                      {"source", version.model.source},
                      {"digest", version.model.digest},
                      {"state", name_of(version.state)}};
  put_time(object, "since", version.since);
  const platform::VersionStatus* status = view.seen.version(version.label);
  object["replicas"] = status == nullptr ? 0 : status->replicas.size();
  object["readyReplicas"] = status == nullptr ? 0 : status->ready();
  put_text(object, "trouble", version.trouble);
  return object;
}

json::object rollout_json(const RolloutRecord& rollout) {
  json::object object{{"number", rollout.number},        {"candidate", rollout.candidate},
                      {"stable", rollout.stable},        {"strategy", name_of(rollout.strategy)},
                      {"phase", name_of(rollout.phase)}, {"undo", rollout.undo},
                      {"weight", rollout.weight},        {"ending", name_of(rollout.ending)}};
  put_text(object, "salt", rollout.salt);
  put_time(object, "began", rollout.began);
  put_time(object, "weightSince", rollout.weight_since);
  if (rollout.unready_since) put_time(object, "unreadySince", *rollout.unready_since);
  put_text(object, "pausedBy", rollout.paused_by);
  put_text(object, "reason", rollout.reason);
  put_text(object, "message", rollout.message);
  put_time(object, "ended", rollout.ended);
  return object;
}

void put_workers(json::object& status, const StatusInput& input) {
  std::size_t replicas = 0;
  int ready = 0;
  for (const platform::VersionStatus& version : input.view->seen.versions) {
    replicas += version.replicas.size();
    ready += version.ready();
  }
  status["replicas"] = replicas;
  status["readyReplicas"] = ready;
  std::string selector;
  for (const auto& [label, value] : platform::kubernetes::service_selector(input.name)) {
    if (!selector.empty()) selector += ",";
    selector += std::string(label) + "=" + std::string(value.as_string());
  }
  status["selector"] = selector;
}

void put_record(json::object& status, const ServiceView& view) {
  const ServiceRecord& record = view.record;
  put_text(status, "stable", record.stable);
  if (record.rolling()) {
    status["candidate"] = record.rollout->candidate;
    status["weight"] = control::api::weight_of(record, record.rollout->candidate);
  }
  status["model"] = {{"source", record.model.source}, {"digest", record.model.digest}};
  status["generations"] = {{"applied", record.generation},
                           {"attempted", record.attempted},
                           {"versions", record.labels},
                           {"rollouts", record.rollouts}};
  status["routed"] = record.routed;
  json::array versions;
  for (const VersionRecord& version : record.versions)
    versions.push_back(version_json(view, version));
  status["versions"] = std::move(versions);
  if (record.rollout) status["rollout"] = rollout_json(*record.rollout);
}

}  // namespace

json::object status_of(const StatusInput& input, const json::value& before) {
  std::vector<Condition> conditions{accepted(input.accepted)};
  if (input.view) {
    conditions.push_back(ready(*input.view));
    conditions.push_back(progressing(*input.view));
    conditions.push_back(available(*input.view));
  } else {
    conditions.push_back({"Ready", false, "NotAccepted", "nothing runs of it yet"});
  }
  json::array shown;
  for (const Condition& condition : conditions)
    shown.push_back(condition_json(condition, input, before));
  json::object status{{"observedGeneration", input.generation}, {"conditions", std::move(shown)}};
  if (!input.view) return status;
  status["url"] = "http://" + input.name + "." + input.name_space + ".svc";
  put_workers(status, input);
  put_record(status, *input.view);
  return status;
}

}  // namespace serin::cluster
