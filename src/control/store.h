// SPDX-License-Identifier: Apache-2.0
// What outlives the control plane. Every transition is one commit(): a service's whole record with
// the events that say so, all or nothing; it is made before anything acts on it. For one thread at
// a time.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "control/record.h"

namespace serin::control {

struct EventQuery {
  std::string service;     // empty: of all
  std::int64_t after = 0;  // ids beyond this one
  // At most so many: the last of them where `after` is 0, else the first.
  std::size_t most = 100;
};

// Somebody who is told of a service's events, and how far (control/notify). It outlives the service
// until it was told of its end.
struct Subscription {
  std::string service;
  std::string target;      // its name in the manifest
  std::string spec;        // JSON, as the manifest has it with its defaults
  std::int64_t after = 0;  // the last event that it was told of, or does not ask for
  std::int64_t until = 0;  // the last one that it is to be told of; 0: there is none yet
  std::int64_t lost = 0;   // events that had to be forgotten before it was told
};

class Store {
 public:
  virtual ~Store() = default;

  // Every service, in the order of their names. kDataLoss when what is stored cannot be read.
  virtual Result<std::vector<ServiceRecord>> load() = 0;
  // The targets of the record are subscribed from these events on; those that it names no more, up
  // to them.
  virtual Status commit(const ServiceRecord& service, std::span<const Event> events) = 0;
  // The service is forgotten; its events stay, and are the last that its targets are told of.
  virtual Status erase(std::string_view service, std::span<const Event> events) = 0;
  // Of the running rollout: what the statistics are, and what they have counted.
  virtual Status save_evidence(std::string_view service, const RolloutRecord& rollout) = 0;

  // In the order of their ids.
  virtual Result<std::vector<Event>> events(const EventQuery& query) = 0;
  // The rollouts of a service, the newest first; without their statistics.
  virtual Result<std::vector<RolloutRecord>> history(std::string_view service,
                                                     std::size_t most) = 0;

  virtual Result<std::vector<Subscription>> subscriptions() = 0;
  // At most so many of the events that it was not told of, the oldest first.
  virtual Result<std::vector<Event>> pending(const Subscription& subscription,
                                             std::size_t most) = 0;
  // `after` and no `lost` any more, with events that say what there is to say of that. A
  // subscription that has come to its end is gone.
  virtual Status advance(const Subscription& subscription, std::span<const Event> events) = 0;
};

struct StoreLimits {
  std::size_t events = 10'000;           // the oldest go first
  std::size_t rollouts_of_service = 50;  // the same
};

// In one SQLite file, made where there is none.
Result<std::unique_ptr<Store>> open_store(const std::filesystem::path& file,
                                          const StoreLimits& limits = {});

}  // namespace serin::control
