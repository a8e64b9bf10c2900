// SPDX-License-Identifier: Apache-2.0
// model.yaml as values. docs/package-format.md says what each field means; this is that page in
// C++.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/tensor.h"

namespace serin::model {

enum class Task {
  kTextGeneration,
  kImageGeneration,
  kAudioGeneration,
  kVideoGeneration,
  kInference
};
enum class EngineKind { kTorch, kTensorflow, kRemote };
// Where the channel and time dimensions of one item stand; kT and kCT for sound.
enum class Layout { kCHW, kHWC, kHW, kT, kCT, kTCHW, kTHWC, kTHW };

std::string_view name_of(Task task);
std::string_view name_of(EngineKind engine);
std::string_view name_of(Layout layout);

struct FileEntry {
  std::string path;  // relative, '/' between segments, no '.' or '..'
  std::uint64_t size = 0;
  std::string sha256;
};

struct Range {
  double low = 0;
  double high = 1;
};

struct NoiseInput {
  enum class Distribution { kNormal, kUniform } distribution = Distribution::kNormal;
  Shape shape;
};
struct LabelInput {
  std::vector<std::string> labels;
  std::optional<std::string> default_label;  // unset: drawn from the seed
  bool one_hot = false;
};
struct NumberInput {
  double default_value = 0;
  std::optional<double> min, max;
  bool integer = false;
};
struct TextInput {
  std::string tokenizer;      // empty: sent on as it is (Remote::Protocol::kHttp)
  std::string chat_template;  // empty: none
  std::int64_t max_tokens = 0;
  std::int64_t pad_token = 0;
  std::string default_text;
};
struct ImageInput {
  std::int64_t width = 0, height = 0, channels = 3;
  Layout layout = Layout::kCHW;
  Range range;
  std::string default_file;  // empty: required
};
struct AudioInput {
  std::int64_t sample_rate = 0, channels = 1;
  double max_seconds = 30;
  std::string default_file;  // empty: required
};
struct TensorInput {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::optional<double> fill;  // unset: required
};

struct Input {
  std::string name;
  std::string doc;
  std::variant<NoiseInput, LabelInput, NumberInput, TextInput, ImageInput, AudioInput, TensorInput>
      kind;
};

// Dimensions that are not numbers in a declared shape.
inline constexpr std::int64_t kBatchDimension = -1;  // "N"
inline constexpr std::int64_t kLoopDimension = -2;   // "T"
std::string declared_shape(const Shape& shape);      // as model.yaml writes it: "[N, T, 32]"

struct Argument {
  std::string name;
  std::string input;  // empty: fed by the loop
  DType dtype = DType::kFloat32;
  Shape shape;  // with kBatchDimension first
};
struct ResultSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
};
struct Call {
  std::string method;
  std::vector<Argument> arguments;
  std::vector<ResultSpec> results;

  // Of a name that is there: a manifest's own names are checked when it is read.
  std::size_t place_of_argument(std::string_view name) const;
  std::size_t place_of_result(std::string_view name) const;
};

struct OnceLoop {};
struct DiffusionLoop {
  enum class Predicts { kVelocity, kEpsilon, kSample };
  enum class Schedule { kLinear, kCosine };
  struct Guidance {
    double default_value = 1, min = 0, max = 20;
    std::string input;          // the label input
    std::string unconditional;  // its label for the second row
  };
  std::string state;       // argument
  std::string timestep;    // argument
  std::string prediction;  // result
  Predicts predicts = Predicts::kVelocity;
  Schedule schedule = Schedule::kLinear;
  std::int64_t default_steps = 20, min_steps = 1, max_steps = 100;
  std::optional<Guidance> guidance;
};
struct AutoregressiveLoop {
  struct Cache {
    std::string argument, result;
  };
  std::int64_t slots = 1;
  std::int64_t context = 0;
  std::string prompt;  // text input
  std::string tokens;  // argument
  std::string logits;  // result
  std::optional<std::int64_t> begin;
  std::vector<std::int64_t> end;
  std::vector<Cache> cache;        // empty: every call sees the whole sequence
  std::string positions, lengths;  // arguments, with a cache
  std::int64_t chunk = 1;          // with a cache
};
using Loop = std::variant<OnceLoop, DiffusionLoop, AutoregressiveLoop>;

struct ImageOutput {
  Layout layout = Layout::kCHW;
  Range range;
};
struct AudioOutput {
  Layout layout = Layout::kT;
  std::int64_t sample_rate = 0;
};
struct VideoOutput {
  Layout layout = Layout::kTCHW;
  Range range;
  double frame_rate = 0;
};
struct TextOutput {};
struct TensorOutput {};
struct Output {
  std::string name;
  std::string result;  // a result of the call; "state" for a diffusion loop's; empty for text
  std::variant<ImageOutput, AudioOutput, VideoOutput, TextOutput, TensorOutput> kind;
};

struct Batching {
  std::vector<std::int64_t> sizes{1};  // ascending; a batch is padded up to the next
  std::chrono::microseconds max_wait{2000};
};

struct Golden {
  json::object request;
  std::vector<std::pair<std::string, std::string>>
      expect;  // output → .npy path, or the text itself
  double tolerance = 1e-3;
};

// A server that a worker stands in front of, and the command that starts it where the worker does;
// docs/remote.md.
struct Remote {
  enum class Protocol { kOpenAi, kOpenInference, kHttp } protocol = Protocol::kOpenAi;
  // http(s)://host:port/base or unix:/path.sock:/base; with a command it may hold {port} and
  // {socket}, which stand for the address that the command is told to listen on.
  std::string url;
  std::string model;         // the name upstream; empty for kHttp
  std::string path;          // kHttp: where requests are posted, below the URL
  std::string key_variable;  // environment variable with the bearer key; empty: none
  std::string health_path;   // below the server's root; empty: by protocol
  std::chrono::milliseconds timeout{600'000};  // of one request
  std::size_t concurrency = 8;                 // kOpenInference: calls under way at once
  std::vector<std::string> command;            // empty: `url` is somebody else's
  std::string directory;                       // the command's; relative to the package
  std::vector<std::string> environment;        // names of our variables that the command gets too
  std::vector<std::string> read, write;  // what the command may reach, besides package and system
  std::vector<std::uint16_t> connect;    // TCP ports that it may call
};

struct Manifest {
  std::string name;
  std::string description;
  std::string license;
  Task task = Task::kInference;
  EngineKind engine = EngineKind::kTorch;
  std::string model;
  std::vector<FileEntry> files;
  std::vector<Input> inputs;
  Call call;
  Loop loop;
  std::vector<Output> outputs;
  Batching batching;
  std::vector<Golden> golden;
  std::optional<Remote> remote;

  // Requests go to the upstream as they are; there are no tensors, so no engine.
  bool relayed() const { return remote && remote->protocol != Remote::Protocol::kOpenInference; }
  const Input* find_input(std::string_view name) const;
  const Argument* find_argument(std::string_view name) const;
  const Output* find_output(std::string_view name) const;
  const ResultSpec* find_result(std::string_view name) const;
};

// A word of `remote` with its {port} and {socket} filled in.
std::string filled(std::string text, std::uint16_t port, std::string_view socket);

// Reads and checks everything that can be known without the files: unknown fields, types, ranges,
// references between sections, shapes. Every error is kInvalidArgument and says
// "model.yaml:line:column: path: what, what would be right".
Result<Manifest> parse_manifest(std::string_view yaml, std::string_view file_name = "model.yaml");

// The same with `files`, which were just found in the folder, in place of what stands there: a file
// that is named and is not among them does not exist.
Result<Manifest> parse_with_files(std::string_view yaml, std::vector<FileEntry> files,
                                  std::string_view file_name = "model.yaml");

// The same before `files` is written: what stands there is not looked at, nor whether named files
// are listed.
Result<Manifest> parse_draft(std::string_view yaml, std::string_view file_name = "model.yaml");

// "sha256:…" of the canonical JSON (RFC 8785) of the document as written.
Result<std::string> manifest_digest(std::string_view yaml);

}  // namespace serin::model
