// SPDX-License-Identifier: Apache-2.0
// The workers of this machine: what was asked for, who runs, and how they are. It starts, asks and
// ends processes; what to do is decided by plan.h and life.h. Everything is recorded before it is
// done, so that another Fleet can go on from the records. One thread at a time.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "platform/gateway_config.h"
#include "platform/local/asker.h"
#include "platform/local/cgroups.h"
#include "platform/local/life.h"
#include "platform/local/options.h"
#include "platform/local/plan.h"
#include "platform/local/records.h"

namespace serin::platform::local {

class Fleet {
 public:
  // `options`, `book` and `asker` outlive it.
  Fleet(const LocalOptions& options, RecordBook& book, Asker& asker, const Clock& clock);

  // Takes over what the records say runs, and still does.
  Status adopt(const Records& records);

  Status ensure(const VersionSpec& spec, bool remote);
  Status remove(const std::string& service, const std::string& label);
  bool knows(const std::string& service, const std::string& label) const;
  std::vector<VersionStatus> observe(std::string_view service) const;
  std::vector<std::string> replicas_of(std::string_view service) const;
  std::string socket_of(std::string_view id) const;  // empty: there is no such replica

  // One look at everything: ended processes, what is due, what is missing.
  void pass();
  void take(const Answer& answer);
  // Memory and logs; less often.
  void keep_house();
  // The gateway sends no more requests to those that leave.
  void let_go();

  // What requests of a service may be given to now, and what will be ready again.
  std::vector<RoutedVersion> routed(std::string_view service) const;
  // Versions that were forgotten since it was last asked: "service/label".
  std::vector<std::string> take_forgotten() { return std::exchange(forgotten_, {}); }

  // Nothing is started any more, and what runs is told to end.
  void close();
  bool any_running() const;
  void leave_no_groups();  // once nothing runs any more
  bool busy() const;       // something starts or ends
  std::vector<int> descriptors() const;

 private:
  using Key = std::pair<std::string, std::string>;  // service, label
  struct Version {
    VersionRecord record;
    std::string generation;
    int missing = 0;  // that there is no room for
    std::string why_missing;
  };
  struct Replica {
    ReplicaRecord record;
    Life life;
    Restarts restarts;
    std::optional<Process> process;
    Instant ready_since{};
    Instant ask_next{};
    bool asking = false;
    std::string reason;  // why it is not ready, as it says; or why it was killed
    std::string killed_for;
  };

  Replica adopted(const ReplicaRecord& record);
  std::string generation_of(const VersionRecord& record) const;
  std::filesystem::path socket_of(const Replica& replica) const;
  std::filesystem::path folder_of(const Replica& replica) const;
  std::filesystem::path log_of_replica(const Replica& replica) const;
  std::vector<std::string> own_options(const ReplicaRecord& record) const;
  Launch launch_of(const Replica& replica, const VersionSpec& spec) const;

  void notice_ends();
  void ended(Replica& replica, const Process::End& end);
  std::string how_it_ended(const Replica& replica, const Process::End& end) const;
  void live(Replica& replica);
  void start(Replica& replica);
  Status run(Replica& replica, const VersionSpec& spec);
  void ask(Replica& replica);
  void set_ready(Replica& replica, bool ready);
  void follow_plan();
  std::vector<Wish> wishes() const;
  void add_replica(const Version& version, const Start& start);
  void retire(std::int64_t serial, const Retire& why);
  void forget_ended();
  void watch_memory();
  void save(Replica& replica);
  ReplicaStatus status_of(const Replica& replica) const;
  ReplicaState state_of_replica(const Replica& replica) const;
  void said(const Replica& replica, std::string_view what, const std::string& why) const;

  const LocalOptions& options_;
  RecordBook& book_;
  Asker& asker_;
  const Clock& clock_;
  const std::string program_;
  std::optional<Cgroups> groups_;
  Room room_;
  bool closing_;
  std::map<Key, Version> versions_;
  std::map<std::int64_t, Replica> replicas_;  // by serial
  std::vector<std::string> forgotten_;
};

}  // namespace serin::platform::local
