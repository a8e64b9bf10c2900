// SPDX-License-Identifier: Apache-2.0
// A request's JSON, checked against a package, becomes an engine::Request. Every API goes through here.
#pragma once

#include <memory>

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

// Built once a package; parse() is const and safe from any thread.
class RequestParser {
 public:
  static Result<RequestParser> create(const model::Package& package, RequestLimits limits = {});

  // `fields` holds input names and the reserved keys of docs/package-format.md. Without a seed one is drawn from the
  // system's random source. Errors are kInvalidArgument with `param`; a prompt over the context has the reason
  // "context_length_exceeded".
  Result<Request> parse(const json::object& fields) const;

  // Null where the package has no text.
  const model::Tokenizer* tokenizer() const { return tokenizer_.get(); }
  std::shared_ptr<const model::Tokenizer> shared_tokenizer() const { return tokenizer_; }

 private:
  RequestParser(const model::Package& package, RequestLimits limits) : package_(&package), limits_(limits) {}
  const model::Package* package_;
  RequestLimits limits_;
  std::shared_ptr<const model::Tokenizer> tokenizer_;
};

}  // namespace serin::engine
