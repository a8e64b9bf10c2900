// SPDX-License-Identifier: Apache-2.0
// Tells, in Events of events.k8s.io, what was done about an object or went wrong with it. What
// happens again is counted in a series of one Event, and an object has a budget: a loop that goes
// wrong a thousand times a second writes a few Events a minute. An Event that cannot be written is
// a line in the log, and no error. Any thread; blocks for a write. Api and clock outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "platform/kubernetes/client/api.h"

namespace serin::platform::kubernetes {

struct EventText {
  bool warning = false;
  std::string reason;  // "ScalingReplicaSet": a word for programs
  std::string action;  // "Scale": what was being done
  std::string note;    // a sentence; its first 1,000 bytes are kept
};

// What is to be written about something that happens, perhaps not for the first time. Decides by
// what it has seen; no effects. One thread at a time.
class EventMemory {
 public:
  enum class What : std::uint8_t { kNothing, kNew, kSeries };
  struct Step {
    What what = What::kNothing;
    std::string name;  // of the Event
    std::int64_t count = 1;
  };
  // `object`: whose budget it is. `key`: the same for what is the same. `name`: of the Event, if it
  // is a new one.
  Step happened(const std::string& object, const std::string& key, const std::string& name,
                Instant now);
  // Its Event is not there any more: the next is new.
  void forget(const std::string& key) { series_.erase(key); }

 private:
  struct Series {
    std::string name;
    std::int64_t count = 1;
    Instant written, seen;
  };
  struct Budget {
    double left = 0;
    Instant at;
  };
  bool afford(const std::string& object, Instant now);
  void drop_old(Instant now);

  std::map<std::string, Series> series_;
  std::map<std::string, Budget> budgets_;
};

class EventRecorder {
 public:
  // `controller`: "serin.dev/operator"; `instance`: which of several, the pod's name.
  EventRecorder(Api& api, std::string controller, std::string instance, const Clock& clock)
      : api_(api),
        controller_(std::move(controller)),
        instance_(std::move(instance)),
        clock_(clock) {}

  // `about`: an object with its apiVersion, kind, name and uid.
  void record(const json::value& about, const EventText& text);

 private:
  Status write(const json::value& about, const EventText& text, const EventMemory::Step& step);
  json::object event_of(const json::value& about, const EventText& text,
                        const std::string& name) const;

  Api& api_;
  const std::string controller_, instance_;
  const Clock& clock_;
  std::mutex mutex_;
  EventMemory memory_;
};

}  // namespace serin::platform::kubernetes
