// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/loop.h"

#include <algorithm>
#include <utility>

namespace serin::engine {

Result<std::unique_ptr<Loop>> make_loop(const model::Manifest& manifest, ModelCaller& caller,
                                        std::shared_ptr<const model::Tokenizer> tokenizer) {
  if (std::holds_alternative<model::AutoregressiveLoop>(manifest.loop)) {
    return make_autoregressive_loop(manifest, caller, std::move(tokenizer));
  }
  if (std::holds_alternative<model::DiffusionLoop>(manifest.loop)) {
    return make_diffusion_loop(manifest, caller);
  }
  return make_once_loop(manifest, caller);
}

std::vector<Result<Outcome>> run_together(Loop& loop, std::vector<Request> requests) {
  std::vector<Result<Outcome>> results(requests.size(), Outcome{});
  std::vector<JobPtr> jobs;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto job = std::make_unique<Job>();
    job->request = std::move(requests[i]);
    job->sink = [&results, i](Event event) {
      if (auto* token = std::get_if<Token>(&event)) results[i]->tokens.push_back(std::move(*token));
      if (auto* finished = std::get_if<Finished>(&event))
        results[i]->finished = std::move(*finished);
      if (auto* failed = std::get_if<Failed>(&event)) results[i] = fail(std::move(failed->error));
    };
    jobs.push_back(std::move(job));
  }
  auto next = jobs.begin();
  while (next != jobs.end() || loop.running() > 0) {
    const auto count =
        std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(loop.places()), jobs.end() - next);
    std::vector<JobPtr> started(std::make_move_iterator(next),
                                std::make_move_iterator(next + count));
    next += count;
    loop.start(std::move(started));
    loop.step();
  }
  return results;
}

}  // namespace serin::engine
