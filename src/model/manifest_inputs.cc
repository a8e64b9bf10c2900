// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <set>

#include "model/manifest_sections.h"

namespace serin::model {
namespace {

constexpr std::int64_t kMostPixels = 16384;
constexpr double kHuge = 1e300;

// What a request says besides its inputs.
constexpr std::string_view kReserved[] = {"seed",
                                          "steps",
                                          "guidance",
                                          "max_tokens",
                                          "temperature",
                                          "top_p",
                                          "top_k",
                                          "min_p",
                                          "stop",
                                          "presence_penalty",
                                          "frequency_penalty",
                                          "repetition_penalty",
                                          "logit_bias",
                                          "logprobs"};

std::string read_input_name(const Value& value) {
  std::string name = value.word();
  if (!value.present()) return name;
  const bool first =
      (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_';
  const bool rest = std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  if (!first || !rest || name.size() > 63) {
    value.wrong(shown(name) +
                " cannot be the key of a request; must be 1 to 63 letters, digits, '_' and '-', "
                "beginning with a letter or '_'");
  } else if (std::ranges::find(kReserved, name) != std::end(kReserved)) {
    value.wrong(shown(name) + " is a reserved key of requests; choose another name");
  }
  return name;
}

Range read_range(const Value& value) {
  const std::vector<Value> ends = value.list();
  if (!value.present()) return {};
  if (ends.size() != 2) {
    value.wrong("must be [low, high], not " + std::to_string(ends.size()) + " values");
    return {};
  }
  const Range range{ends[0].number(-kHuge, kHuge), ends[1].number(-kHuge, kHuge)};
  if (range.low >= range.high) value.wrong("low must be less than high");
  return range;
}

NoiseInput read_noise(const Fields& fields) {
  NoiseInput input;
  input.distribution = fields["distribution"].one_of<NoiseInput::Distribution>(
      {{"normal", NoiseInput::Distribution::kNormal},
       {"uniform", NoiseInput::Distribution::kUniform}},
      NoiseInput::Distribution::kNormal);
  input.shape = fields.required("shape").shape();
  return input;
}

LabelInput read_label(const Fields& fields) {
  LabelInput input;
  const Value labels = fields.required("labels");
  input.labels = labels.words();
  if (labels.present() && input.labels.empty())
    labels.wrong("must not be empty; list the labels that a request may give");
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < input.labels.size(); ++i) {
    if (!seen.insert(input.labels[i]).second) {
      fields.wrong("labels", shown(input.labels[i]) + " stands twice; labels must differ");
    }
  }
  if (const Value given = fields["default"]; given.present()) {
    input.default_label = given.text();
    if (!seen.contains(*input.default_label))
      given.wrong(shown(*input.default_label) + " is not one of labels");
  }
  input.one_hot = fields["encoding"].one_of<bool>({{"index", false}, {"oneHot", true}}, false);
  return input;
}

NumberInput read_number(const Fields& fields) {
  NumberInput input;
  input.default_value = fields.required("default").number(-kHuge, kHuge);
  if (fields["min"].present()) input.min = fields["min"].number(-kHuge, kHuge);
  if (fields["max"].present()) input.max = fields["max"].number(-kHuge, kHuge);
  input.integer = fields["integer"].boolean(false);
  if (input.min && input.max && *input.min > *input.max)
    fields.wrong("min", "must not be greater than max");
  if (input.min && input.default_value < *input.min)
    fields.wrong("default", "must not be less than min");
  if (input.max && input.default_value > *input.max)
    fields.wrong("default", "must not be greater than max");
  const auto whole = [](double number) { return std::trunc(number) == number; };
  if (input.integer && !whole(input.default_value))
    fields.wrong("default", "must be an integer, since integer is true");
  if (input.integer && input.min && !whole(*input.min))
    fields.wrong("min", "must be an integer, since integer is true");
  if (input.integer && input.max && !whole(*input.max))
    fields.wrong("max", "must be an integer, since integer is true");
  return input;
}

// What is sent on as it is has no tokens.
TextInput read_relayed_text(const Fields& fields) {
  TextInput input;
  input.default_text = fields["default"].text();
  return input;
}

TextInput read_text(const Fields& fields) {
  TextInput input;
  input.tokenizer = fields.required("tokenizer").word();
  input.chat_template = fields["chatTemplate"].word();
  input.max_tokens = fields["maxTokens"].integer(1, 1 << 24);
  input.pad_token = fields["padToken"].integer(0, 1 << 30);
  input.default_text = fields["default"].text();
  return input;
}

ImageInput read_image(const Fields& fields) {
  ImageInput input;
  input.width = fields.required("width").integer(1, kMostPixels);
  input.height = fields.required("height").integer(1, kMostPixels);
  input.channels = fields["channels"].integer(1, 4, 3);
  if (input.channels == 2) fields.wrong("channels", "must be 1, 3 or 4, not 2");
  input.layout =
      fields["layout"].one_of<Layout>({{"CHW", Layout::kCHW}, {"HWC", Layout::kHWC}}, Layout::kCHW);
  input.range = read_range(fields["range"]);
  input.default_file = fields["default"].word();
  return input;
}

AudioInput read_audio(const Fields& fields) {
  AudioInput input;
  input.sample_rate = fields.required("sampleRate").integer(1, 768000);
  input.channels = fields["channels"].integer(1, 32, 1);
  input.max_seconds = fields["maxSeconds"].number(0.001, 3600, 30);
  input.default_file = fields["default"].word();
  return input;
}

TensorInput read_tensor(const Fields& fields) {
  TensorInput input;
  input.dtype = fields.required("dtype").dtype();
  input.shape = fields.required("shape").shape();
  if (fields["default"].present()) input.fill = fields["default"].number(-kHuge, kHuge);
  return input;
}

void read_kind(const Value& value, bool relayed, Input& input) {
  enum class Kind { kNoise, kLabel, kNumber, kText, kImage, kAudio, kTensor };
  const json::object* object = value.json().if_object();
  const json::value* named = object == nullptr ? nullptr : object->if_contains("kind");
  if (object != nullptr && named == nullptr) value.wrong("kind is missing");
  const Kind kind = Value(named, value.path() / "kind", value.problems())
                        .one_of<Kind>({{"noise", Kind::kNoise},
                                       {"label", Kind::kLabel},
                                       {"number", Kind::kNumber},
                                       {"text", Kind::kText},
                                       {"image", Kind::kImage},
                                       {"audio", Kind::kAudio},
                                       {"tensor", Kind::kTensor}},
                                      Kind::kNoise);
  switch (kind) {
    case Kind::kNoise:
      if (relayed) value.wrong("noise does not go to an upstream; it gets the seed");
      input.kind = read_noise({value, {"name", "kind", "doc", "distribution", "shape"}});
      break;
    case Kind::kLabel:
      input.kind = read_label({value, {"name", "kind", "doc", "labels", "default", "encoding"}});
      break;
    case Kind::kNumber:
      input.kind =
          read_number({value, {"name", "kind", "doc", "default", "min", "max", "integer"}});
      break;
    case Kind::kText:
      input.kind = relayed ? read_relayed_text({value, {"name", "kind", "doc", "default"}})
                           : read_text({value,
                                        {"name", "kind", "doc", "tokenizer", "maxTokens", "default",
                                         "chatTemplate", "padToken"}});
      break;
    case Kind::kImage:
      input.kind = read_image(
          {value,
           {"name", "kind", "doc", "width", "height", "channels", "layout", "range", "default"}});
      break;
    case Kind::kAudio:
      input.kind = read_audio(
          {value, {"name", "kind", "doc", "sampleRate", "channels", "maxSeconds", "default"}});
      break;
    case Kind::kTensor:
      input.kind = read_tensor({value, {"name", "kind", "doc", "dtype", "shape", "default"}});
      break;
  }
}

void read_output_kind(const Value& value, Output& output) {
  enum class Kind { kImage, kAudio, kVideo, kText, kTensor };
  const json::object* object = value.json().if_object();
  const json::value* named = object == nullptr ? nullptr : object->if_contains("kind");
  if (object != nullptr && named == nullptr) value.wrong("kind is missing");
  const Kind kind = Value(named, value.path() / "kind", value.problems())
                        .one_of<Kind>({{"image", Kind::kImage},
                                       {"audio", Kind::kAudio},
                                       {"video", Kind::kVideo},
                                       {"text", Kind::kText},
                                       {"tensor", Kind::kTensor}},
                                      Kind::kTensor);
  switch (kind) {
    case Kind::kImage: {
      const Fields fields(value, {"name", "kind", "result", "layout", "range"});
      output.kind = ImageOutput{
          fields["layout"].one_of<Layout>(
              {{"CHW", Layout::kCHW}, {"HWC", Layout::kHWC}, {"HW", Layout::kHW}}, Layout::kCHW),
          read_range(fields["range"])};
      break;
    }
    case Kind::kAudio: {
      const Fields fields(value, {"name", "kind", "result", "layout", "sampleRate"});
      output.kind = AudioOutput{
          fields["layout"].one_of<Layout>({{"T", Layout::kT}, {"CT", Layout::kCT}}, Layout::kT),
          fields.required("sampleRate").integer(1, 768000)};
      break;
    }
    case Kind::kVideo: {
      const Fields fields(value, {"name", "kind", "result", "layout", "range", "frameRate"});
      output.kind =
          VideoOutput{fields["layout"].one_of<Layout>(
                          {{"TCHW", Layout::kTCHW}, {"THWC", Layout::kTHWC}, {"THW", Layout::kTHW}},
                          Layout::kTCHW),
                      read_range(fields["range"]), fields.required("frameRate").number(0.1, 1000)};
      break;
    }
    case Kind::kText: {
      const Fields fields(value, {"name", "kind"});
      output.kind = TextOutput{};
      return;
    }
    case Kind::kTensor: {
      const Fields fields(value, {"name", "kind", "result"});
      output.kind = TensorOutput{};
      break;
    }
  }
  output.result =
      Fields(value, {"name", "kind", "result", "layout", "range", "sampleRate", "frameRate"})
          .required("result")
          .word();
}

// The name of an input or output, read before its kind so that errors come in the order of the
// text.
std::string read_name(const Value& value) {
  const json::object* object = value.json().if_object();
  if (object == nullptr) {
    value.wrong("must be a mapping");
    return {};
  }
  const json::value* name = object->if_contains("name");
  if (name == nullptr) value.wrong("name is missing");
  return read_input_name({name, value.path() / "name", value.problems()});
}

}  // namespace

std::vector<Input> read_inputs(const Value& value, bool relayed) {
  std::vector<Input> inputs;
  for (const Value& item : value.list()) {
    if (!item.present()) break;
    Input input;
    input.name = read_name(item);
    if (!item.present()) break;
    read_kind(item, relayed, input);
    const json::value* doc = item.json().get_object().if_contains("doc");
    input.doc = Value(doc, item.path() / "doc", item.problems()).text();
    if (std::ranges::find(inputs, input.name, &Input::name) != inputs.end()) {
      item.wrong("there is already an input named " + shown(input.name));
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

std::vector<Output> read_outputs(const Value& value) {
  std::vector<Output> outputs;
  for (const Value& item : value.list()) {
    if (!item.present()) break;
    Output output;
    output.name = read_name(item);
    if (!item.present()) break;
    read_output_kind(item, output);
    if (std::ranges::find(outputs, output.name, &Output::name) != outputs.end()) {
      item.wrong("there is already an output named " + shown(output.name));
    }
    outputs.push_back(std::move(output));
  }
  if (value.present() && outputs.empty())
    value.wrong("must not be empty; the first output is what /generate answers with");
  return outputs;
}

}  // namespace serin::model
