// SPDX-License-Identifier: Apache-2.0
// How a package's model is called to make one generation, and many side by side: once, in diffusion
// steps, or token by token. One implementation a kind of loop in model.yaml; make_loop() chooses.
//
// Owned by the engine, driven by the device thread: start() takes requests into free places, step()
// brings everything in flight one step on and ends what is complete, cancelled or late. A step is
// the grain of cancellation: what is gone frees its place at the next one. A request's result never
// depends on what else is in flight.
#pragma once

#include <memory>
#include <vector>

#include "engine/job.h"
#include "engine/model_caller.h"
#include "model/package.h"
#include "model/tokenizer.h"

namespace serin::engine {

class Loop {
 public:
  virtual ~Loop() = default;

  virtual std::size_t places() const = 0;  // free now
  virtual std::size_t running() const = 0;
  // True where a request must wait for company before it starts; false where others can join
  // between steps.
  virtual bool starts_together() const = 0;
  virtual double cost_of(const Request& request) const = 0;  // calls of the model × rows

  virtual void start(std::vector<JobPtr> jobs) = 0;  // at most places()
  virtual void step() = 0;
  virtual void abandon(const Error& error) = 0;  // everything in flight fails
};

// `manifest` and `caller` must outlive it. kInvalidArgument when the package does not fit (a text
// loop without tokenizer).
Result<std::unique_ptr<Loop>> make_loop(const model::Manifest& manifest, ModelCaller& caller,
                                        std::shared_ptr<const model::Tokenizer> tokenizer);

std::unique_ptr<Loop> make_once_loop(const model::Manifest& manifest, ModelCaller& caller);
std::unique_ptr<Loop> make_diffusion_loop(const model::Manifest& manifest, ModelCaller& caller);
Result<std::unique_ptr<Loop>> make_autoregressive_loop(
    const model::Manifest& manifest, ModelCaller& caller,
    std::shared_ptr<const model::Tokenizer> tokenizer);

struct Outcome {
  Finished finished;
  std::vector<Token> tokens;  // of a text
};
// Drives `loop`, which must be idle, until `requests` have ended, started together in that order;
// each with what it gave.
std::vector<Result<Outcome>> run_together(Loop& loop, std::vector<Request> requests);

}  // namespace serin::engine
