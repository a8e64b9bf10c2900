// SPDX-License-Identifier: Apache-2.0
#include "engine/request.h"

#include <sys/random.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/files.h"
#include "base/words.h"
#include "engine/random.h"
#include "engine/request_errors.h"
#include "engine/request_inputs.h"
#include "engine/request_sampling.h"
#include "model/manifest_reader.h"

namespace serin::engine {
namespace {

Result<std::uint64_t> seed_of(const json::object& fields) {
  if (const auto* value = present(fields, "seed")) {
    SERIN_TRY_ASSIGN(const std::int64_t seed,
                     integer_from("seed", *value, 0, std::numeric_limits<std::int64_t>::max()));
    return static_cast<std::uint64_t>(seed);
  }
  std::uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != static_cast<ssize_t>(sizeof seed)) {
    return fail(Code::kInternal, "the system's random source gave no seed");
  }
  return seed >> 11;  // 53 bits: a JSON number that every client reads exactly
}

// The size of the vocabulary that the model's logits have.
std::int64_t vocabulary_of(const model::Manifest& manifest, const model::AutoregressiveLoop& loop) {
  const auto* logits = manifest.find_result(loop.logits);
  return logits == nullptr || logits->shape.empty() ? 0 : logits->shape.back();
}

Status inside_vocabulary(const std::vector<std::int64_t>& ids, std::int64_t vocabulary,
                         std::string_view name) {
  for (const std::int64_t id : ids) {
    if (id < 0 || id >= vocabulary) {
      return wrong_value(name, std::to_string(id) +
                                   " is not a token of this model; ids go from 0 to " +
                                   std::to_string(vocabulary - 1));
    }
  }
  return {};
}

Result<std::vector<std::int64_t>> ids_from(std::string_view name, const json::array& items,
                                           std::size_t most) {
  if (items.size() > most) {
    return refuse(
        "context_length_exceeded", name,
        "must be at most " + std::to_string(most) + " tokens, not " + std::to_string(items.size()));
  }
  std::vector<std::int64_t> ids;
  for (const auto& item : items) {
    if (!item.is_number()) return wrong_type(name, "must be a string or an array of token ids");
    SERIN_TRY_ASSIGN(const std::int64_t id,
                     integer_from(name, item, 0, std::numeric_limits<std::int32_t>::max()));
    ids.push_back(id);
  }
  return ids;
}

// How large a request may be for parse() to take well under a millisecond or two. A few hundred
// bytes can unpack to a large picture, a chat template costs what it likes, and noise is drawn
// whatever was sent.
std::size_t quick_bytes_of(const model::Manifest& manifest) {
  constexpr std::int64_t kMostDrawn = 64 * 1024;
  constexpr std::size_t kMedia = 512, kText = 4 * 1024, kNumbers = 16 * 1024;
  std::size_t bytes = kNumbers;
  std::int64_t drawn = 0;
  for (const auto& input : manifest.inputs) {
    if (const auto* noise = std::get_if<model::NoiseInput>(&input.kind)) {
      drawn += element_count(noise->shape).value_or(kMostDrawn);
    } else if (const auto* tensor = std::get_if<model::TensorInput>(&input.kind)) {
      drawn += element_count(tensor->shape).value_or(kMostDrawn);
    } else if (const auto* text = std::get_if<model::TextInput>(&input.kind)) {
      bytes = std::min(bytes, text->chat_template.empty() ? kText : 0);
    } else if (std::holds_alternative<model::ImageInput>(input.kind) ||
               std::holds_alternative<model::AudioInput>(input.kind)) {
      bytes = std::min(bytes, kMedia);
    }
  }
  return drawn > kMostDrawn ? 0 : bytes;
}

Status check_length(std::string_view name, std::string_view text, std::size_t most) {
  if (text.size() <= most) return {};
  return refuse(
      "string_above_max_length", name,
      "must be at most " + std::to_string(most) + " bytes, not " + std::to_string(text.size()));
}

// A text that becomes no tensor: whoever sends it on takes it from the fields.
Status check_text(std::string_view name, const json::value* value, std::size_t most) {
  if (value == nullptr) return {};
  if (!value->is_string()) return wrong_type(name, "must be a string");
  return check_length(name, value->get_string(), most);
}

Result<std::shared_ptr<const model::ChatTemplate>> load_chat_template(
    const model::Package& package) {
  const auto* loop = std::get_if<model::AutoregressiveLoop>(&package.manifest.loop);
  const model::Input* prompt = loop ? package.manifest.find_input(loop->prompt) : nullptr;
  const auto* text = prompt ? std::get_if<model::TextInput>(&prompt->kind) : nullptr;
  if (text == nullptr || text->chat_template.empty()) return nullptr;
  return model::ChatTemplate::load(package.file(text->chat_template));
}

}  // namespace

Result<RequestParser> RequestParser::create(const model::Package& package, RequestLimits limits) {
  Tokenizers tokenizers;
  for (const auto& input : package.manifest.inputs) {
    const auto* text = std::get_if<model::TextInput>(&input.kind);
    if (text == nullptr || text->tokenizer.empty()) continue;
    auto loaded = model::Tokenizer::load(package.file(text->tokenizer));
    if (!loaded) return fail(std::move(loaded).error());
    tokenizers[input.name] = *std::move(loaded);
  }
  SERIN_TRY_ASSIGN(auto parser, create_with(package, std::move(tokenizers), limits));
  SERIN_TRY_ASSIGN(parser.chat_template_, load_chat_template(package));
  return parser;
}

Result<RequestParser> RequestParser::create_with(const model::Package& package,
                                                 Tokenizers tokenizers, RequestLimits limits) {
  RequestParser parser(package, limits);
  parser.tokenizers_ = std::move(tokenizers);
  for (const auto& input : package.manifest.inputs) {
    if (!std::holds_alternative<model::TextInput>(input.kind)) continue;
    const auto* loop = std::get_if<model::AutoregressiveLoop>(&package.manifest.loop);
    if (loop != nullptr && loop->prompt != input.name && parser.tokenizer_) continue;
    if (loop == nullptr && parser.tokenizer_) continue;
    parser.tokenizer_ = parser.tokenizers_[input.name];
  }
  SERIN_TRY(parser.read_defaults());
  parser.quick_bytes_ = quick_bytes_of(package.manifest);
  return parser;
}

Status RequestParser::read_defaults() {
  for (const auto& input : package_->manifest.inputs) {
    const auto* image = std::get_if<model::ImageInput>(&input.kind);
    const auto* audio = std::get_if<model::AudioInput>(&input.kind);
    const std::string file = image ? image->default_file : audio ? audio->default_file : "";
    if (file.empty()) continue;
    SERIN_TRY_ASSIGN(const std::string bytes, read_file(package_->file(file), limits_.media_bytes));
    SERIN_TRY_ASSIGN(defaults_[input.name], image ? image_from(*image, input.name, bytes)
                                                  : audio_from(*audio, input.name, bytes));
  }
  return {};
}

Status RequestParser::refuse_unknown(const json::object& fields) const {
  std::vector<std::string_view> known = reserved_keys(package_->manifest);
  for (const auto& input : package_->manifest.inputs) {
    if (!std::holds_alternative<model::NoiseInput>(input.kind)) known.push_back(input.name);
  }
  for (const auto& [key, value] : fields) {
    if (std::ranges::find(known, std::string_view(key)) != known.end()) continue;
    const std::string_view meant = nearest(key, known);
    return refuse("unknown_parameter", std::string_view(key).substr(0, 64),
                  meant.empty()
                      ? "is not a field of this model; " + there_are(known)
                      : "is not a field of this model; did you mean " + shown(meant) + "?");
  }
  return {};
}

Result<Request> RequestParser::parse(const json::object& fields, Tensors tensors) const {
  const model::Manifest& manifest = package_->manifest;
  SERIN_TRY(refuse_unknown(fields));
  Request request;
  SERIN_TRY_ASSIGN(request.seed, seed_of(fields));
  for (auto& [name, tensor] : tensors) {
    const model::Input* input = manifest.find_input(name);
    const auto* spec = input == nullptr ? nullptr : std::get_if<model::TensorInput>(&input->kind);
    if (spec == nullptr) return refuse("unknown_parameter", name, "is not a tensor input");
    if (tensor.dtype() != spec->dtype || tensor.shape() != spec->shape) {
      return wrong_value(name, "must be " + std::string(name_of(spec->dtype)) + " " +
                                   serin::to_string(spec->shape) + ", not " +
                                   std::string(name_of(tensor.dtype())) + " " +
                                   serin::to_string(tensor.shape()));
    }
    request.inputs[name] = std::move(tensor);
  }
  for (std::size_t place = 0; place < manifest.inputs.size(); ++place) {
    const model::Input& input = manifest.inputs[place];
    if (request.inputs.contains(input.name)) continue;
    SERIN_TRY(read_input(input, place, present(fields, input.name), request));
  }
  if (const auto* loop = std::get_if<model::DiffusionLoop>(&manifest.loop)) {
    SERIN_TRY(diffusion_from(fields, *loop, request));
  }
  if (std::holds_alternative<model::AutoregressiveLoop>(manifest.loop)) {
    SERIN_TRY_ASSIGN(request.sampling, sampling_from(fields, limits_.max_tokens));
  }
  return request;
}

Status RequestParser::read_input(const model::Input& input, std::size_t place,
                                 const json::value* value, Request& request) const {
  if (std::holds_alternative<model::TextInput>(input.kind)) return read_text(input, value, request);
  Tensor& made = request.inputs[input.name];
  if (const auto* noise = std::get_if<model::NoiseInput>(&input.kind)) {
    made = noise_tensor(*noise, request.seed, place);
  } else if (const auto* label = std::get_if<model::LabelInput>(&input.kind)) {
    if (value != nullptr) {
      SERIN_TRY_ASSIGN(made, label_from(*label, input.name, *value));
    } else if (label->default_label) {
      SERIN_TRY_ASSIGN(made, label_from(*label, input.name, json::value(*label->default_label)));
    } else {
      made = label_tensor(*label, draw_label(request.seed, place, label->labels.size()));
    }
  } else if (const auto* number = std::get_if<model::NumberInput>(&input.kind)) {
    const json::value chosen = value != nullptr ? *value : json::value(number->default_value);
    SERIN_TRY_ASSIGN(made, number_from(*number, input.name, chosen));
  } else if (const auto* tensor = std::get_if<model::TensorInput>(&input.kind);
             tensor != nullptr && (value != nullptr || tensor->fill)) {
    if (value == nullptr) {
      made = filled_tensor(*tensor, *tensor->fill);
    } else {
      SERIN_TRY_ASSIGN(made, tensor_from(*tensor, input.name, *value));
    }
  } else if (value != nullptr) {
    SERIN_TRY_ASSIGN(const std::string bytes,
                     media_bytes_from(input.name, *value, limits_.media_bytes));
    const auto* image = std::get_if<model::ImageInput>(&input.kind);
    SERIN_TRY_ASSIGN(
        made, image ? image_from(*image, input.name, bytes)
                    : audio_from(std::get<model::AudioInput>(input.kind), input.name, bytes));
  } else if (const auto found = defaults_.find(input.name); found != defaults_.end()) {
    made = found->second;
  } else {
    return refuse("missing_required_parameter", input.name, "is required: it has no default");
  }
  return {};
}

Result<std::vector<std::int64_t>> RequestParser::ids_of(const model::Input& input,
                                                        const json::value* value,
                                                        bool special_tokens) const {
  const auto& text = std::get<model::TextInput>(input.kind);
  if (value != nullptr && value->is_array()) {
    return ids_from(input.name, value->get_array(), limits_.string_bytes);
  }
  if (value != nullptr && !value->is_string()) {
    return wrong_type(input.name, "must be a string or an array of token ids");
  }
  const std::string_view given = value != nullptr ? std::string_view(value->get_string())
                                                  : std::string_view(text.default_text);
  SERIN_TRY(check_length(input.name, given, limits_.string_bytes));
  return tokenizers_.at(input.name)->encode(given, special_tokens);
}

Status RequestParser::read_text(const model::Input& input, const json::value* value,
                                Request& request) const {
  const auto& text = std::get<model::TextInput>(input.kind);
  const auto found = tokenizers_.find(input.name);
  if (found == tokenizers_.end() || found->second == nullptr)
    return check_text(input.name, value, limits_.string_bytes);
  const auto* loop = std::get_if<model::AutoregressiveLoop>(&package_->manifest.loop);
  const bool prompt = loop != nullptr && loop->prompt == input.name;
  SERIN_TRY_ASSIGN(std::vector<std::int64_t> ids, ids_of(input, value, !prompt));
  if (text.max_tokens > 0 && static_cast<std::int64_t>(ids.size()) > text.max_tokens) {
    return refuse("context_length_exceeded", input.name,
                  "must be at most " + std::to_string(text.max_tokens) + " tokens, not " +
                      std::to_string(ids.size()));
  }
  if (prompt) {
    SERIN_TRY_ASSIGN(request.prompt, prompt_of(input, std::move(ids)));
  } else {
    SERIN_TRY(inside_vocabulary(ids, tokenizers_.at(input.name)->vocabulary(), input.name));
    request.inputs[input.name] = text_tensor(text, ids);
  }
  return {};
}

Result<std::vector<std::int64_t>> RequestParser::prompt_of(const model::Input& input,
                                                           std::vector<std::int64_t> ids) const {
  const auto& loop = std::get<model::AutoregressiveLoop>(package_->manifest.loop);
  // A chat template may have written it already.
  if (loop.begin && (ids.empty() || ids.front() != *loop.begin))
    ids.insert(ids.begin(), *loop.begin);
  if (ids.empty()) {
    return refuse("missing_required_parameter", input.name,
                  "must not be empty: this model has no token to begin with");
  }
  if (static_cast<std::int64_t>(ids.size()) >= loop.context) {
    return refuse("context_length_exceeded", input.name,
                  "has " + std::to_string(ids.size()) + " tokens; this model's context is " +
                      std::to_string(loop.context) + ", prompt and answer together");
  }
  SERIN_TRY(inside_vocabulary(ids, vocabulary_of(package_->manifest, loop), input.name));
  return ids;
}

Status RequestParser::resume(Request& request, std::vector<std::int64_t> answer) const {
  const auto* loop = std::get_if<model::AutoregressiveLoop>(&package_->manifest.loop);
  if (loop == nullptr) return wrong_value("continued", "only a text generation can go on");
  const auto length = static_cast<std::int64_t>(answer.size());
  if (length > request.sampling.max_tokens ||
      length + static_cast<std::int64_t>(request.prompt.size()) > loop->context) {
    return wrong_value("continued", std::to_string(length) +
                                        " tokens are more than max_tokens and the context allow");
  }
  SERIN_TRY(inside_vocabulary(answer, vocabulary_of(package_->manifest, *loop), "continued"));
  request.continued = std::move(answer);
  return {};
}

}  // namespace serin::engine
