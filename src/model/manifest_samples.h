// SPDX-License-Identifier: Apache-2.0
// Good documents, one a loop, that the tests bend.
#pragma once

#include <string_view>

namespace serin::model::samples {

// One call: noise, a label and a number become a picture.
inline constexpr std::string_view kGlyphs = R"yaml(format: serin.dev/package/v1
name: glyphs
task: image-generation
description: Pictures of a character in a style.
license: Apache-2.0
engine: torch
model: model.pt
files:
- {path: golden/0.image.npy, size: 4224, sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
- {path: model.pt, size: 1187321, sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
inputs:
- {name: noise, kind: noise, distribution: normal, shape: [32]}
- {name: character, kind: label, labels: ["0", "1", A, B], doc: The character to draw.}
- {name: slant, kind: number, default: 0.0, min: -1.0, max: 1.0, doc: How far the character leans.}
call:
  method: forward
  arguments:
  - {name: z, input: noise, dtype: float32, shape: [N, 32]}
  - {name: character, input: character, dtype: int64, shape: [N]}
  - {name: slant, input: slant, dtype: float32, shape: [N]}
  results:
  - {name: image, dtype: float32, shape: [N, 1, 32, 32]}
loop: {kind: once}
outputs:
- {name: image, kind: image, result: image, layout: CHW, range: [0, 1]}
batching: {sizes: [8], maxWait: 2ms}
golden:
- request: {seed: 7, character: A}
  expect: {image: golden/0.image.npy}
  tolerance: 0.001
)yaml";

// Diffusion with guidance.
inline constexpr std::string_view kMotion = R"yaml(format: serin.dev/package/v1
name: motion
task: video-generation
engine: torch
model: model.pt2
files:
- {path: model.pt2, size: 10, sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
inputs:
- {name: noise, kind: noise, shape: [16, 1, 32, 32]}
- {name: shape, kind: label, labels: [circle, square, none], default: circle}
call:
  arguments:
  - {name: x, input: noise, dtype: float32, shape: [N, 16, 1, 32, 32]}
  - {name: t, dtype: float32, shape: [N]}
  - {name: label, input: shape, dtype: int64, shape: [N]}
  results:
  - {name: velocity, dtype: float32, shape: [N, 16, 1, 32, 32]}
loop:
  kind: diffusion
  state: x
  timestep: t
  prediction: velocity
  predicts: velocity
  schedule: linear
  steps: {default: 20, min: 1, max: 100}
  guidance: {default: 2.0, min: 0, max: 10, input: shape, unconditional: none}
outputs:
- {name: video, kind: video, result: state, layout: TCHW, range: [-1, 1], frameRate: 8}
golden:
- request: {seed: 1, shape: square, steps: 4}
)yaml";

// Tokens with a cache.
inline constexpr std::string_view kProse = R"yaml(format: serin.dev/package/v1
name: prose
task: text-generation
engine: tensorflow
model: saved
files:
- {path: saved/saved_model.pb, size: 10, sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
- {path: tokenizer.json, size: 10, sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb}
inputs:
- {name: prompt, kind: text, tokenizer: tokenizer.json}
call:
  arguments:
  - {name: tokens, dtype: int32, shape: [N, T]}
  - {name: positions, dtype: int32, shape: [N]}
  - {name: lengths, dtype: int32, shape: [N]}
  - {name: keys, dtype: float32, shape: [N, 2, 64, 16]}
  results:
  - {name: logits, dtype: float32, shape: [N, 500]}
  - {name: keys, dtype: float32, shape: [N, 2, 64, 16]}
loop:
  kind: autoregressive
  slots: 4
  context: 64
  prompt: prompt
  tokens: tokens
  logits: logits
  begin: 1
  end: [2]
  cache:
  - {argument: keys, result: keys}
  positions: positions
  lengths: lengths
  chunk: 16
outputs:
- {name: text, kind: text}
golden:
- request: {prompt: Once, max_tokens: 4, temperature: 0}
  expect: {text: upon a time}
)yaml";

// Somebody else's server.
inline constexpr std::string_view kUpstream = R"yaml(format: serin.dev/package/v1
name: upstream
task: text-generation
engine: remote
remote:
  protocol: openai
  url: http://127.0.0.1:8000/v1
  model: llama
)yaml";

// Somebody else's server of tensors.
inline constexpr std::string_view kTensors = R"yaml(format: serin.dev/package/v1
name: tensors
task: inference
engine: remote
remote:
  protocol: openInference
  url: http://127.0.0.1:8000
  model: doubles
  concurrency: 4
inputs:
- {name: x, kind: number, default: 1.0}
call:
  arguments: [{name: x, input: x, dtype: float32, shape: [N]}]
  results: [{name: y, dtype: float32, shape: [N]}]
outputs: [{name: y, kind: tensor, result: y}]
)yaml";

// A program with a route of its own, started by the worker.
inline constexpr std::string_view kApp = R"yaml(format: serin.dev/package/v1
name: app
task: image-generation
engine: remote
remote:
  protocol: http
  url: http://127.0.0.1:{port}
  path: /predict
  command: [python3, app.py]
inputs:
- {name: prompt, kind: text, default: a hat}
- {name: size, kind: number, default: 20, integer: true}
)yaml";

}  // namespace serin::model::samples
