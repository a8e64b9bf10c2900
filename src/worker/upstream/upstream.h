// SPDX-License-Identifier: Apache-2.0
// What a remote package stands in front of: its address, its key, the command that is behind it
// where there is one, and whether it answers.
//
// open() runs before the worker is shut in and before it has other threads: it looks the host up,
// reads the key and starts the command. begin() makes the HTTP client and the thread that looks
// after the upstream once a second; from then on every method is safe from any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/files.h"
#include "engine/backend.h"
#include "model/package.h"
#include "net/http/client.h"
#include "worker/lifecycle/sandbox.h"
#include "worker/upstream/command.h"
#include "worker/upstream/upstream_options.h"

namespace serin::worker {

struct UpstreamHealth {
  bool up = false;
  std::string reason;                           // why not
  std::chrono::milliseconds retry_after{1000};  // when it may be up again
};

class Upstream {
 public:
  // kPermissionDenied for a command that nobody allowed; kFailedPrecondition without the key that
  // the package names; kUnavailable when its host cannot be looked up.
  static Result<std::unique_ptr<Upstream>> open(const model::Package& package,
                                                const UpstreamOptions& options);
  ~Upstream();

  const engine::Upstream& address() const { return address_; }
  void allow(Sandbox& sandbox) const;  // what the worker needs to reach it

  // `proof`, where given, must succeed each time the upstream has come up before it counts as such.
  Status begin(std::function<Status()> proof = {});
  UpstreamHealth health() const;
  Status wait_up(std::chrono::milliseconds at_most) const;
  void look_now();                       // a request has failed: do not wait for the next second
  std::uint64_t command_starts() const;  // 0 without a command

  // A request to it, with its key and timeout, that ends with this object; `path` begins with '/'.
  net::ClientRequest request(std::string method, std::string_view path) const;
  net::Client& client() { return *client_; }

 private:
  Upstream(engine::Upstream address, UpstreamOptions options)
      : address_(std::move(address)), options_(std::move(options)) {}
  Status start_command(const model::Package& package);
  void watch(const std::stop_token& stop);
  UpstreamHealth probe();

  engine::Upstream address_;
  UpstreamOptions options_;
  std::unique_ptr<TemporaryDirectory> scratch_;
  std::unique_ptr<KeptProcess> command_;
  std::unique_ptr<net::Client> client_;
  // A server may close a connection after its answer without saying so. A request that had just
  // taken up the probe's would break with it, and many requests may not be sent twice.
  std::unique_ptr<net::Client> probe_client_;
  CancelToken closing_;
  std::function<Status()> proof_;

  mutable std::mutex mutex_;
  mutable std::condition_variable_any changed_;
  UpstreamHealth health_{false, "nobody has looked yet"};
  std::uint64_t probed_starts_ = 0;  // of the command, when health_ was found
  bool look_ = false;
  std::jthread watcher_;
};

// What the answer to a probe means. Pure.
UpstreamHealth judge_probe(const model::Remote& remote, const Result<net::Response>& answer);
// Where an upstream is asked how it is: a URL. Pure.
std::string health_url(const model::Remote& remote);

}  // namespace serin::worker
