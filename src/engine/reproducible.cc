// SPDX-License-Identifier: Apache-2.0
#include "engine/reproducible.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "engine/dtypes.h"
#include "engine/loaded_package.h"
#include "engine/profile.h"

namespace serin::engine {
namespace {

// Differences between two tensors, element by element; nothing when they are the same bits.
void compare(const Tensor& alone, const Tensor& beside, OutputReport& report) {
  const auto a = alone.bytes(), b = beside.bytes();
  if (a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0) return;
  report.bitwise = false;
  if (alone.shape() != beside.shape()) {
    report.largest_difference = std::numeric_limits<double>::infinity();
    return;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(alone.elements()); ++i) {
    report.largest_difference =
        std::max(report.largest_difference, std::abs(load(alone, i) - load(beside, i)));
  }
}

void compare(const std::vector<Token>& alone, const std::vector<Token>& beside,
             OutputReport& report) {
  bool same = alone.size() == beside.size();
  for (std::size_t i = 0; same && i < alone.size(); ++i) {
    same = alone[i].id == beside[i].id && alone[i].text == beside[i].text;
    const double difference = std::abs(alone[i].logprob - beside[i].logprob);
    if (difference != 0) report.bitwise = false;
    report.largest_difference = std::max(report.largest_difference, difference);
  }
  if (same) return;
  report.bitwise = false;
  report.largest_difference = std::numeric_limits<double>::infinity();
}

std::vector<json::object> requests_of(const model::Manifest& manifest) {
  std::vector<json::object> requests;
  for (const auto& golden : manifest.golden) requests.push_back(golden.request);
  if (requests.empty()) requests.push_back({{"seed", 1}});
  return requests;
}

class Check {
 public:
  Check(const model::Package& package, const RequestParser& parser, Loop& loop)
      : manifest_(package.manifest),
        parser_(parser),
        loop_(loop),
        requests_(requests_of(manifest_)) {
    for (const auto& output : manifest_.outputs) report_.outputs.push_back({output.name});
  }

  Result<ReproducibilityReport> run() {
    for (const auto& fields : requests_) {
      SERIN_TRY_ASSIGN(const Outcome alone, outcome_of(fields, 1, 0));
      ++report_.requests;
      for (const std::size_t size : sizes()) {
        for (std::size_t place = 0; place < size; ++place) {
          SERIN_TRY_ASSIGN(const Outcome beside, outcome_of(fields, size, place));
          ++report_.runs;
          compare_outcomes(alone, beside);
        }
      }
    }
    return report_;
  }

 private:
  // Batch sizes to try: those that are padded to differently, and all the places.
  std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> sizes{loop_.places()};
    for (const std::int64_t size : manifest_.batching.sizes) {
      const auto one = static_cast<std::size_t>(size);
      if (one < loop_.places() && loop_.starts_together()) sizes.push_back(one);
    }
    return sizes;
  }

  // The request at `place` of a batch of `size`, its neighbours being others with seeds that never
  // come again.
  Result<Outcome> outcome_of(const json::object& fields, std::size_t size, std::size_t place) {
    std::vector<Request> batch;
    for (std::size_t i = 0; i < size; ++i) {
      json::object chosen = i == place ? fields : requests_[neighbour_ % requests_.size()];
      if (i != place) chosen["seed"] = 1'000'000 + neighbour_++;
      SERIN_TRY_ASSIGN(Request request, parser_.parse(chosen));
      if (request.sampling.logprobs < 0) request.sampling.logprobs = 0;
      batch.push_back(std::move(request));
    }
    return std::move(run_together(loop_, std::move(batch))[place]);
  }

  void compare_outcomes(const Outcome& alone, const Outcome& beside) {
    for (auto& output : report_.outputs) {
      const auto found = alone.finished.outputs.find(output.output);
      if (found == alone.finished.outputs.end()) {
        compare(alone.tokens, beside.tokens, output);
      } else {
        compare(found->second, beside.finished.outputs.at(output.output), output);
      }
    }
  }

  const model::Manifest& manifest_;
  const RequestParser& parser_;
  Loop& loop_;
  std::vector<json::object> requests_;
  std::uint64_t neighbour_ = 0;
  ReproducibilityReport report_;
};

}  // namespace

bool ReproducibilityReport::bitwise() const {
  return std::ranges::all_of(outputs, &OutputReport::bitwise);
}

Result<ReproducibilityReport> check_reproducible(const model::Package& package,
                                                 const RequestParser& parser, Loop& loop) {
  return Check(package, parser, loop).run();
}

Result<ReproducibilityReport> verify_reproducible(const model::Package& package,
                                                  const EngineOptions& options) {
  if (package.manifest.remote) {
    return fail(Code::kFailedPrecondition,
                "what a remote package gives depends on its upstream: it is not reproducible, and "
                "its answers say so");
  }
  SERIN_TRY_ASSIGN(const auto loaded, load_package(package, options, Clock::real(), nullptr));
  SERIN_TRY_ASSIGN(auto report, check_reproducible(package, *loaded.parser, *loaded.loop));
  report.profile = profile_of(options.device, instruction_set(), options.threads);
  return report;
}

}  // namespace serin::engine
