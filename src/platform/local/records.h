// SPDX-License-Identifier: Apache-2.0
// What the local platform must know when it comes back: what was asked for, and which process is
// what. Written before it acts and completed after (STATE/local.db). One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sqlite.h"
#include "platform/local/process.h"
#include "platform/platform.h"

namespace serin::platform::local {

// A version as it was last ensured.
struct VersionRecord {
  VersionSpec spec;
  bool remote = false;   // its package is answered elsewhere: never bitwise
  bool removed = false;  // forgotten once its replicas have ended
  std::uint64_t crashes = 0;
};

// A replica and its process, if it has one.
struct ReplicaRecord {
  std::int64_t serial = 0;  // never given twice
  std::string service, label;
  std::string generation;  // of what it was started as
  Resources resources;
  std::vector<int> gpus;
  Identity process;  // pid 0: none
  bool ready = false;
  std::string profile, reproducible;  // as it said of itself
  std::uint64_t restarts = 0;
  int short_runs = 0;
  bool leaving = false;
  std::string message;

  std::string id() const { return service + "-" + label + "-" + std::to_string(serial); }
};

struct GatewayRecord {
  std::int64_t serial = 0;
  Identity process;
  std::string generation;
};

struct Records {
  std::vector<VersionRecord> versions;
  std::vector<ReplicaRecord> replicas;
  std::vector<Traffic> traffic;
  std::vector<GatewayRecord> gateways;  // the last one serves; those before are ending
};

class RecordBook {
 public:
  static Result<RecordBook> open(const std::filesystem::path& file);

  Result<Records> load();
  Status put(const VersionRecord& version);
  Status drop_version(const std::string& service, const std::string& label);
  // With serial 0 it is new, and gets one.
  Status put(ReplicaRecord& replica);
  Status drop_replica(std::int64_t serial);
  Status put(GatewayRecord& gateway);
  Status drop_gateway(std::int64_t serial);
  Status put(const Traffic& traffic);
  Status drop_traffic(const std::string& service);
  // What a name stood for when it was last resolved, and when.
  Status resolved(const Model& model, std::int64_t unix_seconds);
  // Numbers by name, 0 when never set: the gateway's revision, its port.
  Result<std::int64_t> number(const std::string& name);
  Status set_number(const std::string& name, std::int64_t value);

 private:
  explicit RecordBook(Database database) : database_(std::move(database)) {}
  Status load_versions(Records& records);
  Status load_replicas(Records& records);
  Database database_;
};

// Pure: as they lie in the file.
std::string write_traffic(const Traffic& traffic);
Result<Traffic> read_traffic(std::string_view text);

}  // namespace serin::platform::local
