// SPDX-License-Identifier: Apache-2.0
// The engine: takes requests in, runs them together on one device, and gives results back as they
// come.
//
// Threads: submit() from any; one device thread owns the model and everything in flight, or, where
// the model takes several calls at once (backend.h), as many threads share it and what is in
// flight. A Sink is called on the device thread that runs its request and must not block (an API
// posts to its connection). A request ends
// with exactly one Finished or Failed. A generation is a function of (package, profile, request,
// seed): nothing in it depends on what runs beside it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/tensor.h"
#include "engine/backend.h"
#include "model/package.h"

namespace serin::engine {

// How text is drawn. The defaults are OpenAI's.
struct Sampling {
  double temperature = 1;  // 0: the most likely token
  double top_p = 1;
  std::int64_t top_k = 0;  // 0: all
  double min_p = 0;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  double repetition_penalty = 1;
  std::map<std::int64_t, double> logit_bias;
  std::vector<std::string> stop;
  std::int64_t max_tokens = 16;
  int logprobs = -1;  // -1: none; else how many alternatives a token, 0 to 20
  bool ignore_end = false;
};

// One generation, checked and complete: made by RequestParser (request.h), never by hand.
struct Request {
  std::uint64_t seed = 0;
  std::map<std::string, Tensor>
      inputs;  // one item each, without the batch dimension; noise and labels are drawn
  std::vector<std::int64_t> prompt;     // token ids, for an autoregressive loop
  std::vector<std::int64_t> continued;  // ids of the answer so far, when a broken stream goes on
  Sampling sampling;
  std::int64_t steps = 0;  // diffusion
  double guidance = 1;     // diffusion
  bool previews = false;   // diffusion: Progress carries the state so far

  std::optional<Instant> deadline;  // not run once it has passed
  CancelToken cancel;
};

struct Token {
  std::int64_t id = 0;
  std::string text;        // what this token adds; may be empty while a character is incomplete
  std::int64_t index = 0;  // place in the answer
  double logprob = 0;      // natural log, when asked
  std::vector<std::pair<std::int64_t, double>> top;  // alternatives, when asked
};

enum class FinishReason { kStop, kLength };

struct Started {};  // left the queue
struct Progress {
  std::int64_t step = 0, steps = 0;
  std::optional<Tensor> preview;
};
struct Finished {
  std::map<std::string, Tensor> outputs;  // by output name, one item each; none for text
  FinishReason reason = FinishReason::kStop;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  std::string text;  // a text loop's answer, stop strings cut; without what it continued
};
struct Failed {
  Error error;
};
using Event = std::variant<Started, Token, Progress, Finished, Failed>;
using Sink = std::function<void(Event)>;

struct EngineOptions {
  Device device;
  int threads = 1;
  std::size_t queue_requests = 256;  // waiting at most; a further one is refused
  double queue_cost = 1e9;           // estimated units (calls of the model × rows) waiting at most
  std::uint64_t memory_limit_bytes = 0;
  std::filesystem::path cache;
  std::optional<Upstream> upstream;  // of a remote package
  std::chrono::milliseconds idle_probe_interval{
      10'000};  // an idle engine runs its smallest golden request this often
};

// A snapshot for metrics and readiness. Histograms live in telemetry and are fed by the engine's
// Observer.
struct EngineState {
  std::size_t waiting = 0;
  std::size_t running = 0;
  double waiting_cost = 0;
  Instant last_advance;  // when a call of the model last returned
  bool in_call = false;
  Instant call_started;  // model_caller.h, Pulse
  std::uint64_t device_memory_bytes = 0;
};

// What happened, for metrics; called on the device threads, at once where there are several.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void batch_ran(std::int64_t rows, std::int64_t padded_rows, Duration took) = 0;
  virtual void left_queue(Duration waited) = 0;
};

class RequestParser;

class Engine {
 public:
  // Loads the model, runs the golden requests (kFailedPrecondition, with the output, the largest
  // difference and where, when one does not give what it must) and starts the device thread. Slow:
  // seconds. `package`, `clock` and `observer` must outlive the engine.
  static Result<std::unique_ptr<Engine>> create(const model::Package& package,
                                                EngineOptions options, const Clock& clock,
                                                Observer* observer);
  // The same with a model that is already there; `parser` is that of the package. Both must outlive
  // the engine.
  static Result<std::unique_ptr<Engine>> create_with(const model::Package& package,
                                                     const RequestParser& parser,
                                                     std::unique_ptr<Model> model,
                                                     EngineOptions options, const Clock& clock,
                                                     Observer* observer);
  virtual ~Engine() = default;  // what is still in flight fails with kUnavailable

  // kResourceExhausted with retry_after when the queue is full; kUnavailable once draining.
  virtual Status submit(Request request, Sink sink) = 0;
  virtual EngineState state() const = 0;
  // Refuses what is new, finishes what is there; true when all finished in time. What did not is
  // failed with kUnavailable after the step that runs, and nothing is run any more.
  virtual bool drain(std::chrono::milliseconds at_most) = 0;
  virtual std::string profile() const = 0;  // "cpu/x86-64-v4+amx/threads=2"
};

}  // namespace serin::engine
