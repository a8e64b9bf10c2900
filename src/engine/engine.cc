// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <memory>
#include <utility>
#include <vector>

#include "engine/admission.h"
#include "engine/device_thread.h"
#include "engine/golden.h"
#include "engine/loaded_package.h"
#include "engine/profile.h"
#include "engine/request.h"

namespace serin::engine {
namespace {

// FNV-1a over the shapes: requests of one class can share a batch.
std::uint64_t shape_class_of(const Request& request) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](std::int64_t value) {
    hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x100000001b3;
  };
  for (const auto& [name, tensor] : request.inputs) {
    for (const std::int64_t size : tensor.shape()) add(size);
    add(-1);
  }
  return hash;
}

class DeviceEngine final : public Engine {
 public:
  DeviceEngine(const model::Package& package, LoadedPackage loaded, const EngineOptions& options,
               const Clock& clock, Observer* observer, std::vector<std::unique_ptr<Loop>> more)
      : loaded_(std::move(loaded)),
        more_loops_(std::move(more)),
        profile_(options.upstream ? kRemoteProfile
                                  : profile_of(options.device, instruction_set(), options.threads)),
        admission_({options.queue_requests, options.queue_cost, package.manifest.batching.max_wait},
                   clock),
        probe_(smallest_golden(package, *loaded_.parser, *loaded_.loop),
               options.idle_probe_interval, *loaded_.caller) {
    const auto drive = [&](Loop& loop) {
      threads_.push_back(std::make_unique<DeviceThread>(
          DeviceThread::Parts{&loop, loaded_.caller.get(), &admission_, observer, &probe_}));
    };
    drive(*loaded_.loop);
    for (const auto& loop : more_loops_) drive(*loop);
  }

  Status submit(Request request, Sink sink) override {
    auto job = std::make_unique<Job>();
    job->cost = loaded_.loop->cost_of(request);
    job->shape_class = shape_class_of(request);
    job->request = std::move(request);
    job->sink = std::move(sink);
    return admission_.push(std::move(job), loaded_.caller->rows_per_second());
  }

  EngineState state() const override {
    const auto numbers = admission_.numbers();
    const Pulse pulse = loaded_.caller->pulse();
    EngineState state;
    state.waiting = numbers.waiting;
    state.running = numbers.running;
    state.waiting_cost = numbers.waiting_cost;
    state.last_advance = pulse.last_advance;
    state.in_call = pulse.in_call;
    state.call_started = pulse.call_started;
    state.device_memory_bytes = threads_.front()->device_memory_bytes();
    return state;
  }

  bool drain(std::chrono::milliseconds at_most) override {
    admission_.close();
    if (admission_.wait_empty(at_most)) return true;
    admission_.stop();
    return false;
  }

  std::string profile() const override { return profile_; }

 private:
  LoadedPackage loaded_;
  std::vector<std::unique_ptr<Loop>> more_loops_;  // where the model takes several calls at once
  std::string profile_;
  Admission admission_;
  IdleProbe probe_;
  std::vector<std::unique_ptr<DeviceThread>> threads_;  // last: they use the others
};

Result<std::unique_ptr<Engine>> start(const model::Package& package, LoadedPackage loaded,
                                      const EngineOptions& options, const Clock& clock,
                                      Observer* observer) {
  SERIN_TRY(check_golden(package, *loaded.parser, *loaded.loop));
  std::vector<std::unique_ptr<Loop>> more;
  while (1 + more.size() < loaded.caller->model().calls_at_once()) {
    SERIN_TRY_ASSIGN(
        auto loop, make_loop(package.manifest, *loaded.caller, loaded.parser->shared_tokenizer()));
    more.push_back(std::move(loop));
  }
  return std::make_unique<DeviceEngine>(package, std::move(loaded), options, clock, observer,
                                        std::move(more));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const model::Package& package, EngineOptions options,
                                               const Clock& clock, Observer* observer) {
  SERIN_TRY_ASSIGN(auto loaded, load_package(package, options, clock, observer));
  return start(package, std::move(loaded), options, clock, observer);
}

Result<std::unique_ptr<Engine>> Engine::create_with(const model::Package& package,
                                                    const RequestParser& parser,
                                                    std::unique_ptr<Model> model,
                                                    EngineOptions options, const Clock& clock,
                                                    Observer* observer) {
  SERIN_TRY_ASSIGN(auto loaded,
                   load_package_with(package, parser, std::move(model), clock, observer));
  return start(package, std::move(loaded), options, clock, observer);
}

}  // namespace serin::engine
