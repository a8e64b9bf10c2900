// SPDX-License-Identifier: Apache-2.0
// One call makes the result. A batch starts and ends together.
#include <algorithm>
#include <utility>

#include "engine/loops/loop.h"
#include "engine/row_runner.h"

namespace serin::engine {
namespace {

Result<Finished> result_of(const model::Manifest& manifest, const Result<Row>& row) {
  if (!row) return fail(row.error());
  Finished finished;
  for (const auto& output : manifest.outputs) {
    const Tensor& value = (*row)[manifest.call.place_of_result(output.result)];
    SERIN_TRY(check_finite(output.name, value));
    finished.outputs[output.name] = value;
  }
  return finished;
}

class OnceLoop final : public Loop {
 public:
  OnceLoop(const model::Manifest& manifest, ModelCaller& caller)
      : manifest_(&manifest), runner_(manifest, caller), clock_(&caller.clock()) {}

  std::size_t places() const override { return runner_.largest_batch() - jobs_.size(); }
  std::size_t running() const override { return jobs_.size(); }
  bool starts_together() const override { return true; }
  double cost_of(const Request&) const override { return 1; }

  void start(std::vector<JobPtr> jobs) override {
    for (auto& job : jobs) {
      job->send(Started{});
      jobs_.push_back(std::move(job));
    }
  }

  void step() override {
    const Instant now = clock_->now();
    for (auto& job : jobs_) {
      if (auto error = job->gone(now)) job->fail(*std::move(error));
    }
    std::erase_if(jobs_, [](const JobPtr& job) { return job->ended; });
    std::vector<Row> rows;
    for (const auto& job : jobs_) rows.push_back(row_of(*manifest_, job->request));
    const auto results = runner_.run(rows, [this] {
      return std::ranges::all_of(
          jobs_, [now = clock_->now()](const JobPtr& job) { return job->gone(now).has_value(); });
    });
    const auto jobs = std::exchange(jobs_, {});
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      auto finished = result_of(*manifest_, results[i]);
      if (finished) {
        jobs[i]->finish(*std::move(finished));
      } else {
        jobs[i]->fail(jobs[i]->gone(clock_->now()).value_or(std::move(finished).error()));
      }
    }
  }

  void abandon(const Error& error) override {
    for (auto& job : jobs_) job->fail(error);
    jobs_.clear();
  }

 private:
  const model::Manifest* manifest_;
  RowRunner runner_;
  const Clock* clock_;
  std::vector<JobPtr> jobs_;
};

}  // namespace

std::unique_ptr<Loop> make_once_loop(const model::Manifest& manifest, ModelCaller& caller) {
  return std::make_unique<OnceLoop>(manifest, caller);
}

}  // namespace serin::engine
