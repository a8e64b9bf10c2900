// SPDX-License-Identifier: Apache-2.0
#include "platform/local/fleet.h"

#include <signal.h>

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/log.h"
#include "platform/local/memory.h"
#include "platform/worker_health.h"

namespace serin::platform::local {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

Fleet::Fleet(const LocalOptions& options, RecordBook& book, Asker& asker, const Clock& clock)
    : options_(options),
      book_(book),
      asker_(asker),
      clock_(clock),
      program_(program_identity(options.program)),
      closing_(options.only_end) {
  room_.gpus = static_cast<int>(options.gpus.size());
  room_.memory_bytes = options.memory_bytes > 0 ? options.memory_bytes : machine_memory();
  room_.replicas = options.replicas;
  if (!options.control_groups) return;
  auto groups = Cgroups::open(sha256_hex(options.state.string()).substr(0, 12));
  if (groups) groups_.emplace(*std::move(groups));
  if (!groups) {
    log::warning("memory is watched, and processors are not bounded: no control groups",
                 {{"why", groups.error().message}});
  }
}

// Of everything that needs another process when it changes.
std::string Fleet::generation_of(const VersionRecord& record) const {
  const Resources& resources = record.spec.resources;
  std::string text = record.spec.model.digest + "\n" + program_ + "\n" +
                     std::to_string(resources.cpus) + " " + std::to_string(resources.memory_bytes) +
                     " " + std::to_string(resources.gpus);
  for (const std::string& argument : options_.worker_arguments) text += "\n" + argument;
  return sha256_hex(text).substr(0, 16);
}

Fleet::Replica Fleet::adopted(const ReplicaRecord& record) {
  Replica replica;
  replica.record = record;
  // On a device that is not there any more: it is replaced.
  if (std::ranges::any_of(record.gpus, [&](int gpu) { return gpu < 0 || gpu >= room_.gpus; }))
    replica.record.generation.clear();
  replica.restarts = Restarts(options_.life.restarts, record.short_runs);
  const Instant now = clock_.now();
  replica.life.next_start = now;
  replica.ask_next = now;
  if (record.leaving) replica.life.leaving_since = now;
  replica.process = Process::adopt(record.process);
  if (!replica.process) return replica;
  // What it was is what it is, until it says otherwise: nobody is cut off meanwhile.
  replica.life.running = true;
  replica.life.started = now;
  replica.life.ready = replica.life.was_ready = record.ready;
  replica.ready_since = now;
  if (record.ready) replica.life.answered = now;
  return replica;
}

Status Fleet::adopt(const Records& records) {
  for (const VersionRecord& record : records.versions)
    versions_[{record.spec.service, record.spec.label}] = {record, generation_of(record), 0, {}};
  std::vector<std::string> living;
  const std::string boot = boot_id();
  for (const ReplicaRecord& record : records.replicas) {
    Replica& replica = replicas_[record.serial] = adopted(record);
    if (replica.process) {
      living.push_back(record.id());
      said(replica, "adopted", "pid " + std::to_string(record.process.pid));
    } else if (record.process.pid != 0 && record.process.boot == boot) {
      ended(replica, {"it ended while the supervisor was away", false});
    } else {
      // The machine was started anew, or all was shut down: nobody crashed.
      replica.record.process = {};
      replica.record.ready = false;
    }
  }
  if (groups_) groups_->remove_others(living);
  return {};
}

Status Fleet::ensure(const VersionSpec& spec, bool remote) {
  const auto found = versions_.find({spec.service, spec.label});
  VersionRecord record;
  if (found != versions_.end()) record = found->second.record;
  record.spec = spec;
  record.remote = remote;
  record.removed = false;
  SERIN_TRY(book_.put(record));
  Version& version = versions_[{spec.service, spec.label}];
  version.record = record;
  version.generation = generation_of(record);
  return {};
}

Status Fleet::remove(const std::string& service, const std::string& label) {
  const auto found = versions_.find({service, label});
  if (found == versions_.end()) return {};
  VersionRecord record = found->second.record;
  record.removed = true;
  record.spec.replicas = 0;
  SERIN_TRY(book_.put(record));
  found->second.record = std::move(record);
  return {};
}

bool Fleet::knows(const std::string& service, const std::string& label) const {
  const auto found = versions_.find({service, label});
  return found != versions_.end() && !found->second.record.removed;
}

fs::path Fleet::folder_of(const Replica& replica) const {
  return options_.state / "workers" / std::to_string(replica.record.serial);
}
// Short, whatever the service is called: the path of a socket has 107 bytes.
fs::path Fleet::socket_of(const Replica& replica) const {
  return folder_of(replica).string() + ".sock";
}
fs::path Fleet::log_of_replica(const Replica& replica) const {
  return log_of(options_.state / "logs", replica.record.service, replica.record.id());
}

// What the manifest and the machine make of a line; those who start us may want another value.
std::vector<std::string> Fleet::own_options(const ReplicaRecord& record) const {
  const auto drain = std::max(milliseconds(1'000), options_.life.grace - milliseconds(5'000));
  const std::array<std::pair<std::string, std::string>, 3> ours{{
      {"--device", record.gpus.empty() ? "cpu" : "cuda:0"},
      {"--threads", std::to_string(threads_of(record.resources))},
      {"--drain-within", std::to_string(drain.count() / 1000)},
  }};
  std::vector<std::string> line;
  for (const auto& [name, value] : ours) {
    const bool given = std::ranges::any_of(options_.worker_arguments, [&](const std::string& one) {
      return one == name || one.starts_with(name + "=");
    });
    if (!given) line.insert(line.end(), {name, value});
  }
  line.insert(line.end(), options_.worker_arguments.begin(), options_.worker_arguments.end());
  return line;
}

Launch Fleet::launch_of(const Replica& replica, const VersionSpec& spec) const {
  const ReplicaRecord& record = replica.record;
  std::string gpus;
  for (const int gpu : record.gpus)
    gpus += (gpus.empty() ? "" : ",") + options_.gpus.at(static_cast<std::size_t>(gpu));
  Launch launch;
  launch.program = options_.program;
  launch.arguments = {"serin",
                      "serve",
                      spec.model.root.string(),
                      "--socket",
                      socket_of(replica).string(),
                      "--no-port",
                      "--service",
                      record.service,
                      "--version-label",
                      record.label,
                      "--digest",
                      spec.model.digest,
                      "--state",
                      folder_of(replica).string()};
  for (std::string& word : own_options(record)) launch.arguments.push_back(std::move(word));
  launch.environment = {{"CUDA_VISIBLE_DEVICES", gpus}};
  launch.log = log_of_replica(replica);
  return launch;
}

void Fleet::save(Replica& replica) {
  replica.record.short_runs = replica.restarts.short_runs();
  if (auto saved = book_.put(replica.record); !saved)
    log::error("cannot record a replica", {{"why", saved.error().message}});
}

void Fleet::said(const Replica& replica, std::string_view what, const std::string& why) const {
  log::info(what, {{"replica", replica.record.id()},
                   {"service", replica.record.service},
                   {"version", replica.record.label},
                   {"why", why}});
}

void Fleet::start(Replica& replica) {
  const auto version = versions_.find({replica.record.service, replica.record.label});
  if (version == versions_.end()) return;
  const Instant now = clock_.now();
  const bool again = replica.life.started != Instant{};
  replica.life = Life{};
  replica.life.started = now;
  replica.reason = replica.killed_for = {};
  replica.ask_next = now;
  replica.record.ready = false;
  if (again) ++replica.record.restarts;
  const Status done = run(replica, version->second.record.spec);
  if (done) return said(replica, "started", "pid " + std::to_string(replica.record.process.pid));
  ended(replica, {done.error().message, false});
}

Status Fleet::run(Replica& replica, const VersionSpec& spec) {
  std::error_code problem;
  fs::create_directories(folder_of(replica), problem);
  fs::create_directories(log_of_replica(replica).parent_path(), problem);
  Launch launch = launch_of(replica, spec);
  if (groups_) {
    SERIN_TRY_ASSIGN(launch.cgroups, groups_->make(replica.record.id(), replica.record.resources));
  }
  SERIN_TRY_ASSIGN(replica.process, Process::start(launch, [&](const Identity& identity) {
                     replica.record.process = identity;
                     return book_.put(replica.record);
                   }));
  replica.life.running = true;
  return {};
}

void Fleet::ask(Replica& replica) {
  replica.asking = true;
  Answer about;
  about.serial = replica.record.serial;
  asker_.ask(about,
             get_from(socket_of(replica).string(), "/health/ready", options_.life.answer_within));
}

void Fleet::set_ready(Replica& replica, bool ready) {
  const bool changed = replica.record.ready != ready;
  replica.life.ready = ready;
  if (ready && !replica.life.was_ready) replica.ready_since = clock_.now();
  replica.life.was_ready = replica.life.was_ready || ready;
  if (!changed) return;
  replica.record.ready = ready;
  said(replica, ready ? "ready" : "not ready", replica.reason);
  save(replica);
}

void Fleet::take(const Answer& answer) {
  const auto found = replicas_.find(answer.serial);
  if (found == replicas_.end()) return;
  Replica& replica = found->second;
  replica.asking = false;
  const Instant now = clock_.now();
  replica.ask_next =
      now + (replica.life.ready ? options_.life.ask_every : options_.life.ask_starting);
  if (answer.status == 0 || !replica.life.running) return;
  const WorkerHealth health = read_health(answer.status, answer.body);
  replica.life.answered = now;
  replica.reason = health.ready ? "" : health.reason;
  if (!health.stuck) replica.life.stuck_since.reset();
  if (health.stuck && !replica.life.stuck_since) replica.life.stuck_since = now;
  if (!health.profile.empty()) {
    replica.record.profile = health.profile;
    replica.record.reproducible = health.reproducible;
  }
  set_ready(replica, health.ready);
}

std::string Fleet::how_it_ended(const Replica& replica, const Process::End& end) const {
  std::string how = end.how;
  if (!replica.killed_for.empty()) how = replica.killed_for;
  const std::uint64_t limit = replica.record.resources.memory_bytes;
  if (replica.life.over_memory || (groups_ && groups_->out_of_memory(replica.record.id())))
    how = "it used more than its " + std::to_string(limit >> 20) + " MiB of memory";
  std::string last = tail(log_of_replica(replica), 1);
  while (!last.empty() && last.back() == '\n') last.pop_back();
  constexpr std::size_t kLongestLine = 500;
  if (last.size() > kLongestLine) last.resize(kLongestLine);
  return last.empty() ? how : how + "; it last said: " + last;
}

void Fleet::ended(Replica& replica, const Process::End& end) {
  const Instant now = clock_.now();
  const bool asked_for = replica.life.leaving_since || closing_;
  replica.record.message = how_it_ended(replica, end);
  replica.reason = replica.killed_for = {};
  replica.record.process = {};
  replica.record.ready = false;
  replica.process.reset();
  // A run counts from when it served: one that takes minutes to load and then fails is short.
  const Duration good = replica.life.was_ready ? now - replica.ready_since : Duration::zero();
  replica.life.running = replica.life.ready = false;
  if (groups_) groups_->remove(replica.record.id());
  if (!asked_for) {
    replica.life.next_start = now + replica.restarts.ended_after(good);
    const auto version = versions_.find({replica.record.service, replica.record.label});
    if (version != versions_.end()) {
      ++version->second.record.crashes;
      if (auto saved = book_.put(version->second.record); !saved)
        log::error("cannot record a crash", {{"why", saved.error().message}});
    }
  }
  said(replica, asked_for ? "ended" : "crashed", replica.record.message);
  save(replica);
}

void Fleet::notice_ends() {
  for (auto& [serial, replica] : replicas_) {
    if (!replica.process) continue;
    if (const auto end = replica.process->ended()) {
      ended(replica, *end);
      continue;
    }
    if (!replica.process->stopped()) {
      replica.life.stopped_since.reset();
    } else if (!replica.life.stopped_since) {
      replica.life.stopped_since = clock_.now();
      said(replica, "not ready", "it was stopped by a signal");
    }
  }
}

void Fleet::live(Replica& replica) {
  const Instant now = clock_.now();
  const Decision decision = next_step(replica.life, now, options_.life);
  switch (decision.step) {
    case Step::kStart:
      if (!closing_) start(replica);
      return;
    case Step::kTerminate:
      replica.life.terminated = now;
      replica.process->signal(SIGTERM);
      replica.process->signal(SIGCONT);  // one that is stopped would not hear it
      return;
    case Step::kKill:
      replica.killed_for = decision.why;
      replica.life.killed = true;
      said(replica, "killed", decision.why);
      replica.process->signal(SIGKILL);
      return;
    case Step::kForget:
    case Step::kNothing:
      break;
  }
  if (replica.life.running && !replica.life.leaving_since && !replica.asking &&
      now >= replica.ask_next)
    ask(replica);
}

void Fleet::pass() {
  notice_ends();
  if (!closing_) follow_plan();
  for (auto& [serial, replica] : replicas_) live(replica);
  forget_ended();
}

std::vector<Wish> Fleet::wishes() const {
  std::vector<Wish> made;
  for (const auto& [key, version] : versions_) {
    const VersionSpec& spec = version.record.spec;
    Wish wish{spec.service, spec.label, spec.replicas, spec.resources, {}};
    for (const auto& [serial, replica] : replicas_) {
      const ReplicaRecord& record = replica.record;
      if (record.service != spec.service || record.label != spec.label) continue;
      wish.seats.push_back({serial, record.generation == version.generation,
                            state_of_replica(replica), record.resources, record.gpus});
    }
    made.push_back(std::move(wish));
  }
  return made;
}

void Fleet::follow_plan() {
  const std::vector<Wish> wanted = wishes();
  const Plan made = plan(wanted, room_);
  const auto version_at = [&](std::size_t wish) -> Version& {
    return versions_.at({wanted[wish].service, wanted[wish].label});
  };
  for (auto& [key, version] : versions_) version.missing = 0;
  for (const Refusal& refusal : made.refusals) {
    version_at(refusal.wish).missing = refusal.missing;
    version_at(refusal.wish).why_missing = refusal.why;
  }
  for (const Retire& one : made.retires) retire(one.serial, one);
  for (const Start& one : made.starts) add_replica(version_at(one.wish), one);
}

void Fleet::add_replica(const Version& version, const Start& start) {
  Replica replica;
  replica.record.service = version.record.spec.service;
  replica.record.label = version.record.spec.label;
  replica.record.generation = version.generation;
  replica.record.resources = version.record.spec.resources;
  replica.record.gpus = start.gpus;
  replica.restarts = Restarts(options_.life.restarts);
  replica.life.next_start = clock_.now();
  if (auto saved = book_.put(replica.record); !saved)
    return log::error("cannot record a replica", {{"why", saved.error().message}});
  const std::int64_t serial = replica.record.serial;
  replicas_.emplace(serial, std::move(replica));
}

void Fleet::retire(std::int64_t serial, const Retire& why) {
  Replica& replica = replicas_.at(serial);
  replica.life.leaving_since = clock_.now();
  replica.record.leaving = true;
  replica.record.message = why.why;
  said(replica, why.made_room ? "leaves before its successor is ready" : "leaves", why.why);
  save(replica);
}

void Fleet::forget_ended() {
  std::error_code problem;
  for (auto at = replicas_.begin(); at != replicas_.end();) {
    Replica& replica = at->second;
    if (closing_ || next_step(replica.life, clock_.now(), options_.life).step != Step::kForget) {
      ++at;
      continue;
    }
    if (auto dropped = book_.drop_replica(at->first); !dropped) {
      log::error("cannot forget a replica", {{"why", dropped.error().message}});
      return;
    }
    fs::remove_all(folder_of(replica), problem);
    fs::remove(socket_of(replica), problem);
    at = replicas_.erase(at);
  }
  for (auto at = versions_.begin(); at != versions_.end();) {
    const auto& [service, label] = at->first;
    const bool empty = std::ranges::none_of(replicas_, [&](const auto& one) {
      return one.second.record.service == service && one.second.record.label == label;
    });
    if (!at->second.record.removed || !empty || !book_.drop_version(service, label)) {
      ++at;
      continue;
    }
    forgotten_.push_back(service + "/" + label);
    at = versions_.erase(at);
  }
}

void Fleet::let_go() {
  for (auto& [serial, replica] : replicas_) {
    if (replica.life.leaving_since) replica.life.left = true;
  }
}

void Fleet::watch_memory() {
  std::vector<int> sessions;
  for (const auto& [serial, replica] : replicas_) {
    if (!replica.process || replica.record.resources.memory_bytes == 0) continue;
    if (groups_ && groups_->bounds_memory(replica.record.id())) continue;
    sessions.push_back(replica.process->identity().pid);
  }
  const auto held = memory_of_sessions(sessions);
  for (auto& [serial, replica] : replicas_) {
    if (!replica.process) continue;
    const auto found = held.find(replica.process->identity().pid);
    if (found != held.end() && found->second > replica.record.resources.memory_bytes)
      replica.life.over_memory = true;
  }
}

void Fleet::keep_house() {
  watch_memory();
  std::map<std::string, std::vector<std::string>> living;
  for (const auto& [serial, replica] : replicas_) {
    living[replica.record.service].push_back(replica.record.id());
    if (auto rotated = rotate(log_of_replica(replica), options_.logs); !rotated)
      log::warning("cannot rotate a log", {{"why", rotated.error().message}});
  }
  for (const auto& [service, ids] : living)
    remove_old(options_.state / "logs", service, ids, options_.logs);
}

void Fleet::close() {
  closing_ = true;
  const Instant now = clock_.now();
  for (auto& [serial, replica] : replicas_) {
    if (!replica.process || replica.life.terminated) continue;
    replica.life.terminated = now;
    replica.process->signal(SIGTERM);
    replica.process->signal(SIGCONT);
  }
}

void Fleet::leave_no_groups() {
  if (groups_) groups_->remove_all();
}

bool Fleet::any_running() const {
  return std::ranges::any_of(replicas_, [](const auto& one) { return one.second.life.running; });
}

bool Fleet::busy() const {
  return std::ranges::any_of(replicas_, [&](const auto& one) {
    const ReplicaState state = state_of_replica(one.second);
    return state == ReplicaState::kStarting || state == ReplicaState::kStopping ||
           state == ReplicaState::kBackoff;
  });
}

std::vector<int> Fleet::descriptors() const {
  std::vector<int> found;
  for (const auto& [serial, replica] : replicas_) {
    if (replica.process) found.push_back(replica.process->descriptor());
  }
  return found;
}

}  // namespace serin::platform::local
