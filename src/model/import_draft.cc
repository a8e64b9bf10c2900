// SPDX-License-Identifier: Apache-2.0
#include "model/import_draft.h"

#include <algorithm>
#include <set>

namespace serin::model {
namespace {

bool is_float(DType dtype) {
  return dtype == DType::kFloat16 || dtype == DType::kBFloat16 || dtype == DType::kFloat32 ||
         dtype == DType::kFloat64;
}

bool is_picture(std::int64_t channels) { return channels == 1 || channels == 3 || channels == 4; }

// An argument's or result's name as the key of a request.
std::string key_of(const std::string& name, std::set<std::string>& taken) {
  std::string key;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-';
    key += plain ? c : '_';
  }
  if (key.empty() || (key[0] >= '0' && key[0] <= '9') || key[0] == '-') key.insert(0, "input_");
  if (key.size() > 50) key.resize(50);
  static const std::set<std::string> kReserved{"seed",        "steps",   "guidance", "stop",
                                               "temperature", "top_p",   "top_k",    "min_p",
                                               "max_tokens",  "logprobs"};
  std::string unique = kReserved.contains(key) ? key + "_in" : key;
  for (int i = 2; !taken.insert(unique).second; ++i) unique = key + "_" + std::to_string(i);
  return unique;
}

class Drafter {
 public:
  Drafter(std::string name, EngineKind engine, std::string model) {
    draft_.manifest.name = std::move(name);
    draft_.manifest.engine = engine;
    draft_.manifest.model = std::move(model);
  }

  Draft run(const ModelSignature& signature) {
    Manifest& manifest = draft_.manifest;
    manifest.call.method = signature.method;
    for (const auto& value : signature.arguments) add_argument(value);
    for (const auto& value : signature.results) add_result(value);
    choose_task();
    if (signature.batch != kBatchDimension) {
      manifest.batching.sizes = {signature.batch};
      note("batching", "The file fixes the batch at " + std::to_string(signature.batch) + ".");
    } else if (signature.least_batch > 1) {
      manifest.batching.sizes = {signature.least_batch};
      note("batching", "The file takes batches of " + std::to_string(signature.least_batch) +
                           " and more; smaller ones are padded.");
    }
    manifest.golden.push_back(
        {.request = json::object{{"seed", 7}}, .expect = {}, .tolerance = 1e-3});
    note("golden",
         "Run before the worker is ready; serin package seal --golden writes what it must give.");
    return std::move(draft_);
  }

 private:
  void note(std::string place, std::string remark) {
    draft_.remarks[std::move(place)] = std::move(remark);
  }
  // A guess that somebody has to look at.
  void guess(const std::string& place, const std::string& remark) {
    note(place, remark);
    draft_.warnings.push_back("model.yaml, " + place + ": " + remark);
  }

  void add_argument(const ModelSignature::Value& value) {
    Manifest& manifest = draft_.manifest;
    Input input;
    input.name = key_of(value.name, input_names_);
    const std::string place = "inputs[" + std::to_string(manifest.inputs.size()) + "]";
    const Shape item(value.shape.begin() + 1, value.shape.end());
    if (is_float(value.dtype) && !item.empty()) {
      input.kind = NoiseInput{NoiseInput::Distribution::kNormal, item};
      const std::string choices =
          item.size() == 1 ? "a label with encoding: oneHot, or an audio or tensor input."
                           : "an image, audio or tensor input.";
      guess(place, "Guessed: noise. If a request gives it, make it " + choices);
    } else if (is_float(value.dtype)) {
      input.kind = NumberInput{};
      guess(place, "Guessed: a number from 0. Set its default, min and max.");
    } else if (item.empty() && value.dtype != DType::kBool) {
      NumberInput number;
      number.min = 0;
      number.integer = true;
      input.kind = number;
      guess(place,
            "Guessed: an integer. If it is an index, make it a label: {kind: label, labels: [a, b, "
            "c]}.");
    } else {
      input.kind = TensorInput{value.dtype, item, 0.0};
      guess(
          place,
          "Guessed: a raw tensor of zeros. If it is token ids, make it a text with its tokenizer.");
    }
    manifest.call.arguments.push_back({value.name, input.name, value.dtype, value.shape});
    manifest.inputs.push_back(std::move(input));
  }

  void add_result(const ModelSignature::Value& value) {
    Manifest& manifest = draft_.manifest;
    manifest.call.results.push_back({value.name, value.dtype, value.shape});
    Output output;
    output.name = key_of(value.name, output_names_);
    output.result = value.name;
    const std::string place = "outputs[" + std::to_string(manifest.outputs.size()) + "]";
    output.kind = medium_of(value, place);
    manifest.outputs.push_back(std::move(output));
  }

  // [-1, 1] where values below 0 were seen; else [0, 1], or [0, 255] where they were large.
  static Range range_of(const ModelSignature::Value& value) {
    if (value.low && *value.low < -0.01) return {-1, 1};
    if (value.high && *value.high > 8) return {0, 255};
    return {0, 1};
  }

  decltype(Output::kind) medium_of(const ModelSignature::Value& value, const std::string& place) {
    const Shape& s = value.shape;
    if (!is_float(value.dtype)) return TensorOutput{};
    const auto picture = [&](Layout layout) {
      guess(place, "Guessed: a picture. Check the layout and the range of its values.");
      return ImageOutput{layout, range_of(value)};
    };
    const auto video = [&](Layout layout) {
      guess(
          place,
          "Guessed: a video. Set its frameRate, and check the layout and the range of its values.");
      return VideoOutput{layout, range_of(value), 8};
    };
    constexpr std::int64_t kLeastSamples = 2000;
    if (s.size() == 4 && is_picture(s[1]) && s[2] > 4 && s[3] > 4) return picture(Layout::kCHW);
    if (s.size() == 4 && is_picture(s[3]) && s[1] > 4 && s[2] > 4) return picture(Layout::kHWC);
    if (s.size() == 5 && (s[2] == 1 || s[2] == 3)) return video(Layout::kTCHW);
    if (s.size() == 5 && (s[4] == 1 || s[4] == 3)) return video(Layout::kTHWC);
    if (s.size() == 2 && s[1] >= kLeastSamples) {
      guess(place, "Guessed: sound. Set its sampleRate.");
      return AudioOutput{Layout::kT, 16000};
    }
    if (s.size() == 3 && (s[1] == 1 || s[1] == 2) && s[2] >= kLeastSamples) {
      guess(place, "Guessed: sound. Set its sampleRate.");
      return AudioOutput{Layout::kCT, 16000};
    }
    return TensorOutput{};
  }

  void choose_task() {
    Manifest& manifest = draft_.manifest;
    // The first output is what /generate answers with: put the first medium there.
    const auto first = std::ranges::find_if(manifest.outputs, [](const Output& o) {
      return !std::holds_alternative<TensorOutput>(o.kind);
    });
    if (first == manifest.outputs.end()) return;
    if (first != manifest.outputs.begin()) {
      std::rotate(manifest.outputs.begin(), first, first + 1);
      std::erase_if(draft_.remarks,
                    [](const auto& remark) { return remark.first.starts_with("outputs["); });
    }
    const auto& kind = manifest.outputs[0].kind;
    manifest.task = std::holds_alternative<ImageOutput>(kind)   ? Task::kImageGeneration
                    : std::holds_alternative<VideoOutput>(kind) ? Task::kVideoGeneration
                                                                : Task::kAudioGeneration;
  }

  Draft draft_;
  std::set<std::string> input_names_, output_names_;
};

}  // namespace

std::string package_name(std::string_view text) {
  std::string name;
  for (const char c : text.substr(0, 63)) {
    const char low = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool plain = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
    name += plain ? low : '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  name.erase(0, std::min(name.find_first_not_of('-'), name.size()));
  return name.empty() ? "model" : name;
}

Draft draft_manifest(std::string name, EngineKind engine, std::string model,
                     const ModelSignature& signature) {
  return Drafter(std::move(name), engine, std::move(model)).run(signature);
}

}  // namespace serin::model
