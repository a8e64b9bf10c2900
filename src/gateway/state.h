// SPDX-License-Identifier: Apache-2.0
// What the gateway knows beside its configuration and longer than it: requests in flight, evidence,
// metrics; by service, version and replica. Made when a configuration first names it, forgotten
// when none does and no request holds it.
//
// The numbers are atomic or guarded, for any thread. States is for who applies configurations.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/evidence.h"
#include "gateway/feedback/memory.h"
#include "gateway/policy/guard.h"
#include "gateway/policy/outlier.h"
#include "gateway/scoring/samples.h"
#include "gateway/try_end.h"
#include "telemetry/metrics.h"

namespace serin::gateway {

struct ReplicaState {
  std::atomic<std::uint32_t> in_flight{0};
  std::atomic<Duration> closed_until{};  // since the clock's beginning; ejected until then
  std::atomic<bool> silent{false};       // as the configuration says

  bool open(Instant now) const {
    return now.time_since_epoch() >= closed_until.load(std::memory_order_relaxed);
  }
};

class VersionState {
 public:
  VersionState(telemetry::Registry& registry, std::string_view service, std::string_view version);
  ~VersionState();  // what it has counted is told no more
  VersionState(const VersionState&) = delete;
  VersionState& operator=(const VersionState&) = delete;

  // A request that was first assigned to this version, on that arm, has ended.
  void ended(rollout::Arm arm, std::uint16_t status, Duration took);
  void first_byte(Duration after) {
    first_byte_.observe(std::chrono::duration<double>(after).count());
  }
  void retried(const TryEnd& why);
  void not_retried(std::string_view why);
  void watch(const OutlierLimits& limits, const std::vector<std::string>& ids);
  // A try at one of its replicas has ended; gives the ejections that follow.
  std::vector<Ejection> tried(std::string_view replica, const Attempt& attempt, Instant now);
  // Whether it ever had a replica: until then its failures say nothing of it.
  std::atomic<bool> had_replica{false};
  std::uint64_t next_turn() { return turn_.fetch_add(1, std::memory_order_relaxed); }

  std::map<std::string, std::shared_ptr<ReplicaState>, std::less<>> replicas;  // for States alone

 private:
  telemetry::Labels labels(std::string_view name, std::string_view value) const;
  telemetry::Counter& ejected(EjectionReason reason);

  telemetry::Registry& registry_;
  const std::string service_;
  const std::string version_;
  telemetry::Histogram& seconds_;
  telemetry::Histogram& first_byte_;
  // By arm; made when first seen.
  std::array<std::array<std::atomic<telemetry::Counter*>, 600>, 2> by_status_{};
  std::atomic<std::uint64_t> turn_{0};
  std::mutex outliers_mutex_;
  Outliers outliers_;
};

struct ServiceState {
  ServiceState(telemetry::Registry& registry, std::string_view service, std::uint64_t first_record,
               std::optional<EvidenceFile> file, std::size_t remembered);
  ~ServiceState();
  ServiceState(const ServiceState&) = delete;
  ServiceState& operator=(const ServiceState&) = delete;

  // A request that was not let in or could not begin, by the error's code.
  void refused(std::string_view code);
  void hedged();
  void sampled(std::string_view result);  // "offered", "too_large", "not_asked_for"
  void fell_back(std::string_view to);    // "version", "service", "answer"
  // A request that was drawn to be mirrored: how its copy ended, or why there is none.
  void mirrored(std::string_view to, std::string_view outcome);
  // The same of one that a shadow rollout drew for its candidate.
  void shadowed(std::string_view version, std::string_view outcome);
  // What became of comparing its two answers.
  void compared(std::string_view version, const rollout::Compared& compared);
  // Brings the gauges up to date, when they are a little old.
  void publish(Instant now);

  EvidenceLog evidence;
  RequestMemory memory;
  SampleLog samples;
  Guard guard;
  std::atomic<std::uint32_t> in_flight{0};
  std::atomic<std::uint32_t> retries{0};   // requests in a try after their first
  std::atomic<std::uint32_t> awaiting{0};  // requests whose version has no worker
  std::atomic<std::uint32_t> copies{0};    // of its requests, under way
  std::map<std::string, std::shared_ptr<VersionState>, std::less<>> versions;  // for States alone

 private:
  telemetry::Registry& registry_;
  const std::string service_;
  telemetry::Gauge& in_flight_;
  telemetry::Gauge& breaker_state_;
  telemetry::Gauge& failure_rate_;
  telemetry::Gauge& slow_rate_;
  telemetry::Gauge& limit_;
  telemetry::Gauge& waiting_;
  telemetry::Gauge& predicted_wait_;
  telemetry::Counter& opened_;
  std::atomic<Duration> published_{};
};

class States {
 public:
  // Of every service: `first_record` of its evidence, so many requests that are remembered.
  // `folder`: where evidence is kept beyond the process; empty: nowhere.
  States(telemetry::Registry& registry, std::uint64_t first_record,
         std::size_t remembered = RequestMemory::kCapacity, std::filesystem::path folder = {})
      : registry_(registry),
        first_record_(first_record),
        remembered_(remembered),
        folder_(std::move(folder)) {}

  std::shared_ptr<ServiceState> service(std::string_view name);
  std::shared_ptr<VersionState> version(std::string_view service, std::string_view label);
  std::shared_ptr<ReplicaState> replica(std::string_view service, std::string_view label,
                                        std::string_view id);
  // The service, where it is known; null else.
  std::shared_ptr<ServiceState> find(std::string_view name) const;
  // Forgets what nobody holds.
  void prune();

 private:
  std::shared_ptr<ServiceState>& service_of(std::string_view name);
  std::optional<EvidenceFile> file_of(std::string_view service) const;
  void remove_files() const;
  std::shared_ptr<VersionState>& version_of(std::string_view service, std::string_view label);

  telemetry::Registry& registry_;
  const std::uint64_t first_record_;
  const std::size_t remembered_;
  const std::filesystem::path folder_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ServiceState>, std::less<>> services_;
};

}  // namespace serin::gateway
