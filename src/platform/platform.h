// SPDX-License-Identifier: Apache-2.0
// Where services run. The control plane knows a platform by this interface alone: `local` runs
// workers and a gateway as processes of this machine, `kubernetes` has a cluster do so.
//
// Every call says what ought to be, is idempotent, and returns once that is recorded: the platform
// brings it about by itself, goes on doing so when it was restarted, and says in observe() how far
// it is. Calls from one thread, but resolve(), samples(), score() and ask(), which may run beside
// them; none but ask() waits for a worker to be ready.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "base/json.h"
#include "rollout/request.h"
#include "rollout/score/agreement.h"

namespace serin::platform {

struct Resources {
  double cpus = 0;                 // 0: not bounded
  std::uint64_t memory_bytes = 0;  // resident; 0: not bounded
  int gpus = 0;
};
// Of one operation of a model: its processors, rounded down. Part of a worker's profile, and so of
// what it answers, hence the same on every platform.
int threads_of(const Resources& resources);

// A package that a name in a manifest was found to stand for.
struct Model {
  std::string source;          // as the manifest has it
  std::string digest;          // "sha256:…"
  std::filesystem::path root;  // its folder, where the platform keeps one
};

// What services and labels are called: 1 to 63 of a-z, 0-9 and '-', with no '-' at the ends.
bool is_name(std::string_view text);

// A version of a service that ought to run.
struct VersionSpec {
  std::string service;
  std::string label;  // "v2"
  Model model;
  int replicas = 1;
  Resources resources;
  // For a platform that scales: replicas may become so many by themselves. At most `replicas`:
  // they do not.
  int max_replicas = 0;
  std::chrono::seconds drain{60};  // that requests under way have when a worker ends
  json::object kubernetes;         // spec.kubernetes of the manifest, with its defaults
};
// kInvalidArgument, naming the field, for what no platform can run.
Status check(const VersionSpec& spec);

enum class ReplicaState : std::uint8_t {
  kStarting,
  kReady,
  kUnready,    // it runs and says that it cannot serve
  kBackoff,    // it ended and waits for its next start
  kCrashLoop,  // the same, after ending soon again and again
  kNoRoom,     // it waits for memory or devices that others have
  kStopping,
};
std::string_view name_of(ReplicaState state);

struct ReplicaStatus {
  std::string id;
  ReplicaState state = ReplicaState::kStarting;
  int pid = 0;                 // 0: no process, or none of this machine
  std::uint64_t restarts = 0;  // since the version was asked for
  std::string message;         // why it is not ready; the last line that it said when it ended
};

struct VersionStatus {
  std::string label;
  std::string digest;
  int wanted = 0;
  std::uint64_t crashes = 0;  // ends that nobody asked for, since the version was asked for
  std::vector<ReplicaStatus> replicas;

  int ready() const;
  bool stopped() const { return wanted == 0 && replicas.empty(); }
};

// How requests of a service reach its versions.
struct Traffic {
  std::string service;
  std::string stable;       // label
  std::string candidate;    // label; empty: none
  int weight = 0;           // the candidate's, percent
  std::string salt;         // of the rollout
  bool shadow = false;      // the candidate answers copies that nobody gets
  bool by_user = false;     // keys are users; else each request is its own
  std::string user_header;  // empty: none
  json::object resilience;  // spec.resilience of the manifest, with its defaults
  json::object access;      // spec.access; empty: everybody may enter
  json::object kubernetes;  // spec.kubernetes
  double sample = 0;        // the part of the requests that is kept for scorers, 0 to 1
};
// kInvalidArgument for a weight beyond 0 to 100 or without a candidate.
Status check(const Traffic& traffic);

// What the gateway tells of requests that ended.
struct Evidence {
  std::string version;       // first assigned
  rollout::Request request;  // without scores: their order is the analysis's
  std::vector<std::pair<std::string, double>> scores;  // by the scorer's name, 0 to 1
  // Only the scores are news, given later to a request that has a record of its own; `key` is whose
  // opinion they are, and how it ended is not said again.
  bool late = false;
  // Of a request that a shadow rollout drew for its candidate: the answer that the user got beside
  // the candidate's. Said once.
  std::optional<rollout::Compared> compared;
};
// How far a service's evidence was read. Its platform's own words, for one gateway or many; empty:
// nothing was. Good over gateways' and platforms' lives.
using EvidenceCursor = std::string;
struct EvidencePage {
  std::vector<Evidence> records;
  EvidenceCursor next;     // what comes after these
  std::uint64_t lost = 0;  // that were forgotten before anybody asked
};

// A request with its answer, as a scorer gets it.
struct Sample {
  std::uint64_t number = 0;
  std::string json;  // one line, without its end
};
struct SampleScore {
  std::uint64_t number = 0;     // of the sample
  std::optional<double> score;  // 0 to 1; unset: the scorer has none for it
};

// What a service answered, or the gateway in its place.
struct Reply {
  int status = 0;  // of HTTP
  std::string body;
};

class Platform {
 public:
  virtual ~Platform() = default;

  // What `model` in a manifest stands for; fetches it where need be. Blocks. kNotFound when there
  // is no such package; kFailedPrecondition when it may not run here.
  virtual Result<Model> resolve(const std::string& model) = 0;

  // The version has so many workers. Those that are too many, or of other resources, are drained
  // and replaced without a moment in which fewer than before are ready, where there is room.
  virtual Status ensure(const VersionSpec& spec) = 0;
  // It has none, and is forgotten once they have ended. kFailedPrecondition while route() names it.
  virtual Status remove(std::string_view service, std::string_view label) = 0;
  // Every version of the service that is wanted or not yet gone, by label.
  virtual Result<std::vector<VersionStatus>> observe(std::string_view service) = 0;

  // From now on, for every request that begins. Returns once the gateway does so, or kUnavailable:
  // then it will. kFailedPrecondition for a label that was not ensured.
  virtual Status route(const Traffic& traffic) = 0;
  // The gateway does not know the service any more; success when it never did.
  virtual Status unroute(std::string_view service) = 0;
  // Of one service, what comes after `after`, the oldest first; at most `most`. kInvalidArgument
  // for a cursor that is none.
  virtual Result<EvidencePage> evidence(std::string_view service, std::string_view after,
                                        std::size_t most) = 0;

  // Of the part `part` of the service's requests, those that the scorer has not scored, the oldest
  // first; at most `most`. This and score() may run beside other calls.
  virtual Result<std::vector<Sample>> samples(std::string_view service, std::string_view scorer,
                                              double part, std::size_t most) = 0;
  // Each becomes late evidence once, however often it is said.
  virtual Status score(std::string_view service, std::string_view scorer,
                       const std::vector<SampleScore>& scores) = 0;

  // Asks the service's stable version once, by POST /v1/models/SERVICE:predict with this body. It
  // is a question of Serin's own: no client's limits, and evidence of nothing. Blocks.
  virtual Result<Reply> ask(std::string_view service, std::string body,
                            std::chrono::milliseconds within, const CancelToken& cancel) = 0;

  // The last lines of a replica's log, or of every replica of the service (`replica` empty).
  // kNotFound for one that never was, or whose log is gone.
  virtual Result<std::string> logs(std::string_view service, std::string_view replica,
                                   std::size_t lines) = 0;
};

}  // namespace serin::platform
