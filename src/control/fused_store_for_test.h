// SPDX-License-Identifier: Apache-2.0
// For tests: a store whose user is killed before or after one of its writes.
#pragma once

#include <functional>

#include "control/store.h"

namespace serin::control {

struct Killed {};

// Burns down with every call.
struct Fuse {
  int left = -1;  // negative: never
  int burned = 0;
  void burn() {
    ++burned;
    if (left < 0) return;
    --left;
    if (left < 0) throw Killed();
  }
};

class FusedStore final : public Store {
 public:
  FusedStore(Store& store, Fuse& fuse) : store_(store), fuse_(fuse) {}
  Result<std::vector<ServiceRecord>> load() override { return store_.load(); }
  Status commit(const ServiceRecord& service, std::span<const Event> events) override {
    return around([&] { return store_.commit(service, events); });
  }
  Status erase(std::string_view service, std::span<const Event> events) override {
    return around([&] { return store_.erase(service, events); });
  }
  Status save_evidence(std::string_view service, const RolloutRecord& rollout) override {
    return around([&] { return store_.save_evidence(service, rollout); });
  }
  Result<std::vector<Event>> events(const EventQuery& query) override {
    return store_.events(query);
  }
  Result<std::vector<RolloutRecord>> history(std::string_view service, std::size_t most) override {
    return store_.history(service, most);
  }
  Result<std::vector<Subscription>> subscriptions() override { return store_.subscriptions(); }
  Result<std::vector<Event>> pending(const Subscription& subscription, std::size_t most) override {
    return store_.pending(subscription, most);
  }
  Status advance(const Subscription& subscription, std::span<const Event> events) override {
    return around([&] { return store_.advance(subscription, events); });
  }

 private:
  Status around(const std::function<Status()>& call) {
    fuse_.burn();
    Status done = call();
    fuse_.burn();
    return done;
  }
  Store& store_;
  Fuse& fuse_;
};

}  // namespace serin::control
