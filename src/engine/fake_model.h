// SPDX-License-Identifier: Apache-2.0
// For the engine's tests: models that compute simple functions, so that what a batch must give is
// known, and a tokenizer whose tokens are bytes, so that characters and stop strings break across
// tokens as they please. Real frameworks and tokenizers are tested in backends/ and tests/.
#pragma once

#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/backend.h"
#include "engine/dtypes.h"
#include "engine/random.h"
#include "engine/request.h"
#include "model/package.h"

namespace serin::engine::fake {

class FakeModel final : public Model {
 public:
  using Function = std::function<Result<std::vector<Tensor>>(std::span<const Tensor>,
                                                             std::vector<std::uint64_t>&)>;
  // Sees, before each call, what the loop says of those who wait for it.
  using Looker = std::function<void(const Abandoned&)>;
  explicit FakeModel(Function function, std::size_t calls_at_once = 1, Looker looker = {})
      : function_(std::move(function)), calls_at_once_(calls_at_once), looker_(std::move(looker)) {}

  struct SeenTokens final : State {
    std::vector<std::uint64_t> rows;  // a hash of what each row has seen
  };
  Result<std::unique_ptr<State>> make_state(std::span<const Carry>, std::int64_t batch) override {
    auto state = std::make_unique<SeenTokens>();
    state->rows.resize(static_cast<std::size_t>(batch));
    return state;
  }
  std::size_t calls_at_once() const override { return calls_at_once_; }
  Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, State* state,
                                  const Abandoned& abandoned) override {
    std::vector<std::uint64_t> none;
    if (looker_) looker_(abandoned);
    return function_(arguments, state ? static_cast<SeenTokens*>(state)->rows : none);
  }
  std::uint64_t device_memory_bytes() const override { return 1234; }

 private:
  Function function_;
  std::size_t calls_at_once_;
  Looker looker_;
};

inline Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::of<float>(std::move(shape), values);
}

// One number x in, y = function(x) out, a row at a time; batches of `sizes`.
inline model::Package number_package(std::vector<std::int64_t> sizes) {
  model::Package package;
  auto& m = package.manifest;
  model::NumberInput x;
  x.default_value = 1;
  m.inputs = {{"x", "", x}};
  m.call.arguments = {{"x", "x", DType::kFloat32, {model::kBatchDimension}}};
  m.call.results = {{"y", DType::kFloat32, {model::kBatchDimension}}};
  m.outputs = {{"y", "y", model::TensorOutput{}}};
  m.batching.sizes = std::move(sizes);
  m.batching.max_wait = std::chrono::microseconds(0);
  return package;
}
inline FakeModel::Function by_row(std::function<float(float)> function) {
  return [function = std::move(function)](std::span<const Tensor> arguments,
                                          auto&) -> Result<std::vector<Tensor>> {
    Tensor y(DType::kFloat32, arguments[0].shape());
    for (std::size_t i = 0; i < static_cast<std::size_t>(y.elements()); ++i) {
      y.mutable_values<float>()[i] = function(arguments[0].values<float>()[i]);
    }
    return std::vector<Tensor>{y};
  };
}

// Tokens are bytes. A stream keeps the bytes of an incomplete character.
class ByteTokenizer final : public model::Tokenizer {
 public:
  Result<std::vector<std::int64_t>> encode(std::string_view text, bool) const override {
    std::vector<std::int64_t> ids;
    for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
    return ids;
  }
  Result<std::string> decode(std::span<const std::int64_t> ids, bool) const override {
    std::string text;
    for (const std::int64_t id : ids) text.push_back(static_cast<char>(id));
    return text;
  }
  std::int64_t vocabulary() const override { return 256; }
  std::string token(std::int64_t id) const override {
    return std::string(1, static_cast<char>(id));
  }
  std::unique_ptr<Stream> stream(bool) const override { return std::make_unique<Bytes>(); }

 private:
  class Bytes final : public Stream {
    Result<std::string> push(std::int64_t id) override {
      kept_.push_back(static_cast<char>(id));
      const auto first = static_cast<unsigned char>(kept_.front());
      const std::size_t needed = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
      return kept_.size() >= needed ? std::exchange(kept_, {}) : std::string();
    }
    Result<std::string> finish() override {
      return std::exchange(kept_, {}).empty() ? std::string() : std::string("\uFFFD");
    }
    std::string kept_;
  };
};

inline constexpr std::int64_t kEnd = 0;

// Text of bytes; `chunk` 0: without a cache.
inline model::Package text_package(std::int64_t slots, std::int64_t context, std::int64_t chunk) {
  using model::kBatchDimension, model::kLoopDimension;
  model::Package package;
  auto& m = package.manifest;
  m.task = model::Task::kTextGeneration;
  model::TextInput prompt;
  prompt.default_text = "a";
  m.inputs = {{"prompt", "", prompt}};
  model::AutoregressiveLoop loop;
  loop.slots = slots;
  loop.context = context;
  loop.prompt = "prompt";
  loop.tokens = "tokens";
  loop.logits = "logits";
  loop.end = {kEnd};
  const Shape vocabulary =
      chunk > 0 ? Shape{kBatchDimension, 256} : Shape{kBatchDimension, context, 256};
  m.call.arguments = {{"tokens", "", DType::kInt64, {kBatchDimension, kLoopDimension}}};
  m.call.results = {{"logits", DType::kFloat32, vocabulary}};
  if (chunk > 0) {
    loop.chunk = chunk;
    loop.positions = "positions";
    loop.lengths = "lengths";
    loop.cache = {{"cache", "cache_out"}};
    m.call.arguments.push_back({"positions", "", DType::kInt64, {kBatchDimension}});
    m.call.arguments.push_back({"lengths", "", DType::kInt32, {kBatchDimension}});
    m.call.arguments.push_back({"cache", "", DType::kFloat32, {kBatchDimension, 1}});
    m.call.results.push_back({"cache_out", DType::kFloat32, {kBatchDimension, 1}});
  }
  m.loop = loop;
  m.outputs = {{"text", "", model::TextOutput{}}};
  return package;
}

// What comes after everything in `seen`: letters at random, sometimes the end. Depends on every
// token that was seen.
using NextLogits = std::function<void(std::uint64_t seen, std::span<float> logits)>;
inline std::uint64_t saw(std::uint64_t seen, std::int64_t token) {
  return random_block(seen, 7, static_cast<std::uint64_t>(token))[0] | (seen << 32);
}
inline void random_letters(std::uint64_t seen, std::span<float> logits) {
  for (std::size_t id = 0; id < logits.size(); ++id) {
    const bool letter = id >= 'a' && id <= 'z';
    const float score = 6 * uniform_of(random_block(seen, 8, id)[0]);
    logits[id] = letter ? score : id == kEnd ? score - 4 : -30;
  }
}
inline FakeModel::Function text_function(NextLogits next, bool cached) {
  return [next = std::move(next), cached](
             std::span<const Tensor> arguments,
             std::vector<std::uint64_t>& seen) -> Result<std::vector<Tensor>> {
    const Tensor& tokens = arguments[0];
    const auto rows = static_cast<std::size_t>(tokens.shape()[0]);
    const auto width = static_cast<std::size_t>(tokens.shape()[1]);
    Tensor logits(DType::kFloat32, cached ? Shape{tokens.shape()[0], 256}
                                          : Shape{tokens.shape()[0], tokens.shape()[1], 256});
    for (std::size_t row = 0; row < rows; ++row) {
      const std::size_t length = cached ? static_cast<std::size_t>(load(arguments[2], row)) : width;
      std::uint64_t hash = cached ? seen[row] : 0;
      if (cached && length > 0 && load(arguments[1], row) == 0) hash = 0;
      for (std::size_t i = 0; i < length; ++i) {
        hash = saw(hash, tokens.values<std::int64_t>()[row * width + i]);
        if (cached && i + 1 < length) continue;
        const std::size_t place = cached ? row : row * width + i;
        next(hash, logits.mutable_values<float>().subspan(place * 256, 256));
      }
      if (cached) seen[row] = hash;
    }
    std::vector<Tensor> results{logits};
    if (cached) results.emplace_back();
    return results;
  };
}

inline RequestParser parser_of(const model::Package& package) {
  RequestParser::Tokenizers tokenizers;
  for (const auto& input : package.manifest.inputs) {
    if (std::holds_alternative<model::TextInput>(input.kind)) {
      tokenizers[input.name] = std::make_shared<ByteTokenizer>();
    }
  }
  auto parser = RequestParser::create_with(package, std::move(tokenizers));
  SERIN_CHECK(parser.has_value());
  return *std::move(parser);
}

}  // namespace serin::engine::fake
