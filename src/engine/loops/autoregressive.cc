// SPDX-License-Identifier: Apache-2.0
// Token by token. Sequences stand in slots and join and leave between steps (continuous batching).
// With a cache a step is one call that reads prompts, `chunk` tokens wide, and one that writes
// answers, one token wide: apart, because a framework's arithmetic may depend on the width, and a
// token's must not depend on what its neighbours do.
#include <algorithm>
#include <utility>

#include "engine/loops/loop.h"
#include "engine/loops/token_call.h"

namespace serin::engine {
namespace {

class AutoregressiveLoop final : public Loop {
 public:
  AutoregressiveLoop(const model::AutoregressiveLoop& loop, const Clock& clock, TokenCaller caller,
                     std::shared_ptr<const model::Tokenizer> tokenizer)
      : loop_(&loop),
        clock_(&clock),
        caller_(std::move(caller)),
        tokenizer_(std::move(tokenizer)),
        slots_(static_cast<std::size_t>(loop.slots)) {}

  std::size_t places() const override {
    return static_cast<std::size_t>(
        std::ranges::count_if(slots_, [](const auto& slot) { return slot == nullptr; }));
  }
  std::size_t running() const override { return slots_.size() - places(); }
  bool starts_together() const override { return false; }

  double cost_of(const Request& request) const override {
    const auto prompt = static_cast<std::int64_t>(request.prompt.size());
    const std::int64_t reads = caller_.cached() ? (prompt + loop_->chunk - 1) / loop_->chunk : 1;
    const std::int64_t writes = std::min(request.sampling.max_tokens, loop_->context - prompt);
    return static_cast<double>(reads + writes);
  }

  void start(std::vector<JobPtr> jobs) override {
    auto slot = slots_.begin();
    for (auto& job : jobs) {
      slot = std::find(slot, slots_.end(), nullptr);
      SERIN_CHECK(slot != slots_.end());
      *slot = std::make_unique<Sequence>(std::move(job), *loop_, *tokenizer_);
      if ((*slot)->ended()) slot->reset();  // what went on was complete
    }
  }

  void step() override {
    const Instant now = clock_->now();
    for (auto& sequence : slots_) {
      if (!sequence) continue;
      if (auto error = sequence->job().gone(now)) sequence->job().fail(*std::move(error));
    }
    drop_ended();
    if (!caller_.cached() || loop_->chunk == 1)
      return advance(rows_where([](auto&) { return true; }), 1);
    // Both lists are made before either call: one that ends its prompt now writes from the next
    // step.
    const auto readers = rows_where([](const Sequence& one) { return one.reads_prompt(); });
    const auto writers = rows_where([](const Sequence& one) { return !one.reads_prompt(); });
    advance(readers, loop_->chunk);
    advance(writers, 1);
  }

  void abandon(const Error& error) override {
    for (auto& sequence : slots_) {
      if (sequence) sequence->job().fail(error);
      sequence.reset();
    }
  }

 private:
  template <class Condition>
  std::vector<std::size_t> rows_where(Condition condition) const {
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i] && condition(*slots_[i])) rows.push_back(i);
    }
    return rows;
  }

  void drop_ended() {
    for (auto& sequence : slots_) {
      if (sequence && sequence->ended()) sequence.reset();
    }
  }

  // One call for `rows`; when it fails, one for each alone, so that one bad request cannot fail its
  // neighbours.
  void advance(const std::vector<std::size_t>& rows, std::int64_t width) {
    if (rows.empty()) return;
    auto logits = caller_.run(slots_, rows, width);
    if (!logits && rows.size() > 1) {
      for (const std::size_t row : rows) advance({row}, width);
      return;
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Sequence& sequence = *slots_[rows[i]];
      if (!logits) {
        sequence.job().fail(logits.error());
        continue;
      }
      if (caller_.cached()) sequence.saw(sequence.next_width(width));
      // Replayed tokens are still to be shown to the model: their logits are known to be them.
      if (!caller_.cached() || sequence.seen() == sequence.tokens().size()) {
        sequence.draw(logits->of[i], scratch_);
      }
    }
    drop_ended();
  }

  const model::AutoregressiveLoop* loop_;
  const Clock* clock_;
  TokenCaller caller_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::vector<std::unique_ptr<Sequence>> slots_;
  DrawScratch scratch_;
};

}  // namespace

Result<std::unique_ptr<Loop>> make_autoregressive_loop(
    const model::Manifest& manifest, ModelCaller& caller,
    std::shared_ptr<const model::Tokenizer> tokenizer) {
  if (!tokenizer) return fail(Code::kInvalidArgument, "a text loop needs a tokenizer");
  SERIN_TRY_ASSIGN(TokenCaller tokens, TokenCaller::create(manifest, caller));
  return std::make_unique<AutoregressiveLoop>(std::get<model::AutoregressiveLoop>(manifest.loop),
                                              caller.clock(), std::move(tokens),
                                              std::move(tokenizer));
}

}  // namespace serin::engine
