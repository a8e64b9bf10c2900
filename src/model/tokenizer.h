// SPDX-License-Identifier: Apache-2.0
// A package's tokenizer and chat template, as the reference libraries run them (the Rust crates
// `tokenizers` and `minijinja`, in text/, behind a C ABI). Immutable after load: safe from any
// thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

namespace serin::model {

class Tokenizer {
 public:
  // `tokenizer` in Hugging Face's tokenizer.json form; its truncation and padding are ignored.
  // kInvalidArgument with what the library said.
  static Result<std::shared_ptr<const Tokenizer>> load(const std::filesystem::path& tokenizer);
  virtual ~Tokenizer() = default;

  // kInvalidArgument when `text` is not UTF-8. `special_tokens`: with those that the file puts
  // around a text.
  virtual Result<std::vector<std::int64_t>> encode(std::string_view text,
                                                   bool special_tokens) const = 0;
  // Ids outside the vocabulary, which a model with padded logits may give, are left out; negative
  // ones are an error.
  virtual Result<std::string> decode(std::span<const std::int64_t> ids,
                                     bool skip_special) const = 0;
  // One more than the largest id.
  virtual std::int64_t vocabulary() const = 0;
  // Nothing for an id outside the vocabulary.
  virtual std::string token(std::int64_t id) const = 0;

  // Text as ids come, one at a time: gives what is certain, keeps an incomplete UTF-8 sequence
  // back. For one thread.
  class Stream {
   public:
    virtual ~Stream() = default;
    virtual Result<std::string> push(std::int64_t id) = 0;
    // What was kept back when no more ids come, with U+FFFD for bytes that never became a
    // character.
    virtual Result<std::string> finish() = 0;
  };
  virtual std::unique_ptr<Stream> stream(bool skip_special) const = 0;
};

// Renders messages [{role, content, …}] with a Jinja chat template, as transformers'
// apply_chat_template does: trimmed blocks, raise_exception, strftime_now (UTC), tojson, Python's
// string methods. `variables` holds what else the template reads: bos_token, eos_token, tools,
// documents, …. Bounded in steps, depth and output. kInvalidArgument with the line and what the
// template raised.
class ChatTemplate {
 public:
  // `clock` is what strftime_now reads; it outlives the template.
  static Result<std::shared_ptr<const ChatTemplate>> load(const std::filesystem::path& jinja,
                                                          const Clock& clock = Clock::real());
  virtual ~ChatTemplate() = default;
  virtual Result<std::string> render(const json::array& messages, const json::object& variables,
                                     bool add_generation_prompt) const = 0;
};

}  // namespace serin::model
