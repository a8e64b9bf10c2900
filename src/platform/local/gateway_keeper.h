// SPDX-License-Identifier: Apache-2.0
// Keeps one gateway running on a listening socket that outlives it, and tells it what to do.
//
// The socket is opened here and inherited, so connections that come while no gateway lives wait in
// its queue. When the supervisor dies it takes its copy with it; the next one gets one back from
// the living gateway, which offers it beside its admin socket (base/hand_over.h). pidfd_getfd()
// would need no help from the gateway, but Yama and containers forbid it where people work.
//
// A gateway that ended, is stopped, or answers nothing is killed and replaced at once; one of
// another program (after an upgrade) is drained when its successor is ready. STATE/gateway.sock is
// a link to the admin socket of the one that serves. One thread at a time.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "gateway/config.h"
#include "platform/local/asker.h"
#include "platform/local/options.h"
#include "platform/local/records.h"

namespace serin::platform::local {

class GatewayKeeper {
 public:
  // `options`, `book` and `asker` outlive it.
  GatewayKeeper(const LocalOptions& options, RecordBook& book, Asker& asker, const Clock& clock);

  // Takes over a gateway that runs, and its socket; else opens one. kAlreadyExists when another
  // process has the port.
  Status adopt(const std::vector<GatewayRecord>& gateways);

  // What requests are to be done with from now on: written to STATE/gateway.json, then told to the
  // gateway, again and again until it has it. Nothing when it is what it was.
  Status configure(std::vector<gateway::Service> services);
  // What the gateway would have against it.
  Status check(std::vector<gateway::Service> services) const;
  // Whether the gateway uses what it was last told.
  bool up_to_date() const { return acknowledged_ == config_.revision; }
  // What the gateway had against the present configuration; empty: nothing.
  const std::string& refusal() const { return refusal_; }
  std::uint64_t revision() const { return config_.revision; }

  void pass();
  void take(const Answer& answer);
  void keep_house();

  void close();  // starts none any more, and drains the present one
  bool any_running() const { return serving_ || coming_ || !going_.empty(); }
  bool busy() const { return coming_.has_value() || !going_.empty() || !serving_ || !up_to_date(); }
  std::vector<int> descriptors() const;

  std::uint16_t port() const { return port_; }
  int pid() const { return serving_ ? serving_->record.process.pid : 0; }
  std::filesystem::path admin() const { return options_.state / "gateway.sock"; }

 private:
  struct Instance {
    Instance(GatewayRecord known, Process runs, Instant now)
        : record(std::move(known)),
          process(std::move(runs)),
          started(now),
          answered(now),
          ask_next(now) {}
    GatewayRecord record;
    Process process;
    Instant started, answered, ask_next;
    bool asking = false;
    bool telling = false;
    bool was_stopped = false;  // at the last look
    std::optional<Instant> terminated;
    bool killed = false;
  };

  std::filesystem::path admin_of(std::int64_t serial) const;
  std::filesystem::path log_of_gateway(std::int64_t serial) const;
  Status listen();
  Status start();
  void notice_ends();
  std::optional<std::string> why_to_kill(Instance& instance, Instant now) const;
  void look_at_serving(Instant now);
  void look_at_coming(Instant now);
  void look_at_going(Instant now);
  void ask(Instance& instance);
  void tell(Instance& instance);
  void take_over();
  void told(const Answer& answer);
  void leave(std::optional<Instance>& instance, int signal);
  void forget(const Instance& instance);

  const LocalOptions& options_;
  RecordBook& book_;
  Asker& asker_;
  const Clock& clock_;
  const std::string generation_;
  Restarts restarts_;
  Descriptor socket_;
  std::uint16_t port_ = 0;
  gateway::Config config_;
  std::uint64_t acknowledged_ = 0;
  std::string refusal_;
  std::optional<Instance> serving_, coming_;
  std::vector<Instance> going_;
  Instant next_start_{};
  Instant tell_next_{};
  bool closing_;
};

}  // namespace serin::platform::local
