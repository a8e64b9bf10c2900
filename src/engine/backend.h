// SPDX-License-Identifier: Apache-2.0
// What a framework must do to run packages. One implementation a shared object (backends/), loaded
// by the worker that needs it through create_backend(). backends/contract_test.cc runs on every
// implementation and is the definition.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/tensor.h"
#include "model/manifest.h"

namespace serin::engine {

struct Device {
  enum class Kind { kCpu, kCuda } kind = Kind::kCpu;
  int index = 0;
};
std::string to_string(const Device& device);         // "cpu", "cuda:0"
Result<Device> parse_device(std::string_view text);  // also "auto"

// Where a remote package's calls go: what model.yaml declares, with its placeholders filled in, and
// what only this process knows.
struct Upstream {
  model::Remote remote;
  std::string key;  // a bearer key; empty: none. Never logged
  std::map<std::string, std::vector<std::string>, std::less<>> addresses;  // of its host
};

struct LoadOptions {
  std::filesystem::path model;  // file or folder; of a remote package: its folder
  model::Call call;             // what will be run; checked against what the file says
  Device device;
  int threads = 1;                       // of one operation
  std::uint64_t memory_limit_bytes = 0;  // of the device; 0: no cap
  std::filesystem::path cache;           // of compiled forms, those of one file in a folder
  std::optional<Upstream> upstream;      // of a remote package
  std::function<void()> compiling;  // called before what takes minutes, where it has to be done
};

// Whether nobody waits any more for the call that runs; may be empty. A backend that computes
// elsewhere asks while it waits, on the thread of run(), and ends the call with kCancelled; a
// framework cannot.
using Abandoned = std::function<bool()>;

// Names, dtypes and shapes that a file itself declares; dimensions that vary are -1. Empty where it
// does not say.
struct Signature {
  struct Value {
    std::string name;
    DType dtype = DType::kFloat32;
    Shape shape;
    bool shape_known = false;
  };
  std::string method;
  std::vector<Value> arguments;
  std::vector<Value> results;
};

// State that stays on the device between calls (a cache): made of zeros, replaced by run(). One
// owner, one call at a time.
class State {
 public:
  virtual ~State() = default;
};

// A loaded model. As many threads at a time as calls_at_once() says; they may change between calls.
// Its memory is gone with it.
class Model {
 public:
  virtual ~Model() = default;

  // 1 where the framework computes here, on one device; more where others compute, as far as the
  // package allows. Always the same.
  virtual std::size_t calls_at_once() const = 0;

  // Zeros for the arguments that LoadOptions::call feeds from earlier results, in `pairs`
  // (argument, result) by index.
  struct Carry {
    std::size_t argument;
    std::size_t result;
  };
  virtual Result<std::unique_ptr<State>> make_state(std::span<const Carry> pairs,
                                                    std::int64_t batch) = 0;

  // Runs call.method. `arguments` holds host tensors in the order of call.arguments, empty ones
  // where `state` feeds them. Gives host tensors in the order of call.results, empty ones where
  // they went to `state`; they stay valid after the next run. Errors: kInvalidArgument (the model
  // refuses the shapes), kResourceExhausted (out of device memory: the model lives on), kInternal
  // (what the framework said).
  virtual Result<std::vector<Tensor>> run(std::span<const Tensor> arguments, State* state,
                                          const Abandoned& abandoned) = 0;

  virtual std::uint64_t device_memory_bytes() const = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string version() const = 0;  // "torch 2.11.0"
  // What the file says of itself. Refuses what is not a model of this framework (kInvalidArgument),
  // pickles that do more than rebuild tensors and graphs with file or network operations
  // (kPermissionDenied, naming the operation).
  virtual Result<std::vector<Signature>> inspect(const std::filesystem::path& model) = 0;
  virtual Result<std::unique_ptr<Model>> load(const LoadOptions& options) = 0;
};

// Loads libserin_<name>.so from beside the program (or ../lib/serin). kUnimplemented when this
// build has none, with how to get it. The library stays loaded until the process ends.
Result<std::unique_ptr<Backend>> create_backend(model::EngineKind kind);

// What each shared object exports: it writes its log as the program does.
using CreateBackendFunction = Backend* (*)(log::Settings);
inline constexpr const char* kCreateBackendSymbol = "serin_create_backend";

}  // namespace serin::engine
