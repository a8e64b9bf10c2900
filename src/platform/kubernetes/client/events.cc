// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/events.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/utf8.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/client/time.h"

namespace serin::platform::kubernetes {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Resource kEvents{"events.k8s.io", "v1", "events"};

constexpr minutes kSeriesEnds{10};   // silence after which the same is new again
constexpr seconds kSeriesEvery{30};  // between two writes of one series
constexpr double kBudget = 25;       // writes of one object at once
constexpr minutes kRefill{1};        // one more
constexpr std::size_t kRemembered = 4'096;
constexpr std::size_t kNoteBytes = 1'000;  // the server takes 1,024
constexpr std::size_t kNameBytes = 200;    // 253, with what makes it unique
constexpr std::chrono::milliseconds kWithin{5'000};

std::string namespace_of(const json::value& about) {
  const std::string_view ns = text_at(about, "/metadata/namespace");
  return std::string(ns.empty() ? "default" : ns);  // where Events of the cluster's objects are
}

template <class Entries, class Old>
void drop(Entries& entries, Old old) {
  std::erase_if(entries, [&](const auto& entry) { return old(entry.second); });
  // Rather told twice than remembered without bound.
  if (entries.size() >= kRemembered) entries.clear();
}

}  // namespace

bool EventMemory::afford(const std::string& object, Instant now) {
  Budget& budget = budgets_.try_emplace(object, Budget{kBudget, now}).first->second;
  const double gained = std::chrono::duration<double, minutes::period>(now - budget.at) / kRefill;
  budget.left = std::min(kBudget, budget.left + gained);
  budget.at = now;
  if (budget.left < 1) return false;
  budget.left -= 1;
  return true;
}

void EventMemory::drop_old(Instant now) {
  if (series_.size() >= kRemembered)
    drop(series_, [&](const Series& one) { return now - one.seen > kSeriesEnds; });
  if (budgets_.size() >= kRemembered)
    drop(budgets_, [&](const Budget& one) { return now - one.at > kBudget * kRefill; });
}

EventMemory::Step EventMemory::happened(const std::string& object, const std::string& key,
                                        const std::string& name, Instant now) {
  drop_old(now);
  const auto known = series_.find(key);
  if (known == series_.end() || now - known->second.seen > kSeriesEnds) {
    if (!afford(object, now)) return {};
    series_.insert_or_assign(key, Series{name, 1, now, now});
    return {What::kNew, name, 1};
  }
  Series& series = known->second;
  ++series.count;
  series.seen = now;
  if (now - series.written < kSeriesEvery || !afford(object, now)) return {};
  series.written = now;
  return {What::kSeries, series.name, series.count};
}

json::object EventRecorder::event_of(const json::value& about, const EventText& text,
                                     const std::string& name) const {
  return {{"apiVersion", kEvents.api_version()},
          {"kind", "Event"},
          {"metadata", {{"name", name}, {"namespace", namespace_of(about)}}},
          {"eventTime", micro_time(clock_.wall())},
          {"reportingController", controller_},
          {"reportingInstance", instance_},
          {"type", text.warning ? "Warning" : "Normal"},
          {"reason", text.reason},
          {"action", text.action},
          {"note", utf8_head(text.note, kNoteBytes)},
          {"regarding",
           {{"apiVersion", text_at(about, "/apiVersion")},
            {"kind", text_at(about, "/kind")},
            {"namespace", text_at(about, "/metadata/namespace")},
            {"name", text_at(about, "/metadata/name")},
            {"uid", uid_of(about)}}}};
}

Status EventRecorder::write(const json::value& about, const EventText& text,
                            const EventMemory::Step& step) {
  const Call call{.timeout = kWithin};
  Target target{kEvents, namespace_of(about)};
  if (step.what == EventMemory::What::kNew) {
    SERIN_TRY(api_.create(target, event_of(about, text, step.name), call));
    return {};
  }
  target.name = step.name;
  SERIN_TRY(api_.merge(
      target,
      json::object{
          {"series", {{"count", step.count}, {"lastObservedTime", micro_time(clock_.wall())}}}},
      call));
  return {};
}

void EventRecorder::record(const json::value& about, const EventText& text) {
  const std::string object = std::string(uid_of(about)) + " " + to_string(key_of(about));
  const std::string key = object + "\n" + (text.warning ? "!" : "") + text.reason + "\n" +
                          text.action + "\n" + text.note;
  EventMemory::Step step;
  {
    const std::lock_guard lock(mutex_);
    const std::string unique = sha256_hex(key + micro_time(clock_.wall())).substr(0, 16);
    step = memory_.happened(
        object, key,
        std::string(utf8_head(text_at(about, "/metadata/name"), kNameBytes)) + "." + unique,
        clock_.now());
  }
  if (step.what == EventMemory::What::kNothing) return;
  const Status written = write(about, text, step);
  if (written) return;
  log::warning("an Event could not be written: " + written.error().message,
               {{"reason", text.reason}, {"note", text.note}});
  const std::lock_guard lock(mutex_);
  memory_.forget(key);
}

}  // namespace serin::platform::kubernetes
