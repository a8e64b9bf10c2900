// SPDX-License-Identifier: Apache-2.0
#include "control/scoring/scorers.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/backoff.h"
#include "base/last_resort.h"
#include "control/scoring/scorer.h"

namespace serin::control {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kBetweenLooks{500};
constexpr Backoff kTries{.first = milliseconds(1'000), .most = milliseconds(60'000)};
constexpr std::chrono::minutes kBetweenTroubles{1};
constexpr std::chrono::hours kBetweenTheSame{1};

}  // namespace

class Scorers::Run {
 public:
  Run(platform::Platform& platform, std::string service, ScorerSpec spec)
      : platform_(platform),
        service_(std::move(service)),
        spec_(std::move(spec)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  ~Run() { end(); }

  // It may take a while until it is over.
  void end() {
    thread_.request_stop();
    cancel_.cancel();
  }
  bool over() const { return over_; }

  const ScorerSpec& spec() const { return spec_; }
  std::optional<Trouble> take() {
    const std::lock_guard lock(mutex_);
    const auto now = Steady::now();
    const Steady::duration least =
        trouble_ == told_ ? Steady::duration(kBetweenTheSame) : Steady::duration(kBetweenTroubles);
    if (trouble_.empty() || (told_at_ && now - *told_at_ < least)) return std::nullopt;
    told_at_ = now;
    told_ = std::exchange(trouble_, {});
    return Trouble{spec_.name,
                   told_ + (failed_ == 0 ? "; answers wait for it"
                                         : "; " + std::to_string(failed_) +
                                               " answers have no score because of such")};
  }

 private:
  void run(const std::stop_token& stop) {
    int failed = 0;  // in a row
    while (!stop.stop_requested()) {
      bool fine = false;
      survives("a scorer", [&] { fine = look(); });
      failed = fine ? 0 : failed + 1;
      const milliseconds wait = fine ? kBetweenLooks : wait_after(failed, kTries, 1);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, wait, [] { return false; });
    }
    over_ = true;
  }

  // False: something went wrong.
  bool look() {
    // A platform that is away tells so elsewhere, and often.
    const auto samples = platform_.samples(service_, spec_.name, spec_.sample, kAtOnce);
    if (!samples || samples->empty()) return samples.has_value();
    if (client_ == nullptr) {
      auto client = net::Client::create();
      if (!client) return false;
      client_ = std::move(*client);
    }
    const Scored scored = run_scorer(spec_, *samples, *client_, platform_, cancel_);
    if (!scored.trouble.empty()) note(scored.trouble, scored.failed);
    if (scored.scores.empty()) return scored.trouble.empty();
    return platform_.score(service_, spec_.name, scored.scores).has_value() &&
           scored.trouble.empty();
  }

  void note(const std::string& trouble, std::size_t failed) {
    const std::lock_guard lock(mutex_);
    trouble_ = trouble;
    failed_ += failed;
  }

  platform::Platform& platform_;
  const std::string service_;
  const ScorerSpec spec_;
  std::unique_ptr<net::Client> client_;  // of the thread, made when it is needed
  CancelToken cancel_;
  std::atomic<bool> over_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string trouble_;  // that was not taken
  std::size_t failed_ = 0;
  std::string told_;  // the last that was
  std::optional<Steady::time_point> told_at_;
  std::jthread thread_;  // last: it uses everything above
};

Scorers::Scorers(platform::Platform& platform) : platform_(platform) {}
Scorers::~Scorers() = default;

void Scorers::want(const std::string& service, const std::vector<ScorerSpec>& specs) {
  auto& runs = runs_[service];
  const bool same = std::ranges::equal(
      runs, specs, [](const auto& run, const ScorerSpec& spec) { return run->spec() == spec; });
  std::erase_if(ending_, [](const auto& run) { return run->over(); });
  if (!same) {
    for (auto& run : runs) {
      run->end();
      ending_.push_back(std::move(run));
    }
    runs.clear();
    for (const ScorerSpec& spec : specs)
      runs.push_back(std::make_unique<Run>(platform_, service, spec));
  }
  if (specs.empty()) runs_.erase(service);
}

std::vector<Scorers::Trouble> Scorers::take(const std::string& service) {
  std::vector<Trouble> troubles;
  const auto found = runs_.find(service);
  if (found == runs_.end()) return troubles;
  for (const auto& run : found->second) {
    if (auto trouble = run->take()) troubles.push_back(*std::move(trouble));
  }
  return troubles;
}

}  // namespace serin::control
