// SPDX-License-Identifier: Apache-2.0
// What workers say of themselves: whether what they answer is bitwise the same on each, which
// decides what a gateway may do with a stream that broke. Asked of a pod that is ready, without
// waiting for it. Any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/http/client.h"
#include "platform/kubernetes/platform/plans.h"

namespace serin::platform::kubernetes {

class FactsOfWorkers {
 public:
  // The clock outlives it.
  static Result<std::unique_ptr<FactsOfWorkers>> create(const Clock& clock);

  // By the uids of a namespace's pods: what their workers have said so far. Asks those that are
  // ready and have said nothing yet; forgets those that are not among them.
  std::map<std::string, WorkerFacts> of(const std::vector<Object>& pods);

 private:
  struct Heard;
  FactsOfWorkers(const Clock& clock, std::shared_ptr<Heard> heard,
                 std::unique_ptr<net::Client> client);
  void ask(const std::string& uid, std::string_view address);

  const Clock& clock_;
  const std::shared_ptr<Heard> heard_;  // also of answers that are on their way
  const std::unique_ptr<net::Client> client_;
};

}  // namespace serin::platform::kubernetes
