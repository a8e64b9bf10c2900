// SPDX-License-Identifier: Apache-2.0
// This machine as a Platform: workers and one gateway as processes that it starts, watches, starts
// again and replaces (docs/local.md). They do not end with it: whoever opens the same state folder
// next takes them over.
//
// Threads: a supervisor of its own does everything that takes time but resolve() and evidence(),
// which block in the caller; an HTTP client's thread fetches answers. One open LocalPlatform a
// state folder and machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "net/http/message.h"
#include "platform/local/options.h"
#include "platform/platform.h"

namespace serin::platform::local {

class LocalPlatform final : public Platform {
 public:
  // Finds what runs, and has the gateway's port. kAlreadyExists when another process supervises
  // this folder or has that port.
  static Result<std::unique_ptr<LocalPlatform>> open(LocalOptions options,
                                                     const Clock& clock = Clock::real());
  // Everything that runs goes on running.
  ~LocalPlatform() override;

  // Takes over what runs, and begins: whoever fails before it has started nothing. Once.
  void start();
  // Ends the gateway, then the workers, each with its grace. What was asked for is not forgotten:
  // the next start() starts it again. True when all ended within `at_most`. The last call.
  bool shut_down(std::chrono::milliseconds at_most);

  std::uint16_t port() const;  // the gateway's
  int gateway_pid() const;     // 0: none serves at this moment
  std::string admin_socket() const;

  // What one process says of itself to a scraper that accepts such a form: a replica by its id, or
  // "gateway". Blocks until it has answered. kNotFound where there is none.
  Result<net::Response> metrics(std::string_view process, std::string_view accept);

  Result<Model> resolve(const std::string& model) override;
  Status ensure(const VersionSpec& spec) override;
  Status remove(std::string_view service, std::string_view label) override;
  Result<std::vector<VersionStatus>> observe(std::string_view service) override;
  Status route(const Traffic& traffic) override;
  Status unroute(std::string_view service) override;
  Result<std::vector<Sample>> samples(std::string_view service, std::string_view scorer,
                                      double part, std::size_t most) override;
  Status score(std::string_view service, std::string_view scorer,
               const std::vector<SampleScore>& scores) override;
  Result<Reply> ask(std::string_view service, std::string body, std::chrono::milliseconds within,
                    const CancelToken& cancel) override;
  Result<EvidencePage> evidence(std::string_view service, std::string_view after,
                                std::size_t most) override;
  Result<std::string> logs(std::string_view service, std::string_view replica,
                           std::size_t lines) override;

 private:
  struct State;
  explicit LocalPlatform(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace serin::platform::local
