// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/sequence.h"

#include <algorithm>
#include <utility>

namespace serin::engine {

Sequence::Sequence(JobPtr job, const model::AutoregressiveLoop& loop,
                   const model::Tokenizer& tokenizer)
    : job_(std::move(job)),
      loop_(&loop),
      stream_(tokenizer.stream(true)),
      stop_(job_->request.sampling.stop),
      tokens_(job_->request.prompt) {
  job_->send(Started{});
  if (auto status = replay(); !status) {
    job_->fail(std::move(status).error());
  } else {
    finish_if_over();
  }
}

Status Sequence::replay() {
  for (const std::int64_t id : job_->request.continued) {
    if (reason_)
      return fail(Code::kInvalidArgument, "continued goes on after the end of the answer");
    SERIN_TRY(append(id));  // its text was said before the answer broke
  }
  return {};
}

std::size_t Sequence::next_width(std::int64_t chunk) const {
  if (!reads_prompt()) return 1;
  return std::min(prompt_size() - seen_, static_cast<std::size_t>(chunk));
}

void Sequence::draw(std::span<const float> logits, DrawScratch& scratch) {
  const Request& request = job_->request;
  auto drawn =
      draw_token(logits, request.sampling, {request.prompt, answer(), request.seed}, scratch);
  if (!drawn) return job_->fail(std::move(drawn).error());
  const auto place = static_cast<std::int64_t>(answer().size());
  auto text = append(drawn->id);
  if (!text) return job_->fail(std::move(text).error());
  text_ += *text;
  job_->send(Token{drawn->id, *std::move(text), place, drawn->logprob, std::move(drawn->top)});
  finish_if_over();
}

Result<std::string> Sequence::append(std::int64_t id) {
  tokens_.push_back(id);
  const Sampling& sampling = job_->request.sampling;
  if (!sampling.ignore_end && std::ranges::find(loop_->end, id) != loop_->end.end()) {
    reason_ = FinishReason::kStop;
    return end_text();
  }
  SERIN_TRY_ASSIGN(const std::string piece, stream_->push(id));
  std::string text = stop_.push(piece);
  if (stop_.stopped()) {
    reason_ = FinishReason::kStop;
  } else if (static_cast<std::int64_t>(answer().size()) >= sampling.max_tokens ||
             static_cast<std::int64_t>(tokens_.size()) >= loop_->context) {
    reason_ = FinishReason::kLength;
    SERIN_TRY_ASSIGN(const std::string rest, end_text());
    text += rest;
  }
  return text;
}

// What was kept back while more could come.
Result<std::string> Sequence::end_text() {
  SERIN_TRY_ASSIGN(const std::string rest, stream_->finish());
  std::string text = stop_.push(rest);
  if (stop_.stopped()) {
    reason_ = FinishReason::kStop;
  } else {
    text += stop_.flush();
  }
  return text;
}

void Sequence::finish_if_over() {
  if (!reason_) return;
  Finished finished;
  finished.reason = *reason_;
  finished.prompt_tokens = static_cast<std::int64_t>(prompt_size());
  finished.completion_tokens = static_cast<std::int64_t>(answer().size());
  finished.text = std::move(text_);
  job_->finish(std::move(finished));
}

}  // namespace serin::engine
