// SPDX-License-Identifier: Apache-2.0
// The state starts as noise and is improved in steps. Every row carries its own time, so requests
// join between steps and run beside others with other numbers of steps; a guided request takes two
// rows.
#include <algorithm>
#include <utility>

#include "engine/dtypes.h"
#include "engine/loops/diffusion_math.h"
#include "engine/loops/loop.h"
#include "engine/request_inputs.h"
#include "engine/row_runner.h"

namespace serin::engine {
namespace {

Tensor copy_of(const Tensor& tensor) {
  return Tensor::of<float>(tensor.shape(), tensor.values<float>());
}

struct Generation {
  JobPtr job;
  Row row;
  Tensor state;  // float32, ours alone
  std::int64_t step = 0;
};

class DiffusionLoop final : public Loop {
 public:
  DiffusionLoop(const model::Manifest& manifest, ModelCaller& caller)
      : manifest_(&manifest),
        loop_(std::get<model::DiffusionLoop>(manifest.loop)),
        runner_(manifest, caller),
        clock_(&caller.clock()),
        state_(manifest.call.place_of_argument(loop_.state)),
        timestep_(manifest.call.place_of_argument(loop_.timestep)),
        prediction_(manifest.call.place_of_result(loop_.prediction)) {
    if (!loop_.guidance) return;
    for (std::size_t i = 0; i < manifest.call.arguments.size(); ++i) {
      if (manifest.call.arguments[i].input == loop_.guidance->input) guided_.push_back(i);
    }
    unconditional_ = unconditional_label();
  }

  std::size_t places() const override {
    const std::size_t most = std::max<std::size_t>(1, runner_.largest_batch() / rows_each());
    return most - std::min(most, running_.size());
  }
  std::size_t running() const override { return running_.size(); }
  bool starts_together() const override { return false; }
  double cost_of(const Request& request) const override {
    return static_cast<double>(request.steps) * static_cast<double>(rows_each());
  }

  void start(std::vector<JobPtr> jobs) override {
    for (auto& job : jobs) {
      job->send(Started{});
      Generation made;
      made.row = row_of(*manifest_, job->request);
      made.state = copy_of(made.row[state_]);
      made.job = std::move(job);
      running_.push_back(std::move(made));
    }
  }

  void step() override {
    const Instant now = clock_->now();
    for (auto& one : running_) {
      if (auto error = one.job->gone(now)) one.job->fail(*std::move(error));
    }
    drop_ended();
    std::vector<Row> rows;
    for (auto& one : running_) add_rows(one, rows);
    auto results = runner_.run(rows);
    for (std::size_t i = 0; i < running_.size(); ++i) {
      const std::span own(results.begin() + static_cast<std::ptrdiff_t>(i * rows_each()),
                          rows_each());
      if (auto status = advance(running_[i], own); !status) {
        running_[i].job->fail(std::move(status).error());
      }
    }
    drop_ended();
  }

  void abandon(const Error& error) override {
    for (auto& one : running_) one.job->fail(error);
    running_.clear();
  }

 private:
  std::size_t rows_each() const { return loop_.guidance ? 2 : 1; }
  void drop_ended() {
    std::erase_if(running_, [](const Generation& one) { return one.job->ended; });
  }

  Tensor unconditional_label() const {
    const auto& label =
        std::get<model::LabelInput>(manifest_->find_input(loop_.guidance->input)->kind);
    const auto found = std::ranges::find(label.labels, loop_.guidance->unconditional);
    SERIN_CHECK(found != label.labels.end());
    return label_tensor(label, static_cast<std::size_t>(found - label.labels.begin()));
  }

  void add_rows(const Generation& one, std::vector<Row>& rows) const {
    Row row = one.row;
    row[state_] = one.state;
    row[timestep_] = Tensor(DType::kFloat32, {});
    store(row[timestep_], 0, diffusion_time(one.step, one.job->request.steps));
    rows.push_back(row);
    if (!loop_.guidance) return;
    for (const std::size_t place : guided_) row[place] = unconditional_;
    rows.push_back(std::move(row));
  }

  Status advance(Generation& one, std::span<const Result<Row>> results) {
    for (const auto& result : results) {
      if (!result) return fail(result.error());
    }
    Tensor prediction = (*results[0])[prediction_].to_float32();
    if (loop_.guidance) {
      const Tensor unconditional = (*results[1])[prediction_].to_float32();
      guide(unconditional.values<float>(), one.job->request.guidance,
            prediction.mutable_values<float>());
    }
    SERIN_TRY(check_finite(loop_.prediction, prediction));
    const std::int64_t steps = one.job->request.steps;
    one.state = copy_of(one.state);  // a preview may hold the old one
    diffusion_step(loop_, one.step, steps, prediction.values<float>(),
                   one.state.mutable_values<float>());
    ++one.step;
    Progress progress{one.step, steps, std::nullopt};
    if (one.job->request.previews && one.step < steps) progress.preview = one.state;
    one.job->send(std::move(progress));
    if (one.step == steps) return finish(one, *results[0]);
    return {};
  }

  Status finish(Generation& one, const Row& last) {
    Finished finished;
    for (const auto& output : manifest_->outputs) {
      const Tensor& value = output.result == "state"
                                ? one.state
                                : last[manifest_->call.place_of_result(output.result)];
      SERIN_TRY(check_finite(output.name, value));
      finished.outputs[output.name] = value;
    }
    one.job->finish(std::move(finished));
    return {};
  }

  const model::Manifest* manifest_;
  const model::DiffusionLoop& loop_;
  RowRunner runner_;
  const Clock* clock_;
  std::size_t state_, timestep_, prediction_;
  std::vector<std::size_t> guided_;
  Tensor unconditional_;
  std::vector<Generation> running_;
};

}  // namespace

std::unique_ptr<Loop> make_diffusion_loop(const model::Manifest& manifest, ModelCaller& caller) {
  return std::make_unique<DiffusionLoop>(manifest, caller);
}

}  // namespace serin::engine
