// SPDX-License-Identifier: Apache-2.0
#include "model/skeleton.h"

#include "base/files.h"
#include "model/import_draft.h"

namespace serin::model {
namespace {

// What a task's model takes and gives, as Python would say it, and the manifest from `inputs` on.
struct TaskText {
  std::string_view takes, gives, body, output;
};

// Pictures, sound and video are made of the same things.
constexpr std::string_view kMediaTakes = "z: float32 [N, 16], label: int64 [N]";
constexpr std::string_view kMediaBody =
    R"(# 2. What a request may say. The seed draws noise, and labels that a request leaves out. Other kinds: number, image,
#    audio, text, tensor. Remove what your model does not take, here and under call.
inputs:
- {name: z, kind: noise, distribution: normal, shape: [16]}
- {name: label, kind: label, labels: [first, second], doc: What to make.}

# 3. How the model is called: every argument with its dtype and shape. N is the batch, the first dimension everywhere.
call:
  method: @METHOD@
  arguments:
  - {name: z, input: z, dtype: float32, shape: [N, 16]}
  - {name: label, input: label, dtype: int64, shape: [N]}
  results:
)";

constexpr TaskText kImage{kMediaTakes, "image: float32 [N, @PICTURE@]", kMediaBody,
                          R"(  - {name: image, dtype: float32, shape: [N, @PICTURE@]}
loop: {kind: once}  # or diffusion: the model is called in steps

# 4. How the result becomes a picture. range: the values of black and white, often [0, 1] or [-1, 1]; layout: CHW, HWC.
outputs:
- {name: image, kind: image, result: image, layout: @LAYOUT@, range: [0, 1]}

)"};

constexpr TaskText kAudio{kMediaTakes, "sound: float32 [N, 8000], between -1 and 1", kMediaBody,
                          R"(  - {name: sound, dtype: float32, shape: [N, 8000]}
loop: {kind: once}  # or diffusion: the model is called in steps

# 4. How the result becomes sound: samples between -1 and 1. layout: T for mono, CT for channels first.
outputs:
- {name: sound, kind: audio, result: sound, layout: T, sampleRate: 16000}

)"};

constexpr TaskText kVideo{kMediaTakes, "clip: float32 [N, 16, @PICTURE@]", kMediaBody,
                          R"(  - {name: clip, dtype: float32, shape: [N, 16, @PICTURE@]}
loop: {kind: once}  # or diffusion: the model is called in steps

# 4. How the result becomes a video. range: the values of black and white; layout: TCHW, THWC, THW.
outputs:
- {name: clip, kind: video, result: clip, frameRate: 8, layout: T@LAYOUT@, range: [0, 1]}

)"};

constexpr TaskText kText{
    "tokens: int64 [N, T], padded on the right", "logits: float32 [N, T, 1000], causal",
    R"(# 2. What a request may say. Put the tokenizer.json of Hugging Face's tokenizers beside this file.
inputs:
- {name: prompt, kind: text, tokenizer: tokenizer.json, maxTokens: 48, doc: The text to continue.}

# 3. How the model is called: tokens of a batch N and a length T to a score for each word of the vocabulary, here 1000.
call:
  method: @METHOD@
  arguments:
  - {name: tokens, dtype: int64, shape: [N, T]}
  results:
  - {name: logits, dtype: float32, shape: [N, T, 1000]}

# How many answers advance together, and the most tokens of prompt and answer. begin is put before the prompt; end ends
# the answer; both are token ids of your tokenizer. With a key-value cache a long answer costs far less: see
# docs/package-format.md, "loop".
loop:
  {kind: autoregressive, slots: 4, context: 64, prompt: prompt, tokens: tokens, logits: logits, begin: 0, end: [1]}

)",
    R"(# 4. What comes out.
outputs:
- {name: text, kind: text}

)"};

constexpr TaskText kInference{
    "x: float32 [N, 4]", "y: float32 [N, 2]",
    R"(# 2. What a request may say. Kinds: tensor, number, label, text, image, audio, and noise, which the seed draws.
inputs:
- {name: x, kind: tensor, dtype: float32, shape: [4], default: 0, doc: Four numbers.}

# 3. How the model is called: every argument with its dtype and shape. N is the batch, the first dimension everywhere.
call:
  method: @METHOD@
  arguments:
  - {name: x, input: x, dtype: float32, shape: [N, 4]}
  results:
  - {name: y, dtype: float32, shape: [N, 2]}
loop: {kind: once}

)",
    R"(# 4. What comes out.
outputs:
- {name: y, kind: tensor, result: y}

)"};

constexpr std::string_view kHead =
    R"(# A package: what this file says, a worker serves. docs/package-format.md explains every field, and
# docs/package-your-model.md walks through two models. Go from 1 to 6; then:
#   serin package seal @NAME@ --golden            list the files, record what the golden requests give
#   serin package verify @NAME@ --run --reproducible
#   serin serve @NAME@
format: serin.dev/package/v1
name: @NAME@
task: @TASK@
description: One sentence about what the model makes.
license: Apache-2.0
engine: @ENGINE@

# 1. Put the model here. Its function takes and gives tensors whose first dimension is the batch, and draws no random
#    numbers: noise comes in as an argument, so that a request's seed decides it. As this file stands:
#      takes  @TAKES@
#      gives  @GIVES@
#    Saved from Python:
@SAVE@model: @MODEL@

)";

constexpr std::string_view kSaveTorch =
    R"(#      torch.jit.script(module.eval()).save("@NAME@/model.pt")
)";
constexpr std::string_view kSaveTensorflow =
    R"(#      tf.saved_model.save(module, "@NAME@/model", signatures={"serving_default": function})
#    where function is a tf.function with named tensors in its input_signature, and gives a dict of named tensors.
)";

constexpr std::string_view kBatching =
    R"(# 5. Which batch sizes are run. One size keeps a result the same to the bit whatever runs beside it.
batching: {sizes: [4], maxWait: 2ms}

)";

constexpr std::string_view kGolden =
    R"(# 6. Requests that you vouch for: each is run before a worker is ready. Sealing with --golden adds what they gave.
golden:
- request: {seed: 7}
)";
constexpr std::string_view kGoldenText =
    R"(# 5. Requests that you vouch for: each is run before a worker is ready. Sealing with --golden adds what they gave.
golden:
- request: {seed: 7, max_tokens: 8}
)";

const TaskText& text_of_task(Task task) {
  switch (task) {
    case Task::kTextGeneration:
      return kText;
    case Task::kImageGeneration:
      return kImage;
    case Task::kAudioGeneration:
      return kAudio;
    case Task::kVideoGeneration:
      return kVideo;
    case Task::kInference:
      break;
  }
  return kInference;
}

void replace(std::string& text, std::string_view mark, std::string_view by) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += by.size())
    text.replace(at, mark.size(), by);
}

}  // namespace

Result<std::string> skeleton(std::string_view name, Task task, EngineKind engine) {
  if (engine == EngineKind::kRemote) {
    return invalid("a remote package holds no model; docs/remote.md shows what it says");
  }
  const bool torch = engine == EngineKind::kTorch;
  const bool words = task == Task::kTextGeneration;
  const TaskText& about = text_of_task(task);
  std::string text(kHead);
  text.append(about.body)
      .append(about.output)
      .append(words ? "" : kBatching)
      .append(words ? kGoldenText : kGolden);
  if (words) replace(text, "Go from 1 to 6", "Go from 1 to 5");
  replace(text, "@SAVE@", torch ? kSaveTorch : kSaveTensorflow);
  replace(text, "@TAKES@", about.takes);
  replace(text, "@GIVES@", about.gives);
  // As each framework's convolutions give pictures.
  replace(text, "@PICTURE@", torch ? "3, 32, 32" : "32, 32, 3");
  replace(text, "@LAYOUT@", torch ? "CHW" : "HWC");
  replace(text, "@NAME@", name);
  replace(text, "@TASK@", name_of(task));
  replace(text, "@ENGINE@", name_of(engine));
  replace(text, "@MODEL@", torch ? "model.pt" : "model");
  replace(text, "@METHOD@", torch ? "forward" : "serving_default");
  return text;
}

Status make_skeleton(const std::filesystem::path& folder, Task task, EngineKind engine) {
  const std::string name = folder.filename().string();
  if (name.empty() || package_name(name) != name) {
    return invalid(folder.string() +
                   ": the folder names the package: lower-case letters, digits "
                   "and '-', such as " +
                   package_name(name));
  }
  SERIN_TRY_ASSIGN(const std::string text, skeleton(name, task, engine));
  std::error_code error;
  if (std::filesystem::exists(folder, error))
    return fail(Code::kAlreadyExists, folder.string() + ": exists already");
  if (!std::filesystem::create_directories(folder, error))
    return fail(Code::kUnknown, folder.string() + ": cannot be made: " + error.message());
  return write_file(folder / "model.yaml", text);
}

}  // namespace serin::model
