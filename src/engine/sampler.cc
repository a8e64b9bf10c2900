// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "engine/random.h"

namespace serin::engine {
namespace {

using Candidate = std::pair<float, std::int64_t>;  // score, id

bool better(const Candidate& a, const Candidate& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

Result<float> highest_of(std::span<const float> logits) {
  float highest = -std::numeric_limits<float>::infinity();
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id]) || logits[id] == std::numeric_limits<float>::infinity()) {
      return fail(Code::kDataLoss,
                  "the model gave a logit that is not a number for token " + std::to_string(id));
    }
    highest = std::max(highest, logits[id]);
  }
  if (std::isinf(highest)) return fail(Code::kDataLoss, "the model gave no token a finite logit");
  return highest;
}

bool inside(std::int64_t id, std::span<const float> scores) {
  return id >= 0 && static_cast<std::size_t>(id) < scores.size();
}

// Each token that was seen, once, with how often.
std::vector<std::pair<std::int64_t, std::int64_t>> counted(std::vector<std::int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  std::vector<std::pair<std::int64_t, std::int64_t>> counts;
  for (const std::int64_t id : ids) {
    if (counts.empty() || counts.back().first != id) counts.emplace_back(id, 0);
    ++counts.back().second;
  }
  return counts;
}

void punish_repetition(std::span<float> scores, double penalty, const DrawContext& context) {
  std::vector<std::int64_t> seen(context.prompt.begin(), context.prompt.end());
  seen.insert(seen.end(), context.answer.begin(), context.answer.end());
  for (const auto& [id, count] : counted(std::move(seen))) {
    if (!inside(id, scores)) continue;
    float& score = scores[static_cast<std::size_t>(id)];
    score = static_cast<float>(score > 0 ? score / penalty : score * penalty);
  }
}

void punish_presence(std::span<float> scores, const Sampling& sampling,
                     std::span<const std::int64_t> answer) {
  for (const auto& [id, count] : counted({answer.begin(), answer.end()})) {
    if (!inside(id, scores)) continue;
    const double penalty =
        sampling.presence_penalty + sampling.frequency_penalty * static_cast<double>(count);
    scores[static_cast<std::size_t>(id)] -= static_cast<float>(penalty);
  }
}

void adjust(std::span<float> scores, const Sampling& sampling, const DrawContext& context) {
  if (sampling.repetition_penalty != 1) {
    punish_repetition(scores, sampling.repetition_penalty, context);
  }
  if (sampling.presence_penalty != 0 || sampling.frequency_penalty != 0) {
    punish_presence(scores, sampling, context.answer);
  }
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (inside(id, scores)) scores[static_cast<std::size_t>(id)] += static_cast<float>(bias);
  }
}

// The share of a score next to the highest, which has 1.
struct Weight {
  double highest, temperature;
  double operator()(float score) const { return std::exp((score - highest) / temperature); }
};

double uniform_for(const DrawContext& context) {
  return uniform_of(random_block(context.seed, kSamplingStream, context.answer.size())[0]);
}

std::int64_t draw_from_all(std::span<const float> scores, const Weight& weight, double uniform) {
  double total = 0;
  for (const float score : scores) total += weight(score);
  const double target = uniform * total;
  double sum = 0;
  std::int64_t last = 0;  // rounding may leave the sum below the target
  for (std::size_t id = 0; id < scores.size(); ++id) {
    const double share = weight(scores[id]);
    if (share == 0) continue;
    sum += share;
    last = static_cast<std::int64_t>(id);
    if (sum > target) break;
  }
  return last;
}

// Cuts `candidates` to the fewest best whose weights reach top_p of `total`, best first. Sorts only
// as far as it must.
void keep_top_p(std::vector<Candidate>& candidates, double top_p, double total,
                const Weight& weight) {
  double sum = 0;
  std::size_t sorted = 0;
  for (std::size_t width = 64; sorted < candidates.size(); width *= 4) {
    const std::size_t end = std::min(candidates.size(), sorted + width);
    const auto from = candidates.begin() + static_cast<std::ptrdiff_t>(sorted);
    std::partial_sort(from, candidates.begin() + static_cast<std::ptrdiff_t>(end), candidates.end(),
                      better);
    for (; sorted < end; ++sorted) {
      sum += weight(candidates[sorted].first);
      if (sum >= top_p * total) {
        candidates.resize(sorted + 1);
        return;
      }
    }
  }
}

// Fills `candidates` with what top_k, top_p and min_p leave.
void keep_likely(std::span<const float> scores, const Sampling& sampling, const Weight& weight,
                 std::vector<Candidate>& candidates) {
  candidates.clear();
  for (std::size_t id = 0; id < scores.size(); ++id) {
    candidates.emplace_back(scores[id], static_cast<std::int64_t>(id));
  }
  if (sampling.top_k > 0 && static_cast<std::size_t>(sampling.top_k) < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + sampling.top_k, candidates.end(),
                     better);
    candidates.resize(static_cast<std::size_t>(sampling.top_k));
    std::sort(candidates.begin(), candidates.end(), better);
  }
  if (sampling.top_p < 1) {
    double total = 0;
    for (const auto& candidate : candidates) total += weight(candidate.first);
    keep_top_p(candidates, sampling.top_p, total, weight);
  }
  if (sampling.min_p > 0) {
    std::erase_if(candidates, [&](const Candidate& c) { return weight(c.first) < sampling.min_p; });
  }
}

std::int64_t draw_from_kept(std::vector<Candidate>& kept, const Weight& weight, double uniform) {
  std::sort(kept.begin(), kept.end(),
            [](const Candidate& a, const Candidate& b) { return a.second < b.second; });
  double total = 0;
  for (const auto& candidate : kept) total += weight(candidate.first);
  const double target = uniform * total;
  double sum = 0;
  std::int64_t last = kept.front().second;
  for (const auto& [score, id] : kept) {
    const double share = weight(score);
    if (share == 0) continue;
    sum += share;
    last = id;
    if (sum > target) break;
  }
  return last;
}

std::int64_t choose(std::span<const float> scores, const Sampling& sampling,
                    const DrawContext& context, DrawScratch& scratch) {
  const auto highest = std::max_element(scores.begin(), scores.end());
  if (sampling.temperature == 0) return highest - scores.begin();
  const Weight weight{*highest, sampling.temperature};
  const double uniform = uniform_for(context);
  if (sampling.top_k == 0 && sampling.top_p >= 1 && sampling.min_p == 0) {
    return draw_from_all(scores, weight, uniform);
  }
  keep_likely(scores, sampling, weight, scratch.candidates);
  return draw_from_kept(scratch.candidates, weight, uniform);
}

void add_logprobs(std::span<const float> logits, double highest, int alternatives, Drawn& drawn) {
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - highest);
  const double normal = highest + std::log(total);
  drawn.logprob = logits[static_cast<std::size_t>(drawn.id)] - normal;
  std::vector<std::int64_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::vector<std::int64_t> top(std::min(logits.size(), static_cast<std::size_t>(alternatives)));
  std::partial_sort_copy(ids.begin(), ids.end(), top.begin(), top.end(), [&](auto a, auto b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  for (const std::int64_t id : top) {
    drawn.top.emplace_back(id, logits[static_cast<std::size_t>(id)] - normal);
  }
}

}  // namespace

Result<Drawn> draw_token(std::span<const float> logits, const Sampling& sampling,
                         const DrawContext& context, DrawScratch& scratch) {
  SERIN_TRY_ASSIGN(const float highest, highest_of(logits));
  scratch.scores.assign(logits.begin(), logits.end());
  adjust(scratch.scores, sampling, context);
  Drawn drawn;
  drawn.id = choose(scratch.scores, sampling, context, scratch);
  if (sampling.logprobs >= 0) add_logprobs(logits, highest, sampling.logprobs, drawn);
  return drawn;
}

}  // namespace serin::engine
