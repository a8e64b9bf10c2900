// SPDX-License-Identifier: Apache-2.0
#include "engine/loops/token_call.h"

#include <algorithm>
#include <utility>

#include "engine/dtypes.h"
#include "engine/row_runner.h"

namespace serin::engine {
namespace {

// An argument that an input feeds: the slots' own values, zeros in the others.
Tensor input_batch(const model::Argument& argument, TokenCaller::Slots slots,
                   std::span<const std::size_t> rows) {
  Tensor zeros(argument.dtype, Shape(argument.shape.begin() + 1, argument.shape.end()));
  std::vector<const Tensor*> items(slots.size(), &zeros);
  for (const std::size_t row : rows)
    items[row] = &slots[row]->job().request.inputs.at(argument.input);
  return stack(items, static_cast<std::int64_t>(slots.size()), argument.dtype);
}

}  // namespace

Result<TokenCaller> TokenCaller::create(const model::Manifest& manifest, ModelCaller& caller) {
  TokenCaller made(manifest, caller);
  const model::Call& call = manifest.call;
  made.logits_ = call.place_of_result(made.loop_->logits);
  if (!made.cached()) return made;
  std::vector<Model::Carry> pairs;
  for (const auto& [argument, result] : made.loop_->cache) {
    pairs.push_back({call.place_of_argument(argument), call.place_of_result(result)});
  }
  SERIN_TRY_ASSIGN(made.state_, caller.model().make_state(pairs, made.loop_->slots));
  return made;
}

std::span<const std::int64_t> TokenCaller::piece_of(const Sequence& sequence,
                                                    std::int64_t width) const {
  if (!cached()) return sequence.tokens();
  return sequence.tokens().subspan(sequence.seen(), sequence.next_width(width));
}

std::vector<Tensor> TokenCaller::arguments_for(Slots slots, std::span<const std::size_t> rows,
                                               std::int64_t width) const {
  std::vector<Tensor> arguments(manifest_->call.arguments.size());
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& argument = manifest_->call.arguments[i];
    if (!argument.input.empty()) arguments[i] = input_batch(argument, slots, rows);
  }
  fill_loop_arguments(arguments, slots, rows, width);
  return arguments;
}

void TokenCaller::fill_loop_arguments(std::vector<Tensor>& arguments, Slots slots,
                                      std::span<const std::size_t> rows, std::int64_t width) const {
  const auto count = static_cast<std::int64_t>(slots.size());
  const std::int64_t columns = cached() ? width : loop_->context;
  const auto add = [&](const std::string& name, Shape shape) -> Tensor& {
    const std::size_t place = manifest_->call.place_of_argument(name);
    return arguments[place] = Tensor(manifest_->call.arguments[place].dtype, std::move(shape));
  };
  Tensor& tokens = add(loop_->tokens, {count, columns});
  for (const std::size_t row : rows) {
    const auto piece = piece_of(*slots[row], width);
    for (std::size_t i = 0; i < piece.size(); ++i) {
      store(tokens, row * static_cast<std::size_t>(columns) + i, static_cast<double>(piece[i]));
    }
  }
  if (!cached()) return;
  Tensor& positions = add(loop_->positions, {count});
  for (const std::size_t row : rows) store(positions, row, static_cast<double>(slots[row]->seen()));
  Tensor& lengths = add(loop_->lengths, {count});
  for (const std::size_t row : rows) {
    store(lengths, row, static_cast<double>(piece_of(*slots[row], width).size()));
  }
}

Result<TokenCaller::Logits> TokenCaller::run(Slots slots, std::span<const std::size_t> rows,
                                             std::int64_t width) {
  const auto count = static_cast<std::int64_t>(slots.size());
  const auto arguments = arguments_for(slots, rows, width);
  SERIN_TRY_ASSIGN(auto results, caller_->call(arguments, state_.get(),
                                               static_cast<std::int64_t>(rows.size()), count, {}));
  SERIN_TRY(check_results(manifest_->call, results, count, loop_->cache));
  Logits logits;
  const auto all = results[logits_].values<float>();
  const auto vocabulary = static_cast<std::size_t>(results[logits_].shape().back());
  const auto columns = cached() ? 1 : static_cast<std::size_t>(results[logits_].shape().at(1));
  for (const std::size_t row : rows) {
    const std::size_t last = cached() ? 0 : slots[row]->tokens().size() - 1;
    if (last >= columns) {
      return fail(Code::kInternal, "the model gave logits for " + std::to_string(columns) +
                                       " tokens, fewer than it was given");
    }
    logits.of.push_back(all.subspan((row * columns + last) * vocabulary, vocabulary));
  }
  logits.results = std::move(results);
  return logits;
}

}  // namespace serin::engine
