// SPDX-License-Identifier: Apache-2.0
// Passes Calls on to the upstream and brings its answers back as they come: how many at once, for
// how long, how large, and what becomes of one when its client goes or the worker stops.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>

#include "net/http/client.h"
#include "worker/api/call.h"
#include "worker/upstream/upstream.h"

namespace serin::worker::api {

// What becomes of an answer; made for one Call, used on its thread. An Error from head(), bytes()
// or end() breaks the request off and comes back as fail(), which is called at most once and last.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual Status head(const net::ResponseHead& head) = 0;  // of a success
  virtual Status bytes(std::string_view piece) = 0;
  virtual Status end() = 0;
  virtual void fail(const Error& error) = 0;
};

// Safe from any thread; outlives the calls under way.
class Relay {
 public:
  Relay(Upstream& upstream, std::size_t most) : upstream_(upstream), most_(most) {}

  // Sends `request`, with the Call's deadline and cancellation. A refusal (429, 503, a bad
  // deadline) is the reader's fail() too.
  void send(const std::shared_ptr<Call>& call, net::ClientRequest request,
            std::shared_ptr<AnswerReader> reader);

  Upstream& upstream() const { return upstream_; }
  std::size_t under_way() const;
  // Waits for what is under way; what does not end in time is told to try elsewhere. True when all
  // ended by themselves.
  bool drain(std::chrono::milliseconds at_most);

 private:
  class Passage;
  Status admit(Call& call, net::ClientRequest& request) const;
  void ended(const std::shared_ptr<Passage>& passage);

  Upstream& upstream_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::shared_ptr<Passage>> passages_;
};

}  // namespace serin::worker::api
