// SPDX-License-Identifier: Apache-2.0
// A Platform in memory, for tests of what stands above one: no process, no network, time by the
// clock that the test moves. Workers become ready after a while, end when they are told to, and
// take room. Passes the contract suite. One thread.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "platform/platform.h"

namespace serin::platform {

class FakePlatform final : public Platform {
 public:
  // How the workers of a package are.
  struct Behaviour {
    Duration ready_after = std::chrono::seconds(2);
    bool crashes = false;  // each ends `ready_after` after its start
  };
  struct Room {
    int gpus = 1;
    std::uint64_t memory_bytes = std::uint64_t{64} << 30;
  };
  struct Call {
    std::string verb;  // "ensure", "remove", "route", "unroute"
    std::string service, label;
  };

  explicit FakePlatform(const ManualClock& clock) : clock_(clock) {}

  // What a test sets.
  void add_package(const std::string& name, Behaviour behaviour) { packages_[name] = behaviour; }
  void set_room(Room room) { room_ = room; }
  void set_unavailable(bool unavailable) { unavailable_ = unavailable; }  // every call fails so
  void crash(const std::string& replica) {
    step();
    if (Replica* found = find(replica)) end(*found, clock_.now(), true);
  }
  void set_ready(const std::string& replica, bool ready) {
    step();
    if (Replica* found = find(replica)) found->healthy = ready;
  }
  // The gateway tells of one more request.
  void record(const std::string& service, Evidence evidence) {
    auto& log = evidence_[service];
    log.records.push_back(std::move(evidence));
    if (log.records.size() <= kEvidenceKept) return;
    log.records.pop_front();
    ++log.forgotten;
  }

  // From any thread, as samples(), score() and ask(): what there is to score, what a service
  // answers, what it was asked, and what was scored so, in the order of the numbers.
  void add_sample(const std::string& service, Sample sample) {
    const std::lock_guard lock(samples_mutex_);
    samples_[service].push_back(std::move(sample));
  }
  // Runs on whatever thread asks for samples, before it gets them; to be set before any does.
  void before_samples(std::function<void()> work) { before_samples_ = std::move(work); }
  void set_reply(const std::string& service, Reply reply) {
    const std::lock_guard lock(samples_mutex_);
    replies_[service] = std::move(reply);
  }
  std::vector<std::string> questions() {
    const std::lock_guard lock(samples_mutex_);
    return questions_;
  }
  std::vector<std::optional<double>> scores(const std::string& scorer) {
    const std::lock_guard lock(samples_mutex_);
    std::vector<std::optional<double>> found;
    for (const auto& [key, score] : scores_) {
      if (key.first == scorer) found.push_back(score);
    }
    return found;
  }

  // What a test looks at.
  const std::vector<Call>& calls() const { return calls_; }  // those that were not refused
  const Traffic* traffic(const std::string& service) const {
    const auto found = traffic_.find(service);
    return found == traffic_.end() ? nullptr : &found->second;
  }
  const VersionSpec* spec(const std::string& service, const std::string& label) const {
    const auto found = versions_.find({service, label});
    return found == versions_.end() ? nullptr : &found->second.spec;
  }

  Result<Model> resolve(const std::string& model) override {
    SERIN_TRY(available());
    if (!packages_.contains(model)) return fail(Code::kNotFound, "there is no package " + model);
    return Model{model, "sha256:" + sha256_hex(model), {}};
  }

  Status ensure(const VersionSpec& spec) override {
    SERIN_TRY(available());
    SERIN_TRY(check(spec));
    calls_.push_back({"ensure", spec.service, spec.label});
    Version& version = versions_[{spec.service, spec.label}];
    if (generation_of(version.spec) != generation_of(spec)) ++version.generation;
    version.spec = spec;
    version.removed = false;
    step();
    return {};
  }

  Status remove(std::string_view service, std::string_view label) override {
    SERIN_TRY(available());
    const std::string name(service);
    if (const Traffic* routed = traffic(name);
        routed != nullptr && (routed->stable == label || routed->candidate == label)) {
      return fail(Code::kFailedPrecondition, "requests of " + name + " still go to " +
                                                 std::string(label) + ": route them elsewhere");
    }
    calls_.push_back({"remove", name, std::string(label)});
    const auto found = versions_.find({name, std::string(label)});
    if (found == versions_.end()) return {};
    found->second.removed = true;
    found->second.spec.replicas = 0;
    step();
    return {};
  }

  Result<std::vector<VersionStatus>> observe(std::string_view service) override {
    SERIN_TRY(available());
    step();
    std::vector<VersionStatus> all;
    for (const auto& [key, version] : versions_) {
      if (key.first != service) continue;
      VersionStatus status{
          key.second, version.spec.model.digest, version.spec.replicas, version.crashes, {}};
      for (const Replica& replica : version.replicas) status.replicas.push_back(status_of(replica));
      all.push_back(std::move(status));
    }
    return all;
  }

  Status route(const Traffic& traffic) override {
    SERIN_TRY(available());
    SERIN_TRY(check(traffic));
    for (const std::string& label : {traffic.stable, traffic.candidate}) {
      if (label.empty() || versions_.contains({traffic.service, label})) continue;
      return fail(Code::kFailedPrecondition, traffic.service + " has no version " + label);
    }
    calls_.push_back({"route", traffic.service, traffic.candidate});
    traffic_[traffic.service] = traffic;
    return {};
  }

  Status unroute(std::string_view service) override {
    SERIN_TRY(available());
    calls_.push_back({"unroute", std::string(service), {}});
    traffic_.erase(std::string(service));
    return {};
  }

  Result<EvidencePage> evidence(std::string_view service, std::string_view after,
                                std::size_t most) override {
    SERIN_TRY(available());
    const Log& log = evidence_[std::string(service)];
    const std::uint64_t read = after.empty() ? 0 : std::stoull(std::string(after));
    std::uint64_t next = std::max<std::uint64_t>(read, log.forgotten);
    EvidencePage page;
    page.lost = next - read;
    while (page.records.size() < most && next < log.forgotten + log.records.size())
      page.records.push_back(log.records[next++ - log.forgotten]);
    page.next = std::to_string(next);
    return page;
  }

  Result<std::vector<Sample>> samples(std::string_view service, std::string_view scorer, double,
                                      std::size_t most) override {
    if (before_samples_) before_samples_();
    const std::lock_guard lock(samples_mutex_);
    std::vector<Sample> unscored;
    for (const Sample& sample : samples_[std::string(service)]) {
      if (unscored.size() < most && !scores_.contains({std::string(scorer), sample.number}))
        unscored.push_back(sample);
    }
    return unscored;
  }

  Status score(std::string_view, std::string_view scorer,
               const std::vector<SampleScore>& scores) override {
    const std::lock_guard lock(samples_mutex_);
    for (const SampleScore& score : scores)
      scores_.emplace(std::make_pair(std::string(scorer), score.number), score.score);
    return {};
  }

  Result<Reply> ask(std::string_view service, std::string body, std::chrono::milliseconds,
                    const CancelToken&) override {
    const std::lock_guard lock(samples_mutex_);
    questions_.push_back(std::move(body));
    const auto found = replies_.find(std::string(service));
    return found == replies_.end() ? Reply{404, "there is no service"} : found->second;
  }

  Result<std::string> logs(std::string_view service, std::string_view replica,
                           std::size_t lines) override {
    SERIN_TRY(available());
    std::string text;
    bool found = false;
    for (const auto& [key, version] : versions_) {
      if (key.first != service) continue;
      for (const Replica& one : version.replicas) {
        if (!replica.empty() && one.id != replica) continue;
        found = true;
        for (std::size_t i = 0; i < std::min<std::size_t>(lines, 2); ++i)
          text += one.id + (i == 0 ? " ready\n" : " listening\n");
      }
    }
    if (!found) return fail(Code::kNotFound, "there is no log of " + std::string(service));
    return text;
  }

 private:
  static constexpr std::size_t kEvidenceKept = 100'000;
  static constexpr Duration kBackoff = std::chrono::seconds(1);
  static constexpr int kCrashLoop = 3;
  static constexpr int kMostSteps = 10'000;

  struct Replica {
    std::string id;
    int generation = 0;
    int pid = 0;  // 0: it waits
    bool healthy = true;
    bool fits = true;
    Instant due{};  // of the next start, or of being ready
    int soon_ended = 0;
    std::uint64_t restarts = 0;
    std::string message = "was just started";
  };
  struct Version {
    VersionSpec spec;
    int generation = 0;
    bool removed = false;
    std::uint64_t crashes = 0;
    std::vector<Replica> replicas;
  };
  struct Log {
    std::deque<Evidence> records;
    std::uint64_t forgotten = 0;
  };

  Status available() const {
    if (!unavailable_) return {};
    return fail(Code::kUnavailable, "the platform is away");
  }
  static std::string generation_of(const VersionSpec& spec) {
    return spec.model.digest + " " + std::to_string(spec.resources.cpus) + " " +
           std::to_string(spec.resources.memory_bytes) + " " + std::to_string(spec.resources.gpus);
  }
  Behaviour behaviour(const Version& version) const {
    const auto found = packages_.find(version.spec.model.source);
    return found == packages_.end() ? Behaviour() : found->second;
  }
  bool is_ready(const Replica& replica) const {
    return replica.pid != 0 && replica.healthy && replica.due <= clock_.now();
  }
  ReplicaStatus status_of(const Replica& replica) const {
    ReplicaStatus status{replica.id, ReplicaState::kStarting, replica.pid, replica.restarts,
                         replica.message};
    if (!replica.fits) {
      status.state = ReplicaState::kNoRoom;
    } else if (replica.pid == 0) {
      status.state =
          replica.soon_ended >= kCrashLoop ? ReplicaState::kCrashLoop : ReplicaState::kBackoff;
    } else if (replica.due <= clock_.now()) {
      status.state = replica.healthy ? ReplicaState::kReady : ReplicaState::kUnready;
      status.message = replica.healthy ? "" : "says that it cannot serve";
    }
    return status;
  }
  Replica* find(const std::string& id) {
    for (auto& [key, version] : versions_) {
      for (Replica& replica : version.replicas) {
        if (replica.id == id) return &replica;
      }
    }
    return nullptr;
  }
  Version& owner_of(const Replica& replica) {
    for (auto& [key, version] : versions_) {
      for (const Replica& one : version.replicas) {
        if (&one == &replica) return version;
      }
    }
    return versions_.begin()->second;
  }

  void end(Replica& replica, Instant when, bool after_good_run) {
    ++owner_of(replica).crashes;
    replica.soon_ended = after_good_run ? 1 : replica.soon_ended + 1;
    replica.pid = 0;
    replica.due = when + kBackoff * (1 << std::min(replica.soon_ended - 1, 5));
    replica.message = "ended: signal 9";
  }

  bool fits(const Resources& wanted) const {
    Room left = room_;
    for (const auto& [key, version] : versions_) {
      const auto running = static_cast<std::uint64_t>(
          std::ranges::count_if(version.replicas, [](const Replica& one) { return one.fits; }));
      left.gpus -= static_cast<int>(running) * version.spec.resources.gpus;
      const std::uint64_t used = running * version.spec.resources.memory_bytes;
      left.memory_bytes -= std::min(left.memory_bytes, used);
    }
    return wanted.gpus <= left.gpus && wanted.memory_bytes <= left.memory_bytes;
  }

  void start(Version& version, Replica& replica, Instant when) {
    replica.fits = true;
    replica.pid = next_pid_++;
    replica.due = when + behaviour(version).ready_after;
  }

  // Old replicas go when as many new ones are ready, or at once where there is no room for both.
  void reconcile(const std::string& name, Version& version) {
    const auto wanted = static_cast<std::size_t>(version.spec.replicas);
    const auto old = [&](const Replica& one) { return one.generation != version.generation; };
    const auto count_new = [&] {
      return version.replicas.size() -
             static_cast<std::size_t>(std::ranges::count_if(version.replicas, old));
    };
    const auto waits = [](const Replica& one) { return !one.fits; };
    std::erase_if(version.replicas, waits);
    while (count_new() > wanted) {
      const auto last = std::ranges::find_if(version.replicas.rbegin(), version.replicas.rend(),
                                             [&](const Replica& one) { return !old(one); });
      version.replicas.erase(std::next(last).base());
    }
    const auto ready_new = static_cast<std::size_t>(std::ranges::count_if(
        version.replicas, [&](const Replica& one) { return !old(one) && is_ready(one); }));
    if (ready_new >= wanted) std::erase_if(version.replicas, old);
    while (count_new() < wanted) {
      if (!fits(version.spec.resources)) {
        const auto first = std::ranges::find_if(version.replicas, old);
        if (first == version.replicas.end()) break;
        version.replicas.erase(first);
        continue;
      }
      Replica replica;
      replica.id = name + "-" + std::to_string(next_id_++);
      replica.generation = version.generation;
      start(version, replica, clock_.now());
      version.replicas.push_back(std::move(replica));
    }
    for (std::size_t missing = count_new(); missing < wanted; ++missing) {
      Replica replica;
      replica.id = name + "-" + std::to_string(next_id_++);
      replica.generation = version.generation;
      replica.fits = false;
      replica.message = "does not fit: there is too little memory or there are too few GPUs";
      version.replicas.push_back(std::move(replica));
    }
  }

  // Everything that happened until now, in order for each replica.
  void step() {
    const Instant now = clock_.now();
    for (auto& [key, version] : versions_) {
      for (Replica& replica : version.replicas) {
        for (int i = 0; i < kMostSteps && replica.fits && replica.due <= now; ++i) {
          if (replica.pid == 0) {
            ++replica.restarts;
            start(version, replica, replica.due);
          } else if (behaviour(version).crashes) {
            end(replica, replica.due, false);
          } else {
            break;
          }
        }
      }
      reconcile(key.first + "-" + key.second, version);
    }
    std::erase_if(versions_, [](const auto& one) {
      return one.second.removed && one.second.replicas.empty();
    });
  }

  const ManualClock& clock_;
  std::map<std::string, Behaviour> packages_;
  std::map<std::pair<std::string, std::string>, Version> versions_;
  std::map<std::string, Traffic> traffic_;
  std::map<std::string, Log> evidence_;
  std::function<void()> before_samples_;
  std::mutex samples_mutex_;
  std::map<std::string, std::vector<Sample>> samples_;
  std::map<std::pair<std::string, std::uint64_t>, std::optional<double>> scores_;  // by scorer
  std::map<std::string, Reply> replies_;                                           // by service
  std::vector<std::string> questions_;
  std::vector<Call> calls_;
  Room room_;
  bool unavailable_ = false;
  int next_pid_ = 1000;
  int next_id_ = 1;
};

}  // namespace serin::platform
