// SPDX-License-Identifier: Apache-2.0
#include "model/manifest_check.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/words.h"

namespace serin::model {
namespace {

bool is_float(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 ||
         dtype == DType::kFloat64;
}
bool is_index(DType dtype) { return dtype == DType::kInt32 || dtype == DType::kInt64; }

Shape batched(const Shape& item) {
  Shape shape{kBatchDimension};
  shape.insert(shape.end(), item.begin(), item.end());
  return shape;
}

template <class Items>
std::string names_in(const Items& items) {
  std::vector<std::string_view> names;
  for (const auto& item : items) names.push_back(item.name);
  return there_are(names);
}

const AutoregressiveLoop* autoregressive(const Manifest& m) {
  return std::get_if<AutoregressiveLoop>(&m.loop);
}
const DiffusionLoop* diffusion(const Manifest& m) { return std::get_if<DiffusionLoop>(&m.loop); }

// What the tensors made from an input look like, as an argument must declare them.
struct Wanted {
  bool (*dtype)(DType);
  std::string_view dtypes;
  Shape shape;
};

std::int64_t audio_samples(const AudioInput& input) {
  return std::llround(static_cast<double>(input.sample_rate) * input.max_seconds);
}

struct WantedFor {
  Wanted operator()(const NoiseInput& i) const {
    return {is_float, "a float dtype", batched(i.shape)};
  }
  Wanted operator()(const LabelInput& i) const {
    if (i.one_hot)
      return {
          is_float, "a float dtype", {kBatchDimension, static_cast<std::int64_t>(i.labels.size())}};
    return {is_index, "int64 or int32", {kBatchDimension}};
  }
  Wanted operator()(const NumberInput& i) const {
    if (i.integer)
      return {[](DType d) { return d != DType::kBool; }, "a number's dtype", {kBatchDimension}};
    return {is_float, "a float dtype (or set integer: true in the input)", {kBatchDimension}};
  }
  Wanted operator()(const TextInput& i) const {
    return {is_index, "int64 or int32", {kBatchDimension, i.max_tokens}};
  }
  Wanted operator()(const ImageInput& i) const {
    const Shape shape = i.layout == Layout::kCHW ? Shape{i.channels, i.height, i.width}
                                                 : Shape{i.height, i.width, i.channels};
    return {[](DType d) { return is_float(d) || d == DType::kUInt8; }, "a float dtype or uint8",
            batched(shape)};
  }
  Wanted operator()(const AudioInput& i) const {
    return {is_float, "a float dtype", {kBatchDimension, i.channels, audio_samples(i)}};
  }
  Wanted operator()(const TensorInput& i) const {
    return {nullptr, name_of(i.dtype), batched(i.shape)};
  }
};

// Checks are methods so that each reads as a sentence about the manifest.
class Checker {
 public:
  Checker(const Manifest& manifest, Problems& problems) : m_(manifest), problems_(problems) {}

  // Later checks rely on what earlier ones found to exist.
  void run() {
    if (m_.relayed()) return check_relayed_golden();
    check_engine();
    using Step = void (Checker::*)();
    for (const Step step :
         {&Checker::check_arguments, &Checker::check_loop, &Checker::check_fed,
          &Checker::check_used, &Checker::check_outputs, &Checker::check_golden}) {
      if (problems_.any()) return;
      (this->*step)();
    }
  }

 private:
  void wrong(const Path& path, std::string message) { problems_.add(path, std::move(message)); }

  void check_relayed_golden() {
    for (std::size_t i = 0; i < m_.golden.size(); ++i) {
      const Path path = Path("golden") / i;
      for (const auto& [name, expected] : m_.golden[i].expect) {
        if (name != "text")
          wrong(path / "expect" / name, "only text is compared in front of another server");
      }
      if (m_.remote->protocol != Remote::Protocol::kHttp) continue;
      for (const auto& member : m_.golden[i].request)
        check_golden_key(path / "request" / std::string_view(member.key()), member.key(),
                         member.value());
    }
  }

  void check_engine() {
    if (m_.engine == EngineKind::kTorch && !m_.model.ends_with(".pt") &&
        !m_.model.ends_with(".pt2")) {
      wrong("model",
            shown(m_.model) + " must end with .pt (TorchScript) or .pt2 (an exported program)");
    }
    for (std::size_t i = 0; i < m_.inputs.size(); ++i) {
      const auto* text = std::get_if<TextInput>(&m_.inputs[i].kind);
      if (text == nullptr) continue;
      const Path path = Path("inputs") / i;
      if (!autoregressive(m_) && text->max_tokens == 0)
        wrong(path,
              "maxTokens is missing; outside an autoregressive loop a text has a fixed length");
      if (!autoregressive(m_) && !text->chat_template.empty())
        wrong(path / "chatTemplate", "goes only with an autoregressive loop");
    }
  }

  void check_arguments() {
    for (std::size_t i = 0; i < m_.call.arguments.size(); ++i) check_argument(i);
  }

  void check_loop() {
    if (const auto* loop = diffusion(m_)) check_diffusion(*loop);
    if (const auto* loop = autoregressive(m_)) check_autoregressive(*loop);
  }

  void check_outputs() {
    for (std::size_t i = 0; i < m_.outputs.size(); ++i) check_output(i);
    check_task();
  }

  void check_argument(std::size_t index) {
    const Argument& argument = m_.call.arguments[index];
    const Path path = Path("call") / "arguments" / index;
    if (argument.input.empty()) return;
    const Input* input = m_.find_input(argument.input);
    if (input == nullptr) {
      wrong(path / "input",
            "no input is named " + shown(argument.input) + "; " + names_in(m_.inputs));
      return;
    }
    const Wanted wanted = std::visit(WantedFor{}, input->kind);
    const auto* tensor = std::get_if<TensorInput>(&input->kind);
    if (tensor != nullptr ? argument.dtype != tensor->dtype : !wanted.dtype(argument.dtype)) {
      wrong(path / "dtype", "must be " + std::string(wanted.dtypes) + " for the input " +
                                shown(input->name) + ", not " +
                                std::string(name_of(argument.dtype)));
    }
    if (argument.shape != wanted.shape) {
      wrong(path / "shape", "must be " + declared_shape(wanted.shape) + " for the input " +
                                shown(input->name) + ", not " + declared_shape(argument.shape));
    }
  }

  // An argument that the loop feeds; null and a problem where there is none.
  const Argument* loop_argument(const Path& path, const std::string& name) {
    const Argument* argument = m_.find_argument(name);
    if (argument == nullptr) {
      wrong(path, "no argument is named " + shown(name) + "; " + names_in(m_.call.arguments));
    } else if (!argument->input.empty()) {
      wrong(path, "the argument " + shown(name) + " is fed by the input " + shown(argument->input) +
                      "; one that the loop feeds names no input");
      return nullptr;
    }
    return argument;
  }

  const ResultSpec* loop_result(const Path& path, const std::string& name) {
    const ResultSpec* result = m_.find_result(name);
    if (result == nullptr)
      wrong(path, "no result is named " + shown(name) + "; " + names_in(m_.call.results));
    return result;
  }

  void must_be(const Path& path, std::string_view what, const std::string& name, const Shape& shape,
               const Shape& wanted) {
    if (shape != wanted)
      wrong(path, std::string(what) + " " + shown(name) + " must have the shape " +
                      declared_shape(wanted) + ", not " + declared_shape(shape));
  }

  void check_diffusion(const DiffusionLoop& loop) {
    const Path path("loop");
    const Argument* state = m_.find_argument(loop.state);
    if (state == nullptr) {
      wrong(path / "state",
            "no argument is named " + shown(loop.state) + "; " + names_in(m_.call.arguments));
      return;
    }
    const Input* noise = m_.find_input(state->input);
    if (noise == nullptr || !std::holds_alternative<NoiseInput>(noise->kind)) {
      wrong(path / "state", "the argument " + shown(loop.state) + " must name a noise input");
    }
    if (const Argument* time = loop_argument(path / "timestep", loop.timestep)) {
      if (time->dtype != DType::kFloat32)
        wrong(path / "timestep", "the argument " + shown(loop.timestep) + " must be float32");
      must_be(path / "timestep", "the argument", loop.timestep, time->shape, {kBatchDimension});
    }
    if (const ResultSpec* prediction = loop_result(path / "prediction", loop.prediction)) {
      if (!is_float(prediction->dtype))
        wrong(path / "prediction",
              "the result " + shown(loop.prediction) + " must have a float dtype");
      must_be(path / "prediction", "the result", loop.prediction, prediction->shape, state->shape);
    }
    if (m_.find_result("state") != nullptr)
      wrong(Path("call") / "results",
            "in a diffusion loop \"state\" is the final state; name the result otherwise");
    if (loop.guidance) check_guidance(*loop.guidance);
  }

  void check_guidance(const DiffusionLoop::Guidance& guidance) {
    const Path path = Path("loop") / "guidance";
    const Input* input = m_.find_input(guidance.input);
    const auto* label = input == nullptr ? nullptr : std::get_if<LabelInput>(&input->kind);
    if (label == nullptr) {
      wrong(path / "input", shown(guidance.input) + " must be the name of a label input");
    } else if (std::ranges::find(label->labels, guidance.unconditional) == label->labels.end()) {
      wrong(path / "unconditional", shown(guidance.unconditional) +
                                        " is not one of the labels of " + shown(guidance.input));
    }
  }

  void check_token_argument(const Path& path, const std::string& name, const Shape& wanted) {
    const Argument* argument = loop_argument(path, name);
    if (argument == nullptr) return;
    if (!is_index(argument->dtype))
      wrong(path, "the argument " + shown(name) + " must be int64 or int32");
    must_be(path, "the argument", name, argument->shape, wanted);
  }

  void check_autoregressive(const AutoregressiveLoop& loop) {
    const Path path("loop");
    const Input* prompt = m_.find_input(loop.prompt);
    const auto* text = prompt == nullptr ? nullptr : std::get_if<TextInput>(&prompt->kind);
    if (text == nullptr) {
      wrong(path / "prompt", shown(loop.prompt) + " must be the name of a text input");
      return;
    }
    if (text->max_tokens > loop.context)
      wrong(path / "context", "must not be less than the prompt's maxTokens (" +
                                  std::to_string(text->max_tokens) + ")");
    const bool cached = !loop.cache.empty();
    const Argument* tokens = m_.find_argument(loop.tokens);
    const bool free_length =
        tokens != nullptr && tokens->shape.size() == 2 && tokens->shape[1] == kLoopDimension;
    const std::int64_t length = cached || free_length ? kLoopDimension : loop.context;
    check_token_argument(path / "tokens", loop.tokens, {kBatchDimension, length});
    if (cached) {
      check_token_argument(path / "positions", loop.positions, {kBatchDimension});
      check_token_argument(path / "lengths", loop.lengths, {kBatchDimension});
    }
    check_logits(loop, *text, cached);
    for (std::size_t i = 0; i < loop.cache.size(); ++i)
      check_cache(loop.cache[i], path / "cache" / i);
  }

  void check_logits(const AutoregressiveLoop& loop, const TextInput& text, bool cached) {
    const Path path("loop");
    const ResultSpec* logits = loop_result(path / "logits", loop.logits);
    if (logits == nullptr) return;
    if (logits->dtype != DType::kFloat32)
      wrong(path / "logits", "the result " + shown(loop.logits) + " must be float32");
    const Shape& shape = logits->shape;
    const std::int64_t vocabulary = shape.empty() ? 0 : shape.back();
    const bool fits =
        cached ? shape.size() == 2
               : shape.size() == 3 && (shape[1] == kLoopDimension || shape[1] == loop.context);
    if (!fits || vocabulary < 1) {
      wrong(path / "logits",
            "the result " + shown(loop.logits) + " must have the shape " +
                (cached ? "[N, vocabulary]"
                        : "[N, " + std::to_string(loop.context) + ", vocabulary]") +
                ", not " + declared_shape(shape));
      return;
    }
    const auto inside = [&](const Path& place, std::int64_t id) {
      if (id >= vocabulary)
        wrong(place, std::to_string(id) + " is not a token; the vocabulary has " +
                         std::to_string(vocabulary));
    };
    if (loop.begin) inside(path / "begin", *loop.begin);
    for (std::size_t i = 0; i < loop.end.size(); ++i) inside(path / "end" / i, loop.end[i]);
    for (std::size_t i = 0; i < m_.inputs.size(); ++i) {
      if (m_.inputs[i].name == loop.prompt) inside(Path("inputs") / i / "padToken", text.pad_token);
    }
  }

  void check_cache(const AutoregressiveLoop::Cache& pair, const Path& path) {
    const Argument* argument = loop_argument(path / "argument", pair.argument);
    const ResultSpec* result = loop_result(path / "result", pair.result);
    if (argument == nullptr || result == nullptr) return;
    if (std::ranges::find(argument->shape, kLoopDimension) != argument->shape.end()) {
      wrong(path / "argument", "the argument " + shown(pair.argument) +
                                   " must have a fixed shape, not " +
                                   declared_shape(argument->shape));
    }
    if (argument->dtype != result->dtype || argument->shape != result->shape) {
      wrong(path / "result",
            "the result " + shown(pair.result) + " must have its argument's dtype and shape, " +
                std::string(name_of(argument->dtype)) + " " + declared_shape(argument->shape));
    }
  }

  bool fed_by_loop(const std::string& argument) const {
    if (const auto* loop = diffusion(m_)) return argument == loop->timestep;
    const auto* loop = autoregressive(m_);
    if (loop == nullptr) return false;
    return argument == loop->tokens || argument == loop->positions || argument == loop->lengths ||
           std::ranges::find(loop->cache, argument, &AutoregressiveLoop::Cache::argument) !=
               loop->cache.end();
  }

  void check_fed() {
    for (std::size_t i = 0; i < m_.call.arguments.size(); ++i) {
      const Argument& argument = m_.call.arguments[i];
      const Path path = Path("call") / "arguments" / i;
      if (argument.input.empty() && !fed_by_loop(argument.name)) {
        wrong(path, "nothing feeds it; name one of the inputs in input, or let the loop feed it");
      }
      if (!autoregressive(m_)) no_loop_dimension(path, argument.shape);
    }
    for (std::size_t i = 0; i < m_.call.results.size() && !autoregressive(m_); ++i) {
      no_loop_dimension(Path("call") / "results" / i, m_.call.results[i].shape);
    }
  }

  void no_loop_dimension(const Path& path, const Shape& shape) {
    if (std::ranges::find(shape, kLoopDimension) != shape.end())
      wrong(path / "shape", "T goes only with an autoregressive loop");
  }

  void check_used() {
    const auto* loop = autoregressive(m_);
    for (std::size_t i = 0; i < m_.inputs.size(); ++i) {
      const std::string& name = m_.inputs[i].name;
      const bool used =
          std::ranges::find(m_.call.arguments, name, &Argument::input) != m_.call.arguments.end();
      if (!used && !(loop != nullptr && loop->prompt == name))
        wrong(Path("inputs") / i, "no argument of call uses " + shown(name));
    }
  }

  void check_output(std::size_t index) {
    const Output& output = m_.outputs[index];
    const Path path = Path("outputs") / index;
    if (std::holds_alternative<TextOutput>(output.kind)) {
      if (!autoregressive(m_)) wrong(path / "kind", "text comes only from an autoregressive loop");
      return;
    }
    if (autoregressive(m_)) {
      wrong(path / "kind", "an autoregressive loop gives text; must be text");
      return;
    }
    Shape shape;
    DType dtype = DType::kFloat32;
    if (const auto* loop = diffusion(m_); loop != nullptr && output.result == "state") {
      shape = m_.find_argument(loop->state)->shape;
    } else if (const ResultSpec* result = m_.find_result(output.result)) {
      shape = result->shape;
      dtype = result->dtype;
    } else {
      wrong(path / "result", "no result is named " + shown(output.result) + "; " +
                                 names_in(m_.call.results) +
                                 (diffusion(m_) ? ", and state for the final state" : ""));
      return;
    }
    check_medium(output, path, shape, dtype);
  }

  void check_medium(const Output& output, const Path& path, const Shape& shape, DType dtype) {
    const auto check = [&](Layout layout, std::initializer_list<std::int64_t> channels,
                           bool bytes) {
      const std::string_view letters = name_of(layout);
      if (shape.size() != letters.size() + 1) {
        wrong(path / "layout", std::string(letters) + " needs a result of " +
                                   std::to_string(letters.size() + 1) + " dimensions with N; " +
                                   shown(output.result) + " is " + declared_shape(shape));
        return;
      }
      const std::size_t c = letters.find('C');
      if (c != std::string_view::npos &&
          std::ranges::find(channels, shape[c + 1]) == channels.end()) {
        wrong(path / "layout", std::string(letters) + " makes " + std::to_string(shape[c + 1]) +
                                   " channels of " + declared_shape(shape) + "; must be " +
                                   (channels.size() == 3           ? "1, 3 or 4"
                                    : *(channels.begin() + 1) == 3 ? "1 or 3"
                                                                   : "1 or 2"));
      }
      if (!is_float(dtype) && !(bytes && dtype == DType::kUInt8)) {
        wrong(path / "result", shown(output.result) + " must have a float dtype" +
                                   (bytes ? " or uint8" : "") + ", not " +
                                   std::string(name_of(dtype)));
      }
    };
    if (const auto* image = std::get_if<ImageOutput>(&output.kind))
      check(image->layout, {1, 3, 4}, true);
    if (const auto* video = std::get_if<VideoOutput>(&output.kind))
      check(video->layout, {1, 3}, true);
    if (const auto* audio = std::get_if<AudioOutput>(&output.kind))
      check(audio->layout, {1, 2}, false);
  }

  void check_task() {
    if (m_.outputs.empty()) return;
    const auto& first = m_.outputs[0].kind;
    const auto must = [&](bool fits, std::string_view kind) {
      if (!fits)
        wrong(Path("outputs") / std::size_t{0}, "must be " + std::string(kind) +
                                                    ", since the task is " +
                                                    std::string(name_of(m_.task)));
    };
    switch (m_.task) {
      case Task::kTextGeneration:
        must(std::holds_alternative<TextOutput>(first), "a text");
        break;
      case Task::kImageGeneration:
        must(std::holds_alternative<ImageOutput>(first), "an image");
        break;
      case Task::kAudioGeneration:
        must(std::holds_alternative<AudioOutput>(first), "an audio");
        break;
      case Task::kVideoGeneration:
        must(std::holds_alternative<VideoOutput>(first), "a video");
        break;
      case Task::kInference:
        break;
    }
  }

  void check_golden() {
    for (std::size_t i = 0; i < m_.golden.size(); ++i) check_sample(i);
  }

  void check_sample(std::size_t index) {
    const Golden& golden = m_.golden[index];
    const Path path = Path("golden") / index;
    for (const auto& member : golden.request)
      check_golden_key(path / "request" / std::string_view(member.key()), member.key(),
                       member.value());
    for (const auto& [name, expected] : golden.expect) {
      const Output* output = m_.find_output(name);
      if (output == nullptr) {
        wrong(path / "expect" / name,
              "no output is named " + shown(name) + "; " + names_in(m_.outputs));
      } else if (!std::holds_alternative<TextOutput>(output->kind) && !expected.ends_with(".npy")) {
        wrong(path / "expect" / name,
              shown(expected) + " must be the path of an .npy file of the package");
      }
    }
  }

  void check_golden_key(const Path& path, std::string_view key, const json::value& value) {
    if (const Input* input = m_.find_input(key)) {
      if (std::holds_alternative<NoiseInput>(input->kind)) {
        wrong(path, "noise is drawn from the seed; a request cannot give it");
      } else if (const auto* label = std::get_if<LabelInput>(&input->kind)) {
        if (!value.is_string()) {
          wrong(path, "must be a string, one of the labels; put it in quotes");
        } else if (std::ranges::find(label->labels, std::string_view(value.get_string())) ==
                   label->labels.end()) {
          wrong(path, shown(value.get_string()) + " is not one of the labels of " + shown(key));
        }
      } else if (std::holds_alternative<NumberInput>(input->kind)) {
        check_golden_number(path, std::get<NumberInput>(input->kind), value);
      } else if (!std::holds_alternative<TensorInput>(input->kind) && !value.is_string()) {
        wrong(path, "must be a string");
      }
      return;
    }
    const std::vector<std::string_view> reserved = reserved_keys();
    if (std::ranges::find(reserved, key) == reserved.end()) {
      std::vector<std::string_view> known = reserved;
      for (const Input& one : m_.inputs) {
        if (!std::holds_alternative<NoiseInput>(one.kind)) known.push_back(one.name);
      }
      const std::string_view meant = nearest(key, known);
      wrong(path, meant.empty()
                      ? "is not a key of requests; the keys are " + listed(known, "and")
                      : "is not a key of requests; did you mean " + std::string(meant) + "?");
    } else if (key == "seed") {
      Value(&value, path, problems_).integer(0, std::numeric_limits<std::int64_t>::max());
    }
  }

  void check_golden_number(const Path& path, const NumberInput& input, const json::value& value) {
    Value(&value, path, problems_).number(input.min.value_or(-1e300), input.max.value_or(1e300));
  }

  std::vector<std::string_view> reserved_keys() const {
    std::vector<std::string_view> keys{"seed"};
    if (const auto* loop = diffusion(m_)) {
      keys.emplace_back("steps");
      if (loop->guidance) keys.emplace_back("guidance");
    }
    if (autoregressive(m_)) {
      keys.insert(keys.end(),
                  {"max_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty",
                   "frequency_penalty", "repetition_penalty", "logit_bias", "stop", "logprobs"});
    }
    return keys;
  }

  const Manifest& m_;
  Problems& problems_;
};

bool has_file(const Manifest& manifest, std::string_view path) {
  const auto found = std::ranges::lower_bound(
      manifest.files, path, {}, [](const FileEntry& f) { return std::string_view(f.path); });
  return found != manifest.files.end() && found->path == path;
}

}  // namespace

void check_references(const Manifest& manifest, Problems& problems) {
  if (!problems.any()) Checker(manifest, problems).run();
}

void check_files(const Manifest& manifest, FileList list, Problems& problems) {
  if (list == FileList::kNone) return;
  const auto missing = [&](const std::string& file) {
    return list == FileList::kFresh ? "there is no file " + shown(file) + " in the folder"
                                    : shown(file) + " is not listed in files";
  };
  const auto need = [&](const Path& path, const std::string& file) {
    if (!file.empty() && !has_file(manifest, file)) problems.add(path, missing(file));
  };
  if (manifest.engine == EngineKind::kTorch) need("model", manifest.model);
  if (manifest.engine == EngineKind::kTensorflow &&
      !has_file(manifest, manifest.model + "/saved_model.pb")) {
    const bool keras = manifest.model.ends_with(".keras") || manifest.model.ends_with(".h5");
    problems.add("model", shown(manifest.model) + " must be a SavedModel folder; " +
                              (keras ? "`serin package import` makes a package of a Keras file"
                                     : missing(manifest.model + "/saved_model.pb")));
  }
  for (std::size_t i = 0; i < manifest.inputs.size(); ++i) {
    const Path path = Path("inputs") / i;
    const auto& kind = manifest.inputs[i].kind;
    if (const auto* text = std::get_if<TextInput>(&kind)) {
      need(path / "tokenizer", text->tokenizer);
      need(path / "chatTemplate", text->chat_template);
    }
    if (const auto* image = std::get_if<ImageInput>(&kind))
      need(path / "default", image->default_file);
    if (const auto* audio = std::get_if<AudioInput>(&kind))
      need(path / "default", audio->default_file);
  }
  for (std::size_t i = 0; i < manifest.golden.size(); ++i) {
    for (const auto& [name, expected] : manifest.golden[i].expect) {
      const Output* output = manifest.find_output(name);
      if (output != nullptr && !std::holds_alternative<TextOutput>(output->kind))
        need(Path("golden") / i / "expect" / name, expected);
    }
  }
}

}  // namespace serin::model
