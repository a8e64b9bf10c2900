// SPDX-License-Identifier: Apache-2.0
// One row a way to write model.yaml wrongly: in a good document `from` becomes `to`, and the reader
// must say `error`.
#include <gtest/gtest.h>

#include "model/manifest.h"
#include "model/manifest_samples.h"

namespace serin::model {
namespace {

struct Row {
  std::string_view document, from, to, error;
};

// clang-format off
const Row kRows[] = {
    {samples::kGlyphs, "format: serin", "format: [serin",
     "model.yaml:1:9: [ is not closed"},
    {samples::kGlyphs, R"y(name: glyphs
)y", R"y(name: glyphs
name: again
)y",
     R"y(model.yaml:3:1: the key "name" stands twice; first at 2:1)y"},
    {samples::kGlyphs, "description: Pictures", "description: !!binary Pictures",
     "model.yaml:4:14: the tag tag:yaml.org,2002:binary is not supported"},
    {samples::kGlyphs, "tolerance: 0.001", "tolerance: .inf",
     "model.yaml:30:14: the number .inf is not finite"},
    {samples::kGlyphs, "serin.dev/package/v1", "serin.dev/package/v2",
     R"y(model.yaml:1:1: format: "serin.dev/package/v2" is not a format of this version; must be serin.dev/package/v1)y"},
    {samples::kGlyphs, R"y(format: serin.dev/package/v1
)y", "",
     "model.yaml:1:1: format is missing"},
    {samples::kGlyphs, "name: glyphs", "name: Glyphs",
     R"y(model.yaml:2:1: name: "Glyphs" must be 1 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit)y"},
    {samples::kGlyphs, "name: glyphs", "name: -glyphs",
     R"y(model.yaml:2:1: name: "-glyphs" must be 1 to 63 lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit)y"},
    {samples::kGlyphs, "name: glyphs", "name: 7",
     "model.yaml:2:1: name: must be a string, not the number 7; put it in quotes"},
    {samples::kGlyphs, R"y(task: image-generation
)y", "",
     "model.yaml:1:1: task is missing"},
    {samples::kGlyphs, "task: image-generation", "task: image-genration",
     R"y(model.yaml:3:1: task: "image-genration" is not known; did you mean image-generation? It must be text-generation, image-generation, audio-generation, video-generation or inference)y"},
    {samples::kGlyphs, "task: image-generation", "task: sculpture",
     R"y(model.yaml:3:1: task: "sculpture" is not known; must be text-generation, image-generation, audio-generation, video-generation or inference)y"},
    {samples::kGlyphs, "license: Apache", "licence: Apache",
     "model.yaml:5:1: licence: is not a field; did you mean license?"},
    {samples::kGlyphs, "license: Apache-2.0", "colour: blue",
     "model.yaml:5:1: colour: is not a field here; the fields are format, name, task, description, license, engine, model, files, inputs, call, loop, outputs, batching, golden, training and remote"},
    {samples::kGlyphs, "license: Apache-2.0", "license: 2.0",
     "model.yaml:5:1: license: must be a string, not the number 2; put it in quotes"},
    {samples::kGlyphs, "engine: torch", "engine: pytorch",
     R"y(model.yaml:6:1: engine: "pytorch" is not known; did you mean torch? It must be torch, tensorflow or remote)y"},
    {samples::kGlyphs, R"y(model: model.pt
)y", "",
     "model.yaml:1:1: model is missing"},
    {samples::kGlyphs, R"y(model: model.pt
)y", R"y(model: ../model.pt
)y",
     R"y(model.yaml:7:1: model: "../model.pt" must not contain '.' or '..'; it may not leave the package)y"},
    {samples::kGlyphs, R"y(model: model.pt
)y", R"y(model: /model.pt
)y",
     R"y(model.yaml:7:1: model: "/model.pt" must not be absolute; paths begin at the package)y"},
    {samples::kGlyphs, R"y(model: model.pt
)y", R"y(model: model.onnx
)y",
     R"y(model.yaml:7:1: model: "model.onnx" must end with .pt (TorchScript) or .pt2 (an exported program))y"},
    {samples::kGlyphs, R"y(model: model.pt
)y", R"y(model: other.pt
)y",
     R"y(model.yaml:7:1: model: "other.pt" is not listed in files)y"},
    {samples::kGlyphs, "engine: torch", R"y(engine: torch
remote: {protocol: openai})y",
     "model.yaml:7:1: remote: goes only with engine: remote"},
    {samples::kGlyphs, "tolerance: 0.001", R"y(tolerance: 0.001
training: 3)y",
     "model.yaml:31:1: training: must be a mapping"},
    {samples::kGlyphs, "size: 4224", "size: -1",
     "model.yaml:9:30: files[0].size: must be from 0 to 1125899906842624, not -1"},
    {samples::kGlyphs, "size: 4224", "size: 42.5",
     "model.yaml:9:30: files[0].size: must be an integer, not the number 42.5"},
    {samples::kGlyphs, "size: 4224, ", "size: 4224, mode: 7, ",
     "model.yaml:9:42: files[0].mode: is not a field here; the fields are path, size and sha256"},
    {samples::kGlyphs, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
     "model.yaml:9:42: files[0].sha256: must be 64 lower-case hexadecimal digits"},
    {samples::kGlyphs, "path: golden/0.image.npy", "path: golden//0.image.npy",
     R"y(model.yaml:9:4: files[0].path: "golden//0.image.npy" must not contain an empty segment ('//' or a '/' at the end))y"},
    {samples::kGlyphs, "path: golden/0.image.npy", "path: ../0.image.npy",
     R"y(model.yaml:9:4: files[0].path: "../0.image.npy" must not contain '.' or '..'; it may not leave the package)y"},
    {samples::kGlyphs, "path: golden/0.image.npy", "path: zebra",
     R"y(model.yaml:10:4: files[1].path: "model.pt" must stand before "zebra"; files are sorted by path)y"},
    {samples::kGlyphs, "path: golden/0.image.npy", "path: model.pt",
     R"y(model.yaml:10:4: files[1].path: "model.pt" stands twice)y"},
    {samples::kGlyphs, "path: golden/0.image.npy", "path: attestations/x.json",
     R"y(model.yaml:9:4: files[0].path: "attestations/x.json" is never listed; model.yaml, model.sig and attestations/ stand beside the listed files)y"},
    {samples::kGlyphs, "path: golden/0.image.npy", R"y(path: "golden\\0.npy")y",
     R"y(model.yaml:9:4: files[0].path: "golden\\0.npy" must not contain a backslash; '/' separates folders)y"},
    {samples::kGlyphs, "- {path: model.pt, ", "- {path: golden/0.image.npy/x, ",
     R"y(model.yaml:10:4: files[1].path: "golden/0.image.npy" is listed as a file, so it cannot hold "golden/0.image.npy/x")y"},
    {samples::kGlyphs, "{name: noise, kind", "{kind",
     "model.yaml:12:3: inputs[0]: name is missing"},
    {samples::kGlyphs, "{name: noise, kind: noise", "{name: noise, kind: nose",
     R"y(model.yaml:12:17: inputs[0].kind: "nose" is not known; did you mean noise? It must be noise, label, number, text, image, audio or tensor)y"},
    {samples::kGlyphs, "{name: noise, kind: noise, ", "{name: noise, ",
     "model.yaml:12:3: inputs[0]: kind is missing"},
    {samples::kGlyphs, "name: noise, kind", "name: two words, kind",
     R"y(model.yaml:12:4: inputs[0].name: "two words" cannot be the key of a request; must be 1 to 63 letters, digits, '_' and '-', beginning with a letter or '_')y"},
    {samples::kGlyphs, "name: noise, kind", "name: seed, kind",
     R"y(model.yaml:12:4: inputs[0].name: "seed" is a reserved key of requests; choose another name)y"},
    {samples::kGlyphs, "name: slant, kind", "name: character, kind",
     R"y(model.yaml:14:3: inputs[2]: there is already an input named "character")y"},
    {samples::kGlyphs, "shape: [32]}", "shape: [0]}",
     "model.yaml:12:60: inputs[0].shape[0]: must be from 1 to 2147483648, not 0"},
    {samples::kGlyphs, "shape: [32]}", "shape: [N]}",
     R"y(model.yaml:12:60: inputs[0].shape[0]: "N" is not a dimension; must be a number from 1)y"},
    {samples::kGlyphs, "shape: [32]}", "shape: 32}",
     "model.yaml:12:52: inputs[0].shape: must be a list, not the number 32"},
    {samples::kGlyphs, ", shape: [32]}", "}",
     "model.yaml:12:3: inputs[0]: shape is missing"},
    {samples::kGlyphs, R"y(labels: ["0", "1", A, B])y", "labels: []",
     "model.yaml:13:34: inputs[1].labels: must not be empty; list the labels that a request may give"},
    {samples::kGlyphs, R"y(labels: ["0", "1", A, B])y", "labels: [0, 1, A, B]",
     "model.yaml:13:43: inputs[1].labels[0]: must be a string, not the number 0; put it in quotes"},
    {samples::kGlyphs, R"y(labels: ["0", "1", A, B])y", "labels: [A, B, A]",
     R"y(model.yaml:13:34: inputs[1].labels: "A" stands twice; labels must differ)y"},
    {samples::kGlyphs, R"y(labels: ["0", "1", A, B])y", R"y(labls: ["0", "1", A, B])y",
     "model.yaml:13:34: inputs[1].labls: is not a field; did you mean labels?"},
    {samples::kGlyphs, "A, B]", "A, B], default: C",
     R"y(model.yaml:13:60: inputs[1].default: "C" is not one of labels)y"},
    {samples::kGlyphs, "A, B]", "A, B], encoding: onehot",
     R"y(model.yaml:13:60: inputs[1].encoding: "onehot" is not known; did you mean oneHot? It must be index or oneHot)y"},
    {samples::kGlyphs, "default: 0.0, ", "",
     "model.yaml:14:3: inputs[2]: default is missing"},
    {samples::kGlyphs, "default: 0.0", "default: 2.0",
     "model.yaml:14:31: inputs[2].default: must not be greater than max"},
    {samples::kGlyphs, "default: 0.0", "default: x",
     R"y(model.yaml:14:31: inputs[2].default: must be a number, not "x")y"},
    {samples::kGlyphs, "min: -1.0, max: 1.0", "min: 1.0, max: -1.0",
     "model.yaml:14:45: inputs[2].min: must not be greater than max"},
    {samples::kGlyphs, "default: 0.0", "default: 0.5, integer: true",
     "model.yaml:14:31: inputs[2].default: must be an integer, since integer is true"},
    {samples::kGlyphs, "- {name: slant, kind: number, default: 0.0, min: -1.0, max: 1.0, doc: How far the character leans.}", "- just words",
     "model.yaml:14:3: inputs[2]: must be a mapping"},
    {samples::kProse, "kind: text, tokenizer: tokenizer.json", "kind: text, tokenizer: tokens.json",
     R"y(model.yaml:10:30: inputs[0].tokenizer: "tokens.json" is not listed in files)y"},
    {samples::kProse, "kind: text, tokenizer: tokenizer.json", "kind: text, tokenizer: tokenizer.json, padToken: 900",
     "model.yaml:10:57: inputs[0].padToken: 900 is not a token; the vocabulary has 500"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: image, width: 8, height: 8, channels: 2",
     "model.yaml:14:51: inputs[2].channels: must be 1, 3 or 4, not 2"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: image, width: 8, height: 8, range: [1, 0]",
     "model.yaml:14:51: inputs[2].range: low must be less than high"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: image, width: 8, height: 8, range: [1]",
     "model.yaml:14:51: inputs[2].range: must be [low, high], not 1 values"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: audio, sampleRate: 0",
     "model.yaml:14:30: inputs[2].sampleRate: must be from 1 to 768000, not 0"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: tensor, dtype: float, shape: [2]",
     R"y(model.yaml:14:31: inputs[2].dtype: "float" is not known; did you mean float32? It must be float32, float16, bfloat16, float64, int8, uint8, int16, int32, int64 or bool)y"},
    {samples::kGlyphs, "kind: number, default: 0.0, min: -1.0, max: 1.0", "kind: tensor, dtype: float64, shape: []",
     R"y(model.yaml:20:33: call.arguments[2].dtype: must be float64 for the input "slant", not float32)y"},
    {samples::kGlyphs, "input: noise, dtype", "input: nose, dtype",
     R"y(model.yaml:18:15: call.arguments[0].input: no input is named "nose"; there are noise, character and slant)y"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: int64, shape: [N, 32]",
     R"y(model.yaml:18:29: call.arguments[0].dtype: must be a float dtype for the input "noise", not int64)y"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: float32, shape: [N, 64]",
     R"y(model.yaml:18:45: call.arguments[0].shape: must be [N, 32] for the input "noise", not [N, 64])y"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: float32, shape: [32]",
     "model.yaml:18:45: call.arguments[0].shape: must begin with N, the batch"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: float32, shape: [N, N]",
     "model.yaml:18:45: call.arguments[0].shape: must have N once, as the first dimension"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: float32, shape: [N, M]",
     R"y(model.yaml:18:56: call.arguments[0].shape[1]: "M" is not a dimension; must be N, T, or a number from 1)y"},
    {samples::kGlyphs, "dtype: float32, shape: [N, 32]", "dtype: float33, shape: [N, 32]",
     R"y(model.yaml:18:29: call.arguments[0].dtype: "float33" is not known; did you mean float32? It must be float32, float16, bfloat16, float64, int8, uint8, int16, int32, int64 or bool)y"},
    {samples::kGlyphs, "shape: [N, 1, 32, 32]", "shape: [N, T, 32, 32]",
     "model.yaml:22:35: call.results[0].shape: T goes only with an autoregressive loop"},
    {samples::kGlyphs, "{name: character, input: character, dtype: int64", "{name: character, dtype: int64",
     "model.yaml:19:5: call.arguments[1]: nothing feeds it; name one of the inputs in input, or let the loop feed it"},
    {samples::kGlyphs, "{name: character, input: character, dtype: int64", "{name: z, input: character, dtype: int64",
     R"y(model.yaml:19:5: call.arguments[1]: there is already an argument named "z")y"},
    {samples::kGlyphs, "input: slant, dtype: float32", "input: slant, dtype: int64",
     R"y(model.yaml:20:33: call.arguments[2].dtype: must be a float dtype (or set integer: true in the input) for the input "slant", not int64)y"},
    {samples::kGlyphs, R"y(- {name: slant, input: slant, dtype: float32, shape: [N]}
  )y", "",
     R"y(model.yaml:14:3: inputs[2]: no argument of call uses "slant")y"},
    {samples::kGlyphs, R"y(  results:
  - {name: image, dtype: float32, shape: [N, 1, 32, 32]}
)y", "",
     "model.yaml:15:1: call: results is missing"},
    {samples::kGlyphs, "- {name: image, dtype: float32, shape: [N, 1, 32, 32]}", "[]",
     "model.yaml:21:3: call.results: must not be empty"},
    {samples::kGlyphs, "{kind: once}", "{kind: twice}",
     R"y(model.yaml:23:8: loop.kind: "twice" is not known; must be once, diffusion or autoregressive)y"},
    {samples::kGlyphs, "{kind: once}", "{kind: once, steps: 3}",
     "model.yaml:23:20: loop.steps: is not a field here; the fields are kind"},
    {samples::kMotion, "state: x", "state: y",
     R"y(model.yaml:20:3: loop.state: no argument is named "y"; there are x, t and label)y"},
    {samples::kMotion, "state: x", "state: label",
     R"y(model.yaml:20:3: loop.state: the argument "label" must name a noise input)y"},
    {samples::kMotion, "timestep: t", "timestep: x",
     R"y(model.yaml:21:3: loop.timestep: the argument "x" is fed by the input "noise"; one that the loop feeds names no input)y"},
    {samples::kMotion, "name: t, dtype: float32", "name: t, dtype: float64",
     R"y(model.yaml:21:3: loop.timestep: the argument "t" must be float32)y"},
    {samples::kMotion, "prediction: velocity", "prediction: noise",
     R"y(model.yaml:22:3: loop.prediction: no result is named "noise"; there is velocity)y"},
    {samples::kMotion, "name: velocity, dtype: float32, shape: [N, 16, 1, 32, 32]", "name: velocity, dtype: float32, shape: [N, 16, 1, 32, 16]",
     R"y(model.yaml:22:3: loop.prediction: the result "velocity" must have the shape [N, 16, 1, 32, 32], not [N, 16, 1, 32, 16])y"},
    {samples::kMotion, "name: velocity, dtype", "name: state, dtype",
     R"y(model.yaml:22:3: loop.prediction: no result is named "velocity"; there is state)y"},
    {samples::kMotion, "predicts: velocity", "predicts: epsilon",
     "model.yaml:24:3: loop.schedule: linear goes only with predicts: velocity"},
    {samples::kMotion, "schedule: linear", "schedule: cosine",
     "model.yaml:24:3: loop.schedule: cosine goes only with predicts: epsilon or sample"},
    {samples::kMotion, "default: 20, min: 1", "default: 200, min: 1",
     "model.yaml:25:3: loop.steps: default (200) must lie between min (1) and max (100)"},
    {samples::kMotion, "input: shape, unconditional: none", "input: noise, unconditional: none",
     R"y(model.yaml:26:45: loop.guidance.input: "noise" must be the name of a label input)y"},
    {samples::kMotion, "unconditional: none", "unconditional: nothing",
     R"y(model.yaml:26:59: loop.guidance.unconditional: "nothing" is not one of the labels of "shape")y"},
    {samples::kMotion, "guidance: {default: 2.0", "guidance: {default: 20.0",
     "model.yaml:26:14: loop.guidance.default: must lie between min and max"},
    {samples::kMotion, "steps: 4", "max_tokens: 4",
     "model.yaml:30:37: golden[0].request.max_tokens: is not a key of requests; the keys are seed, steps, guidance and shape"},
    {samples::kProse, R"y(prompt: prompt
)y", R"y(prompt: text
)y",
     R"y(model.yaml:24:3: loop.prompt: "text" must be the name of a text input)y"},
    {samples::kProse, "tokens: tokens", "tokens: token",
     R"y(model.yaml:25:3: loop.tokens: no argument is named "token"; there are tokens, positions, lengths and keys)y"},
    {samples::kProse, "name: tokens, dtype: int32, shape: [N, T]", "name: tokens, dtype: int32, shape: [N, 64]",
     R"y(model.yaml:25:3: loop.tokens: the argument "tokens" must have the shape [N, T], not [N, 64])y"},
    {samples::kProse, "name: tokens, dtype: int32", "name: tokens, dtype: float32",
     R"y(model.yaml:25:3: loop.tokens: the argument "tokens" must be int64 or int32)y"},
    {samples::kProse, "name: logits, dtype: float32, shape: [N, 500]", "name: logits, dtype: float32, shape: [N, T, 500]",
     R"y(model.yaml:26:3: loop.logits: the result "logits" must have the shape [N, vocabulary], not [N, T, 500])y"},
    {samples::kProse, "name: logits, dtype: float32", "name: logits, dtype: float16",
     R"y(model.yaml:26:3: loop.logits: the result "logits" must be float32)y"},
    {samples::kProse, "end: [2]", "end: [500]",
     "model.yaml:28:9: loop.end[0]: 500 is not a token; the vocabulary has 500"},
    {samples::kProse, "chunk: 16", "chunk: 65",
     "model.yaml:33:3: loop.chunk: must not be greater than context"},
    {samples::kProse, R"y(  cache:
  - {argument: keys, result: keys}
)y", "",
     "model.yaml:29:3: loop.positions: goes only with a cache"},
    {samples::kProse, R"y(  - {name: keys, dtype: float32, shape: [N, 2, 64, 16]}
loop)y", R"y(  - {name: keys, dtype: float32, shape: [N, 2, 64, 8]}
loop)y",
     R"y(model.yaml:30:22: loop.cache[0].result: the result "keys" must have its argument's dtype and shape, float32 [N, 2, 64, 16])y"},
    {samples::kProse, "golden:", R"y(batching: {sizes: [1]}
golden:)y",
     "model.yaml:36:1: batching: does not go with an autoregressive loop; its loop.slots says how many run together"},
    {samples::kProse, "kind: text}", "kind: tensor, result: logits}",
     "model.yaml:35:16: outputs[0].kind: an autoregressive loop gives text; must be text"},
    {samples::kProse, "saved/saved_model.pb", "saved/other.pb",
     R"y(model.yaml:5:1: model: "saved" must be a SavedModel folder; "saved/saved_model.pb" is not listed in files)y"},
    {samples::kGlyphs, "result: image, layout", "result: picture, layout",
     R"y(model.yaml:25:30: outputs[0].result: no result is named "picture"; there is image)y"},
    {samples::kGlyphs, "layout: CHW", "layout: HW",
     R"y(model.yaml:25:45: outputs[0].layout: HW needs a result of 3 dimensions with N; "image" is [N, 1, 32, 32])y"},
    {samples::kGlyphs, "layout: CHW", "layout: HWC",
     "model.yaml:25:45: outputs[0].layout: HWC makes 32 channels of [N, 1, 32, 32]; must be 1, 3 or 4"},
    {samples::kGlyphs, "layout: CHW", "layout: WHC",
     R"y(model.yaml:25:45: outputs[0].layout: "WHC" is not known; did you mean CHW? It must be CHW, HWC or HW)y"},
    {samples::kGlyphs, "kind: image, result", "kind: tensor, result",
     "model.yaml:25:46: outputs[0].layout: is not a field here; the fields are name, kind and result"},
    {samples::kGlyphs, "- {name: image, kind: image, result: image, layout: CHW, range: [0, 1]}", "- {name: image, kind: tensor, result: image}",
     "model.yaml:25:3: outputs[0]: must be an image, since the task is image-generation"},
    {samples::kGlyphs, "- {name: image, kind: image, result: image, layout: CHW, range: [0, 1]}", "- {name: image, kind: text}",
     "model.yaml:25:17: outputs[0].kind: text comes only from an autoregressive loop"},
    {samples::kGlyphs, "- {name: image, kind: image, result: image, layout: CHW, range: [0, 1]}", "[]",
     "model.yaml:24:1: outputs: must not be empty; the first output is what /generate answers with"},
    {samples::kGlyphs, "- {name: image, kind: image, result: image, layout: CHW, range: [0, 1]}", "- {name: image, kind: audio, result: image}",
     "model.yaml:25:3: outputs[0]: sampleRate is missing"},
    {samples::kMotion, ", frameRate: 8", "",
     "model.yaml:28:3: outputs[0]: frameRate is missing"},
    {samples::kGlyphs, "sizes: [8]", "sizes: [8, 4]",
     "model.yaml:26:23: batching.sizes[1]: must be greater than the size before it"},
    {samples::kGlyphs, "sizes: [8]", "sizes: []",
     "model.yaml:26:12: batching.sizes: must not be empty"},
    {samples::kGlyphs, "sizes: [8]", "sizes: [0]",
     "model.yaml:26:20: batching.sizes[0]: must be from 1 to 4096, not 0"},
    {samples::kGlyphs, "maxWait: 2ms", "maxWait: 2",
     "model.yaml:26:24: batching.maxWait: must be a time from 0s to 10s with its unit (us, ms or s), such as 2ms"},
    {samples::kGlyphs, "maxWait: 2ms", "maxWait: 2 minutes",
     "model.yaml:26:24: batching.maxWait: must be a time from 0s to 10s with its unit (us, ms or s), such as 2ms"},
    {samples::kGlyphs, "seed: 7", "seed: -7",
     "model.yaml:28:13: golden[0].request.seed: must be from 0 to 9223372036854775807, not -7"},
    {samples::kGlyphs, "character: A}", "charcter: A}",
     "model.yaml:28:22: golden[0].request.charcter: is not a key of requests; did you mean character?"},
    {samples::kGlyphs, "character: A}", "character: Z}",
     R"y(model.yaml:28:22: golden[0].request.character: "Z" is not one of the labels of "character")y"},
    {samples::kGlyphs, "character: A}", "character: 1}",
     "model.yaml:28:22: golden[0].request.character: must be a string, one of the labels; put it in quotes"},
    {samples::kGlyphs, "character: A}", "slant: 3}",
     "model.yaml:28:22: golden[0].request.slant: must be from -1 to 1, not 3"},
    {samples::kGlyphs, "character: A}", "noise: 3}",
     "model.yaml:28:22: golden[0].request.noise: noise is drawn from the seed; a request cannot give it"},
    {samples::kGlyphs, "expect: {image", "expect: {picture",
     R"y(model.yaml:29:12: golden[0].expect.picture: no output is named "picture"; there is image)y"},
    {samples::kGlyphs, "expect: {image: golden/0.image.npy}", "expect: {image: golden/1.image.npy}",
     R"y(model.yaml:29:12: golden[0].expect.image: "golden/1.image.npy" is not listed in files)y"},
    {samples::kGlyphs, "expect: {image: golden/0.image.npy}", "expect: {image: golden/0.png}",
     R"y(model.yaml:29:12: golden[0].expect.image: "golden/0.png" must be the path of an .npy file of the package)y"},
    {samples::kGlyphs, "tolerance: 0.001", "tolerance: -1",
     "model.yaml:30:3: golden[0].tolerance: must be from 0 to 1e+09, not -1"},
    {samples::kUpstream, "protocol: openai", "protocol: grpc",
     R"y(model.yaml:6:3: remote.protocol: "grpc" is not known; must be openai, openInference or http)y"},
    {samples::kUpstream, "url: http://", "url: ftp://",
     R"y(model.yaml:7:3: remote.url: "ftp://127.0.0.1:8000/v1" must begin with http://, https:// or unix:)y"},
    {samples::kUpstream, "8000/v1", "{port}/v1",
     "model.yaml:7:3: remote.url: {port} and {socket} stand for the address of a command; there is none"},
    {samples::kUpstream, "8000/v1", "8000/v1?x=1",
     "model.yaml:7:3: remote.url: must not hold a query"},
    {samples::kUpstream, "  model: llama", "  keyVariable: HOME\n  model: llama",
     "model.yaml:8:3: remote.keyVariable: must begin with SERIN_UPSTREAM_, so that a package cannot ask for other secrets"},
    {samples::kUpstream, "  model: llama", "  path: /predict\n  model: llama",
     "model.yaml:8:3: remote.path: goes only with protocol http"},
    {samples::kUpstream, "  model: llama", "", "model.yaml:5:1: remote: model is missing"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  timeout: 2h",
     "model.yaml:9:3: remote.timeout: must be a time from 1ms to 3600s with its unit (ms or s), such as 60s"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  concurrency: 4",
     "model.yaml:9:3: remote.concurrency: goes only with protocol openInference"},
    {samples::kTensors, "concurrency: 4", "concurrency: 0",
     "model.yaml:9:3: remote.concurrency: must be from 1 to 256, not 0"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  read: [/srv]",
     "model.yaml:9:3: remote.read: goes only with command"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  command: [app]\n  read: [venv]",
     R"y(model.yaml:10:3: remote.read: "venv" must be absolute; the package itself is readable anyway)y"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  command: [app]\n  environment: [A=b]",
     R"y(model.yaml:10:3: remote.environment: "A=b" is no variable's name; values stay outside)y"},
    {samples::kUpstream, "  model: llama", "  model: llama\n  command: [app]\n  connect: [0]",
     "model.yaml:10:13: remote.connect[0]: must be from 1 to 65535, not 0"},
    {samples::kUpstream, "  model: llama", "  model: llama\nloop: {kind: once}",
     "model.yaml:9:1: loop: goes only with tensors: remote.protocol openInference"},
    {samples::kUpstream, "  model: llama", "  model: llama\ninputs: []",
     "model.yaml:9:1: inputs: does not go with remote.protocol openai; requests go on as they are"},
    {samples::kUpstream, "  model: llama", "  model: llama\ngolden:\n- {request: {}, expect: {image: x.npy}}",
     "model.yaml:10:26: golden[0].expect.image: only text is compared in front of another server"},
    {samples::kApp, "path: /predict", "path: predict",
     "model.yaml:8:3: remote.path: must begin with '/'"},
    {samples::kApp, "kind: text, default: a hat", "kind: noise, shape: [2]",
     "model.yaml:11:3: inputs[0]: noise does not go to an upstream; it gets the seed"},
    {samples::kApp, "kind: text, default: a hat", "kind: text, tokenizer: t.json",
     "model.yaml:11:30: inputs[0].tokenizer: is not a field here; the fields are name, kind, doc and default"},
    {samples::kUpstream, "  model: llama", R"y(  model: llama
model: model.pt)y",
     "model.yaml:9:1: model: does not go with engine: remote; the model is elsewhere"},
    {samples::kUpstream, "protocol: openai", "protocol: openInference",
     "model.yaml:1:1: call is missing"},
};
// clang-format on

TEST(ManifestErrors, NameThePlaceTheFieldAndWhatWouldBeRight) {
  for (const Row& row : kRows) {
    std::string document(row.document);
    const std::size_t place = document.find(row.from);
    ASSERT_NE(place, std::string::npos) << row.from;
    document.replace(place, row.from.size(), row.to);
    const auto manifest = parse_manifest(document);
    ASSERT_FALSE(manifest.has_value()) << row.from << " -> " << row.to;
    EXPECT_EQ(manifest.error().code, Code::kInvalidArgument);
    EXPECT_EQ(manifest.error().message, row.error) << row.from << " -> " << row.to;
  }
}

TEST(ManifestErrors, GiveTheFieldToProgramsToo) {
  std::string document(samples::kGlyphs);
  document.replace(document.find("sizes: [8]"), 10, "sizes: [8, 4]");
  EXPECT_EQ(parse_manifest(document, "glyphs/model.yaml").error().param, "batching.sizes[1]");
  EXPECT_TRUE(parse_manifest(document, "glyphs/model.yaml")
                  .error()
                  .message.starts_with("glyphs/model.yaml:26:23: "));
}

TEST(ManifestErrors, EndQuicklyForDocumentsThatTryToBeLarge) {
  std::string deep(10'000, '[');
  EXPECT_FALSE(parse_manifest(deep));
  std::string aliases = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    aliases += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i)
      aliases += (i == 0 ? "*" : ", *") + std::string(1, static_cast<char>(c - 1));
    aliases += "]\n";
  }
  EXPECT_FALSE(parse_manifest(aliases));
  EXPECT_FALSE(parse_manifest(std::string(std::size_t{9} << 20, ' ')));
}

}  // namespace
}  // namespace serin::model
