// SPDX-License-Identifier: Apache-2.0
// A package's tokenizer and chat template, as the reference libraries run them (the Rust crates `tokenizers` and
// `minijinja`, in text/, behind a C ABI). Immutable after load: safe from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::model {

class Tokenizer {
 public:
  // `tokenizer` in Hugging Face's tokenizer.json form. kInvalidArgument with what the library said.
  static Result<std::shared_ptr<const Tokenizer>> load(const std::filesystem::path& tokenizer);
  virtual ~Tokenizer() = default;

  virtual Result<std::vector<std::int64_t>> encode(std::string_view text, bool special_tokens) const = 0;
  virtual Result<std::string> decode(std::span<const std::int64_t> ids, bool skip_special) const = 0;
  virtual std::int64_t vocabulary() const = 0;
  // Nothing for an id outside the vocabulary.
  virtual std::string token(std::int64_t id) const = 0;

  // Text as ids come, one at a time: gives what is certain, keeps an incomplete UTF-8 sequence back. For one thread.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual Result<std::string> push(std::int64_t id) = 0;
  };
  virtual std::unique_ptr<Stream> stream(bool skip_special) const = 0;
};

// Renders messages [{role, content, …}] with a Jinja chat template. Bounded in time and output. kInvalidArgument with
// what the template raised.
class ChatTemplate {
 public:
  static Result<std::shared_ptr<const ChatTemplate>> load(const std::filesystem::path& jinja);
  virtual ~ChatTemplate() = default;
  virtual Result<std::string> render(const json::array& messages, const json::object& variables,
                                     bool add_generation_prompt) const = 0;
};

}  // namespace serin::model
