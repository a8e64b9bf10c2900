// SPDX-License-Identifier: Apache-2.0
// Logits become a token: a pure function of (logits, sampling, tokens so far, seed).
//
// In this order: the repetition penalty (over prompt and answer), presence and frequency penalties
// (over the answer), logit_bias, temperature, top_k, top_p, min_p. Tokens of equal score are
// ordered by id. What is kept is walked in ascending id; the token is the first at which the
// running sum of probabilities passes u, the uniform number of word 0 of block (kSamplingStream,
// place of the token in the answer). Temperature 0 takes the highest score. Log probabilities are
// those of the model: of the logits as they came.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace serin::engine {

struct Drawn {
  std::int64_t id = 0;
  double logprob = 0;                                // when sampling.logprobs >= 0
  std::vector<std::pair<std::int64_t, double>> top;  // the most likely first
};

struct DrawContext {
  std::span<const std::int64_t> prompt;
  std::span<const std::int64_t> answer;  // so far: the next token's place is its size
  std::uint64_t seed = 0;
};

// Memory that one thread reuses from draw to draw; holds no state between them.
struct DrawScratch {
  std::vector<float> scores;
  std::vector<std::pair<float, std::int64_t>> candidates;
};

// kDataLoss when a logit is NaN or +infinity, or all are -infinity.
Result<Drawn> draw_token(std::span<const float> logits, const Sampling& sampling,
                         const DrawContext& context, DrawScratch& scratch);

}  // namespace serin::engine
