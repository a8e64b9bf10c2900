// SPDX-License-Identifier: Apache-2.0
// The control plane: a few times a second it looks at each service, writes down the next step
// (control/reconcile.h), and tells the platform what the record now asks for.
//
// Threads: start() runs passes on a thread of its own until the end. Everything else may be called
// from any thread and waits at most for one service's pass; apply() also for a package to be
// fetched, while passes go on. What a killed control plane had begun is gone on with by the next
// one that opens the same store on the same platform.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "control/metrics.h"
#include "control/scoring/scorers.h"
#include "control/store.h"
#include "control/verbs.h"
#include "control/witness.h"

namespace serin::control {

struct ControllerOptions {
  std::chrono::milliseconds pass_every{250};
  std::chrono::milliseconds save_every{2000};  // a rollout's statistics, while nothing else happens
  std::size_t services = 200;                  // at most
  std::string build;                           // of the program, for serin_build_info
  telemetry::Labels metric_labels = {};        // as Metrics
};

// A service as it is now.
struct ServiceView {
  ServiceRecord record;
  Manifest manifest;
  Seen seen;
  std::map<std::string, Lately> lately;  // by label
  std::string problem;                   // what the platform could not do; empty: nothing
  Moment now{};
};

struct ApplyRequest {
  std::string text;              // of the manifest
  std::string file;              // for messages
  std::filesystem::path folder;  // that "./model" in it is meant from; empty: none may be in it
  bool dry_run = false;          // says what would be, and changes nothing
  bool from_network = false;     // by somebody who may not start programs on this machine
  std::string who;
};
struct Applied {
  enum class Change : std::uint8_t { kNone, kCreated, kConfigured };
  Change change = Change::kNone;
  ServiceRecord record;
  json::value manifest;               // with defaults
  std::vector<std::string> warnings;  // of what may be meant so
};

class Controller {
 public:
  // Store, platform and clock outlive it. Reads what is stored.
  static Result<std::unique_ptr<Controller>> create(Store& store, platform::Platform& platform,
                                                    const Clock& clock,
                                                    const ControllerOptions& options = {});
  ~Controller();

  void start();
  // One look at every service; for start()'s thread, or for a test without it.
  void pass();

  // kInvalidArgument names the file, the line and the field.
  Result<Applied> apply(const ApplyRequest& request);
  Status remove(std::string_view service, std::string_view who);
  Status ask(std::string_view service, Verb verb, std::string_view who);

  // Names of all services; of another moment than what is asked next.
  std::vector<std::string> names();
  std::vector<ServiceView> list();
  Result<ServiceView> get(std::string_view service);
  Result<std::vector<Event>> events(const EventQuery& query);
  Result<std::vector<RolloutRecord>> history(std::string_view service, std::size_t most);
  Result<std::string> logs(std::string_view service, std::string_view replica, std::size_t lines);
  Metrics& metrics() { return metrics_; }

 private:
  // What the platform was told since this control plane began, so that it is not told four times a
  // second. Empty at first: all is told again.
  struct Told {
    std::map<std::string, std::string> versions;  // by label
    std::map<std::string, bool> removed;
    std::string traffic;
    bool unrouted = false;
  };
  struct Service {
    ServiceRecord record;
    Manifest manifest;
    Witness witness;
    Seen seen;
    Told told;
    std::string problem;
    Moment saved{};
  };

  Controller(Store& store, platform::Platform& platform, const Clock& clock,
             const ControllerOptions& options);
  Status load();
  void run(const std::stop_token& stop);
  Status pass_over(Service& service);
  Status observe(Service& service);
  static std::vector<ScorerSpec> scorers_of(const Service& service);
  Status look_after_scorers(Service& service);
  Status note(const Service& service, std::span<const Event> events);
  Status advance(Service& service);
  Status commit(Service& service, Step step);
  Status act(Service& service);
  Status tell(Service& service, const Wish& wish);
  Status clear(Service& service, const Wish& wish);
  Status save(Service& service);
  void note_problem(Service& service, const Status& done);
  Result<Service*> find(std::string_view name);
  ServiceView view(const Service& service) const;
  void wake();

  Store& store_;
  platform::Platform& platform_;
  const Clock& clock_;
  ControllerOptions options_;
  Metrics metrics_;

  // Of the services, the store, and what the platform takes from one thread at a time.
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Service>, std::less<>> services_;
  Scorers scorers_;

  std::mutex wake_mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;
  std::jthread thread_;
};

}  // namespace serin::control
