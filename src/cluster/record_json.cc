// SPDX-License-Identifier: Apache-2.0
#include "cluster/record_json.h"

#include <algorithm>
#include <concepts>
#include <utility>

#include "base/base64.h"
#include "base/utf8.h"

namespace serin::cluster {
namespace {

using control::Event;
using control::Moment;
using control::RolloutRecord;
using control::ServiceRecord;
using control::Subscription;
using control::VersionRecord;

// Times are milliseconds since 1970.
std::int64_t number(Moment moment) { return moment.time_since_epoch().count(); }

// What a worker said last may have been cut anywhere; what JSON cannot carry would make the whole
// document unreadable.
std::string readable(std::string text) {
  if (is_utf8(text)) return text;
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
  return text;
}

json::object model_json(const platform::Model& model) {
  return {{"source", model.source}, {"digest", model.digest}, {"root", model.root.string()}};
}

json::object version_json(const VersionRecord& version) {
  return {{"label", version.label},
          {"model", model_json(version.model)},
          {"since", number(version.since)},
          {"state", name_of(version.state)},
          {"trouble", version.trouble}};
}

// Reads the fields of one object. What is wrong is remembered, the first of it, and told at the end
// of all: by status().
class Reader {
 public:
  explicit Reader(const json::value& value) : object_(value.if_object()) {
    if (object_ == nullptr) wrong("it is no object");
  }

  void read(std::string_view name, std::string& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_string()) return wrong(std::string(name) + " is no text");
    into = std::string(value->get_string());
  }
  // Bytes, as base64.
  void read_bytes(std::string_view name, std::string& into) {
    std::string text;
    read(name, text);
    auto bytes = from_base64(text);
    if (!bytes) return wrong(std::string(name) + " is no base64");
    into = *std::move(bytes);
  }
  void read(std::string_view name, bool& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_bool()) return wrong(std::string(name) + " is neither true nor false");
    into = value->get_bool();
  }
  template <std::integral T>
  void read(std::string_view name, T& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    boost::system::error_code error;
    const T number = value->to_number<T>(error);
    if (error) return wrong(std::string(name) + " is no whole number");
    into = number;
  }
  void read(std::string_view name, Moment& into) {
    std::int64_t milliseconds = number(into);
    read(name, milliseconds);
    into = Moment(std::chrono::milliseconds(milliseconds));
  }
  void read(std::string_view name, std::optional<Moment>& into) {
    if (find(name) == nullptr) return;
    read(name, into.emplace());
  }
  // A word that `known` has a value for.
  template <class T>
  void read(std::string_view name, T& into, Result<T> (*known)(std::string_view)) {
    std::string word;
    read(name, word);
    if (word.empty()) return;
    auto value = known(word);
    if (!value) return wrong(std::string(name) + ": " + value.error().message);
    into = *std::move(value);
  }
  template <class T>
  void read(std::string_view name, std::vector<T>& into, Result<T> (*one)(const json::value&)) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_array()) return wrong(std::string(name) + " is no list");
    for (const json::value& item : value->get_array()) {
      auto made = one(item);
      if (!made) return wrong(std::string(name) + ": " + made.error().message);
      into.push_back(*std::move(made));
    }
  }
  template <class T>
  void read_one(std::string_view name, T& into, Result<T> (*one)(const json::value&)) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    auto made = one(*value);
    if (!made) return wrong(std::string(name) + ": " + made.error().message);
    into = *std::move(made);
  }
  void read(std::string_view name, std::map<std::string, std::string>& into) {
    const json::value* value = find(name);
    if (value == nullptr) return;
    if (!value->is_object()) return wrong(std::string(name) + " is no object");
    for (const auto& [key, text] : value->get_object()) {
      if (!text.is_string())
        return wrong(std::string(name) + "." + std::string(key) + " is no text");
      into[key] = std::string(text.get_string());
    }
  }
  const json::value* find(std::string_view name) const {
    const json::value* value = object_ == nullptr ? nullptr : object_->if_contains(name);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  Status status() const { return wrong_.empty() ? Status() : fail(Code::kDataLoss, wrong_); }

 private:
  void wrong(std::string what) {
    if (wrong_.empty()) wrong_ = std::move(what);
  }

  const json::object* object_;
  std::string wrong_;
};

Result<platform::Model> model_from(const json::value& value) {
  Reader reader(value);
  platform::Model model;
  std::string root;
  reader.read("source", model.source);
  reader.read("digest", model.digest);
  reader.read("root", root);
  SERIN_TRY(reader.status());
  model.root = root;
  return model;
}

Result<VersionRecord> version_from(const json::value& value) {
  Reader reader(value);
  VersionRecord version;
  reader.read("label", version.label);
  reader.read_one("model", version.model, model_from);
  reader.read("since", version.since);
  reader.read("state", version.state, control::version_state_of);
  reader.read("trouble", version.trouble);
  SERIN_TRY(reader.status());
  return version;
}

}  // namespace

json::object to_json(const RolloutRecord& rollout) {
  json::object object{{"number", rollout.number},
                      {"candidate", rollout.candidate},
                      {"stable", rollout.stable},
                      {"strategy", name_of(rollout.strategy)},
                      {"undo", rollout.undo},
                      {"manifest", rollout.manifest},
                      {"phase", name_of(rollout.phase)},
                      {"salt", rollout.salt},
                      {"weight", rollout.weight},
                      {"began", number(rollout.began)},
                      {"weightSince", number(rollout.weight_since)},
                      {"pausedBy", rollout.paused_by},
                      {"reason", rollout.reason},
                      {"message", readable(rollout.message)},
                      {"ending", name_of(rollout.ending)},
                      {"ended", number(rollout.ended)},
                      {"analysis", to_base64(rollout.analysis)},
                      {"evidenceNext", rollout.evidence_next},
                      {"stableCrashes", rollout.stable_crashes},
                      {"candidateCrashes", rollout.candidate_crashes},
                      {"agreements", to_base64(rollout.agreements)}};
  if (rollout.unready_since) object["unreadySince"] = number(*rollout.unready_since);
  return object;
}

json::object to_json(const ServiceRecord& service) {
  json::object targets;
  for (const auto& [name, spec] : service.targets) targets[name] = spec;
  json::array versions;
  for (const VersionRecord& version : service.versions) versions.push_back(version_json(version));
  json::object object{{"name", service.name},           {"generation", service.generation},
                      {"manifest", service.manifest},   {"model", model_json(service.model)},
                      {"attempted", service.attempted}, {"labels", service.labels},
                      {"rollouts", service.rollouts},   {"targets", std::move(targets)},
                      {"stable", service.stable},       {"routed", service.routed},
                      {"deleting", service.deleting},   {"versions", std::move(versions)}};
  if (service.rollout) object["rollout"] = to_json(*service.rollout);
  return object;
}

json::object to_json(const Event& event) {
  return {{"id", event.id},           {"time", number(event.time)},
          {"service", event.service}, {"version", event.version},
          {"reason", event.reason},   {"message", readable(event.message)},
          {"warning", event.warning}};
}

json::object to_json(const Subscription& subscription) {
  return {{"service", subscription.service}, {"target", subscription.target},
          {"spec", subscription.spec},       {"after", subscription.after},
          {"until", subscription.until},     {"lost", subscription.lost}};
}

Result<RolloutRecord> rollout_from(const json::value& value) {
  Reader reader(value);
  RolloutRecord rollout;
  reader.read("number", rollout.number);
  reader.read("candidate", rollout.candidate);
  reader.read("stable", rollout.stable);
  reader.read("strategy", rollout.strategy, control::strategy_of);
  reader.read("undo", rollout.undo);
  reader.read("manifest", rollout.manifest);
  reader.read("phase", rollout.phase, control::phase_of);
  reader.read("salt", rollout.salt);
  reader.read("weight", rollout.weight);
  reader.read("began", rollout.began);
  reader.read("weightSince", rollout.weight_since);
  reader.read("unreadySince", rollout.unready_since);
  reader.read("pausedBy", rollout.paused_by);
  reader.read("reason", rollout.reason);
  reader.read("message", rollout.message);
  reader.read("ending", rollout.ending, control::ending_of);
  reader.read("ended", rollout.ended);
  reader.read_bytes("analysis", rollout.analysis);
  reader.read("evidenceNext", rollout.evidence_next);
  reader.read("stableCrashes", rollout.stable_crashes);
  reader.read("candidateCrashes", rollout.candidate_crashes);
  reader.read_bytes("agreements", rollout.agreements);
  SERIN_TRY(reader.status());
  return rollout;
}

Result<ServiceRecord> service_from(const json::value& value) {
  Reader reader(value);
  ServiceRecord service;
  reader.read("name", service.name);
  reader.read("generation", service.generation);
  reader.read("manifest", service.manifest);
  reader.read_one("model", service.model, model_from);
  reader.read("attempted", service.attempted);
  reader.read("labels", service.labels);
  reader.read("rollouts", service.rollouts);
  reader.read("targets", service.targets);
  reader.read("stable", service.stable);
  reader.read("routed", service.routed);
  reader.read("deleting", service.deleting);
  reader.read("versions", service.versions, version_from);
  if (reader.find("rollout") != nullptr)
    reader.read_one("rollout", service.rollout.emplace(), rollout_from);
  SERIN_TRY(reader.status());
  return service;
}

Result<Event> event_from(const json::value& value) {
  Reader reader(value);
  Event event;
  reader.read("id", event.id);
  reader.read("time", event.time);
  reader.read("service", event.service);
  reader.read("version", event.version);
  reader.read("reason", event.reason);
  reader.read("message", event.message);
  reader.read("warning", event.warning);
  SERIN_TRY(reader.status());
  return event;
}

Result<Subscription> subscription_from(const json::value& value) {
  Reader reader(value);
  Subscription subscription;
  reader.read("service", subscription.service);
  reader.read("target", subscription.target);
  reader.read("spec", subscription.spec);
  reader.read("after", subscription.after);
  reader.read("until", subscription.until);
  reader.read("lost", subscription.lost);
  SERIN_TRY(reader.status());
  return subscription;
}

}  // namespace serin::cluster
