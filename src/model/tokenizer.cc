// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.h"

#include <cstring>
#include <limits>
#include <utility>

#include "base/files.h"
#include "serin_text.h"

namespace serin::model {
namespace {

constexpr std::uint64_t kMaxTokenizerBytes = 256u << 20;
constexpr std::uint64_t kMaxTemplateBytes = 1u << 20;
constexpr std::size_t kMaxRenderedBytes = 16u << 20;

// Bytes that the library made, given back at the end of the scope.
class Made {
 public:
  Made() = default;
  ~Made() { serin_text_free(buffer_); }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;

  SerinTextBuffer* out() { return &buffer_; }
  std::string text() const { return {buffer_.data, buffer_.size}; }
  std::vector<std::int64_t> ids() const {
    std::vector<std::int64_t> widened(buffer_.size / sizeof(std::uint32_t));
    for (std::size_t i = 0; i < widened.size(); ++i) {
      std::uint32_t id = 0;
      std::memcpy(&id, buffer_.data + i * sizeof id, sizeof id);
      widened[i] = id;
    }
    return widened;
  }

 private:
  SerinTextBuffer buffer_{};
};

SerinTextView view(std::string_view text) { return {text.data(), text.size()}; }

template <auto kFree>
struct Ender {
  void operator()(auto* handle) const { kFree(handle); }
};

Result<std::uint32_t> narrow(std::int64_t id) {
  if (id < 0 || id > std::numeric_limits<std::uint32_t>::max())
    return invalid("token id " + std::to_string(id) + " is not in [0, 2^32)");
  return static_cast<std::uint32_t>(id);
}

class RustStream final : public Tokenizer::Stream {
 public:
  explicit RustStream(SerinStream* stream) : stream_(stream) {}

  Result<std::string> push(std::int64_t id) override {
    SERIN_TRY_ASSIGN(const std::uint32_t narrowed, narrow(id));
    Made made;
    if (!serin_stream_push(stream_.get(), narrowed, made.out())) return invalid(made.text());
    return made.text();
  }
  Result<std::string> finish() override {
    Made made;
    if (!serin_stream_finish(stream_.get(), made.out())) return invalid(made.text());
    return made.text();
  }

 private:
  std::unique_ptr<SerinStream, Ender<serin_stream_free>> stream_;
};

class RustTokenizer final : public Tokenizer {
 public:
  explicit RustTokenizer(SerinTokenizer* tokenizer) : tokenizer_(tokenizer) {}

  Result<std::vector<std::int64_t>> encode(std::string_view text,
                                           bool special_tokens) const override {
    Made made;
    if (!serin_tokenizer_encode(tokenizer_.get(), view(text), special_tokens, made.out()))
      return invalid("cannot tokenize the text: " + made.text());
    return made.ids();
  }

  Result<std::string> decode(std::span<const std::int64_t> ids, bool skip_special) const override {
    std::vector<std::uint32_t> narrowed;
    narrowed.reserve(ids.size());
    for (const std::int64_t id : ids) {
      SERIN_TRY_ASSIGN(const std::uint32_t one, narrow(id));
      narrowed.push_back(one);
    }
    Made made;
    if (!serin_tokenizer_decode(tokenizer_.get(), narrowed.data(), narrowed.size(), skip_special,
                                made.out()))
      return invalid("cannot decode the tokens: " + made.text());
    return made.text();
  }

  std::int64_t vocabulary() const override { return serin_tokenizer_vocabulary(tokenizer_.get()); }

  std::string token(std::int64_t id) const override {
    const auto narrowed = narrow(id);
    if (!narrowed) return {};
    Made made;
    return serin_tokenizer_token(tokenizer_.get(), *narrowed, made.out()) ? made.text() : "";
  }

  std::unique_ptr<Stream> stream(bool skip_special) const override {
    return std::make_unique<RustStream>(serin_stream_new(tokenizer_.get(), skip_special));
  }

 private:
  std::unique_ptr<SerinTokenizer, Ender<serin_tokenizer_free>> tokenizer_;
};

class RustChatTemplate final : public ChatTemplate {
 public:
  RustChatTemplate(SerinTemplate* chat_template, const Clock& clock)
      : template_(chat_template), clock_(clock) {}

  Result<std::string> render(const json::array& messages, const json::object& variables,
                             bool add_generation_prompt) const override {
    json::object context = variables;
    context["messages"] = messages;
    context["add_generation_prompt"] = add_generation_prompt;
    context["now"] = unix_seconds(clock_);
    Made made;
    if (!serin_template_render(template_.get(), view(json::serialize(context)), kMaxRenderedBytes,
                               made.out()))
      return invalid("the chat template refuses the messages: " + made.text(), "messages");
    return made.text();
  }

 private:
  std::unique_ptr<SerinTemplate, Ender<serin_template_free>> template_;
  const Clock& clock_;
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::load(const std::filesystem::path& tokenizer) {
  SERIN_TRY_ASSIGN(const std::string content, read_file(tokenizer, kMaxTokenizerBytes));
  Made error;
  SerinTokenizer* loaded = serin_tokenizer_load(view(content), error.out());
  if (loaded == nullptr)
    return invalid(
        tokenizer.string() +
        ": is not a tokenizer in the form of Hugging Face's tokenizer.json: " + error.text());
  return std::make_shared<const RustTokenizer>(loaded);
}

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::load(const std::filesystem::path& jinja,
                                                               const Clock& clock) {
  SERIN_TRY_ASSIGN(const std::string content, read_file(jinja, kMaxTemplateBytes));
  Made error;
  SerinTemplate* loaded = serin_template_load(view(content), error.out());
  if (loaded == nullptr)
    return invalid(jinja.string() + " is not a chat template: " + error.text());
  return std::make_shared<const RustChatTemplate>(loaded, clock);
}

}  // namespace serin::model
