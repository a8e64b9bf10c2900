// SPDX-License-Identifier: Apache-2.0
// A request's JSON, checked against a package, becomes an engine::Request. Every API goes through
// here.
//
// Errors are kInvalidArgument with `param` (the field) and `reason`, one of: unknown_parameter,
// invalid_type, invalid_value, missing_required_parameter, string_above_max_length,
// media_above_max_size, context_length_exceeded.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "engine/engine.h"
#include "model/package.h"
#include "model/tokenizer.h"

namespace serin::engine {

struct RequestLimits {
  std::size_t string_bytes = 1 << 20;
  std::size_t media_bytes = 32 << 20;
  std::int64_t max_tokens = 4096;
};

// Built once a package, which must outlive it; parse() is const and safe from any thread.
class RequestParser {
 public:
  using Tokenizers =
      std::map<std::string, std::shared_ptr<const model::Tokenizer>>;  // by text input
  using Tensors = std::map<std::string, Tensor>;                       // by input

  // Reads the package's tokenizers, chat template and default files.
  static Result<RequestParser> create(const model::Package& package, RequestLimits limits = {});
  static Result<RequestParser> create_with(const model::Package& package, Tokenizers tokenizers,
                                           RequestLimits limits = {});

  // `fields` holds input names and the reserved keys of docs/package-format.md; null is as good as
  // absent. Without a seed one is drawn from the system's random source, below 2^53 so that every
  // client can say it again. `tensors` holds values of `tensor` inputs that came in binary.
  Result<Request> parse(const json::object& fields, Tensors tensors = {}) const;

  // Whether parse() of a request of so many bytes is short enough for a connection's own thread.
  bool is_quick(std::size_t bytes) const { return bytes <= quick_bytes_; }

  // Makes `request` go on after `answer`, the ids of a stream that broke.
  Status resume(Request& request, std::vector<std::int64_t> answer) const;

  // Of the prompt or the first text input. Null where the package has no text.
  const model::Tokenizer* tokenizer() const { return tokenizer_.get(); }
  std::shared_ptr<const model::Tokenizer> shared_tokenizer() const { return tokenizer_; }
  // Of the prompt. Null where it has none.
  const model::ChatTemplate* chat_template() const { return chat_template_.get(); }

 private:
  RequestParser(const model::Package& package, RequestLimits limits)
      : package_(&package), limits_(limits) {}
  Status read_defaults();
  Status refuse_unknown(const json::object& fields) const;
  Status read_input(const model::Input& input, std::size_t place, const json::value* value,
                    Request& request) const;
  Status read_text(const model::Input& input, const json::value* value, Request& request) const;
  Result<std::vector<std::int64_t>> ids_of(const model::Input& input, const json::value* value,
                                           bool special_tokens) const;
  Result<std::vector<std::int64_t>> prompt_of(const model::Input& input,
                                              std::vector<std::int64_t> ids) const;

  const model::Package* package_;
  RequestLimits limits_;
  Tokenizers tokenizers_;
  Tensors defaults_;  // from files
  std::shared_ptr<const model::Tokenizer> tokenizer_;
  std::shared_ptr<const model::ChatTemplate> chat_template_;
  std::size_t quick_bytes_ = 0;
};

}  // namespace serin::engine
