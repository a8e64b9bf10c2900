// SPDX-License-Identifier: Apache-2.0
// The scorers of the user's that run: a thread for each, which asks the platform for samples, has
// them scored, and tells the platform. What it does wrong is told, and then it waits a while. The
// samples that it failed on stay without a score; those of one that is away are there when it is
// back, as many as the platform keeps.
//
// Nothing is kept here that must outlive the process: who was scored is known to the platform.
// want() and take() from one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/schema/manifest.h"
#include "platform/platform.h"

namespace serin::control {

class Scorers {
 public:
  static constexpr std::size_t kAtOnce = 16;  // samples of one call

  explicit Scorers(platform::Platform& platform);  // which outlives it
  ~Scorers();

  // From now on these score the service's samples, and no others. Does not wait for those that
  // end.
  void want(const std::string& service, const std::vector<ScorerSpec>& specs);
  struct Trouble {
    std::string scorer, message;
  };
  // What went wrong since the last time; of each scorer at most once a minute, the same at most
  // once an hour.
  std::vector<Trouble> take(const std::string& service);

 private:
  class Run;
  platform::Platform& platform_;
  std::map<std::string, std::vector<std::unique_ptr<Run>>> runs_;  // by service
  std::vector<std::unique_ptr<Run>> ending_;
};

}  // namespace serin::control
