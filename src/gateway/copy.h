// SPDX-License-Identifier: Apache-2.0
// Copies of requests, at workers whose answers no client gets. A copy shares its request's body and
// is sent after it; nothing that the client sees waits for it. It is tried once, and its answer is
// read as it comes and thrown away. (A question of Serin's own is a copy of no request:
// scoring/question.h.)
//
// Nobody waits for a copy and nobody would notice too many of them, so they are bounded: in number
// for each service whose requests are copied, in the bytes that all of them hold, and in time.
// Owned by a Lane, for the lane's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "gateway/answer_content.h"
#include "gateway/table.h"
#include "gateway/token_meter.h"
#include "gateway/try_end.h"
#include "net/http/client.h"
#include "telemetry/trace.h"

namespace serin::gateway {

class Lane;
struct Core;

struct CopyLimits {
  std::uint32_t of_service = 256;                  // copies under way, of one service's requests
  std::uint64_t bytes = std::uint64_t{256} << 20;  // that copies of all services hold together
};

// A place among the copies, held until its end.
class CopyRoom {
 public:
  // nullopt: there are as many copies as may be. `of`: whose request it is.
  static std::optional<CopyRoom> take(Core& core, std::shared_ptr<ServiceState> of,
                                      std::uint64_t bytes);
  CopyRoom(CopyRoom&& other) noexcept = default;
  CopyRoom& operator=(CopyRoom&& other) noexcept = delete;
  ~CopyRoom();

 private:
  CopyRoom(Core& core, std::shared_ptr<ServiceState> of, std::uint64_t bytes)
      : core_(core), of_(std::move(of)), bytes_(bytes) {}

  Core& core_;
  std::shared_ptr<ServiceState> of_;  // null: given to another one
  std::uint64_t bytes_;
};

struct CopyOrder {
  std::shared_ptr<const Table> table;     // where the other two are
  const ServiceEntry* service = nullptr;  // who is asked
  const VersionEntry* version = nullptr;
  CopyRoom room;
  net::ClientRequest request;  // without an endpoint
  Instant began{};             // of the request: what Ended counts from
  Instant deadline{};
  std::optional<CancelToken> cancel = {};  // by who wants its answer, where anybody does
  bool grpc = false;
  std::optional<std::uint64_t> prefix = {};             // hash of the prompt's beginning
  std::shared_ptr<AnswerPair> answers;                  // where what it says goes; null: nowhere
  std::function<void(std::string_view)> on_bytes = {};  // of the answer's body, as they come
  telemetry::Span span = {};                            // whose context the request has
  bool judged = false;                                  // how it ends says something of its replica
  std::function<void(const Ended&)> on_end;             // once, unless the gateway ends first
};

class Copy {
 public:
  Copy(Lane& lane, CopyOrder order);
  ~Copy();

  // Where the version has no worker it waits for one, as a request does (forward_await.cc).
  void begin();
  void on_tick(Instant now);
  void end(const TryEnd& tried);  // the worker is told that nobody wants the answer
  bool ended() const { return ended_; }

 private:
  void send(const ReplicaEntry& replica);
  void use_present_table();
  void on_bytes(std::string_view bytes);
  void on_end();
  void on_error(const Error& error);

  Lane& lane_;
  Core& core_;
  CopyOrder order_;
  const ReplicaEntry* replica_ = nullptr;  // null: it waits for one
  std::shared_ptr<net::ClientStream> upstream_;
  bool ended_ = false;
  Instant since_;  // it waits for a worker, and then for a first byte
  std::optional<Instant> first_byte_;
  net::ResponseHead answer_;
  net::Headers trailers_;
  bool events_ = false;
  TokenMeter meter_;
};

class Copies {
 public:
  explicit Copies(Lane& lane) : lane_(lane) {}

  // What is given is null soon after the copy has ended.
  std::weak_ptr<Copy> send(CopyOrder order);
  void tick(Instant now);

 private:
  Lane& lane_;
  std::vector<std::shared_ptr<Copy>> open_;
};

}  // namespace serin::gateway
