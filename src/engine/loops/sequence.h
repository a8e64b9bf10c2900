// SPDX-License-Identifier: Apache-2.0
// One answer of a text loop as it grows: its tokens, its text, when it ends. Owned by a slot of the
// autoregressive loop.
//
// A sequence that goes on after a broken stream (request.continued) is brought, at once and
// silently, to where it was: the ids that were given are replayed through the text, and later
// through the model at the width at which they were written, so that what follows is bitwise what
// it would have been.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/job.h"
#include "engine/loops/stop.h"
#include "engine/sampler.h"
#include "model/manifest.h"
#include "model/tokenizer.h"

namespace serin::engine {

class Sequence {
 public:
  Sequence(JobPtr job, const model::AutoregressiveLoop& loop, const model::Tokenizer& tokenizer);

  Job& job() { return *job_; }
  bool ended() const { return job_->ended; }
  std::span<const std::int64_t> tokens() const { return tokens_; }  // prompt and answer
  // Tokens that the model has seen (with a cache).
  std::size_t seen() const { return seen_; }
  void saw(std::size_t count) { seen_ += count; }
  bool reads_prompt() const { return seen_ < prompt_size(); }
  // How many tokens go into the next call of a model with a cache: a piece of the prompt, or one of
  // the answer.
  std::size_t next_width(std::int64_t chunk) const;

  // Draws the next token after all tokens() from their logits; sends it, and Finished or Failed
  // when it is the last.
  void draw(std::span<const float> logits, DrawScratch& scratch);

 private:
  std::size_t prompt_size() const { return job_->request.prompt.size(); }
  std::span<const std::int64_t> answer() const { return tokens().subspan(prompt_size()); }
  // Adds a token; gives the text that is certain now. Sets reason_ when the answer ends with it.
  Result<std::string> append(std::int64_t id);
  Result<std::string> end_text();
  Status replay();
  void finish_if_over();

  JobPtr job_;
  const model::AutoregressiveLoop* loop_;
  std::unique_ptr<model::Tokenizer::Stream> stream_;
  StopFinder stop_;
  std::vector<std::int64_t> tokens_;
  std::size_t seen_ = 0;
  std::string text_;
  std::optional<FinishReason> reason_;
};

}  // namespace serin::engine
