// SPDX-License-Identifier: Apache-2.0
// One call of a text model: the sequences in their slots become arguments, the results become
// logits by slot. Every call has all the slots as rows, so that a row's arithmetic is the same
// whatever its neighbours do. For the device thread.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/loops/sequence.h"
#include "engine/model_caller.h"

namespace serin::engine {

class TokenCaller {
 public:
  static Result<TokenCaller> create(const model::Manifest& manifest, ModelCaller& caller);

  using Slots = std::span<const std::unique_ptr<Sequence>>;  // null: free

  bool cached() const { return !loop_->cache.empty(); }
  // Runs the sequences in the slots `rows` one call on: with a cache, the next piece of each, of at
  // most `width` tokens; without, all of it. Gives the logits after the last token of each row, in
  // the order of `rows`, which stay valid as long as `results` does.
  struct Logits {
    std::vector<std::span<const float>> of;
    std::vector<Tensor> results;
  };
  Result<Logits> run(Slots slots, std::span<const std::size_t> rows, std::int64_t width);

 private:
  TokenCaller(const model::Manifest& manifest, ModelCaller& caller)
      : manifest_(&manifest),
        loop_(&std::get<model::AutoregressiveLoop>(manifest.loop)),
        caller_(&caller) {}
  std::vector<Tensor> arguments_for(Slots slots, std::span<const std::size_t> rows,
                                    std::int64_t width) const;
  void fill_loop_arguments(std::vector<Tensor>& arguments, Slots slots,
                           std::span<const std::size_t> rows, std::int64_t width) const;
  // The tokens of a sequence that go into a call.
  std::span<const std::int64_t> piece_of(const Sequence& sequence, std::int64_t width) const;

  const model::Manifest* manifest_;
  const model::AutoregressiveLoop* loop_;
  ModelCaller* caller_;
  std::unique_ptr<State> state_;
  std::size_t logits_ = 0;
};

}  // namespace serin::engine
