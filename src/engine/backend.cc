// SPDX-License-Identifier: Apache-2.0
#include "engine/backend.h"

#include <dlfcn.h>

#include <charconv>
#include <cstdlib>
#include <system_error>

#include "engine/held_output.h"

namespace serin::engine {
namespace {

// Where the engine's shared object may stand: beside the program (a build folder), or as installed.
std::vector<std::filesystem::path> places_of(const std::string& file) {
  std::error_code problem;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (problem) return {};
  const std::filesystem::path folder = program.parent_path();
  return {folder / file, folder.parent_path() / "lib" / "serin" / file};
}

tl::unexpected<Error> not_built(std::string_view name,
                                const std::vector<std::filesystem::path>& looked) {
  std::string upper(name);
  for (char& letter : upper)
    letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
  std::string message = "this build has no " + std::string(name) +
                        " engine: configure with -DSERIN_" + upper +
                        "=ON, or install the package that holds it. Looked for";
  for (const auto& path : looked) message += " " + path.string();
  return fail(Error{Code::kUnimplemented, std::move(message), "engine_not_built"});
}

// TensorFlow reads these while its libraries are being loaded; who set them knows better.
void prepare_environment(model::EngineKind kind) {
  if (kind != model::EngineKind::kTensorflow) return;
  ::setenv("TF_DETERMINISTIC_OPS", "1", 0);
  ::setenv("TF_CPP_MIN_LOG_LEVEL", "2", 0);
}

// A GPU where this build can use one and the driver's device file is there: the program links
// nothing that could ask more.
Device best_device() {
#ifdef SERIN_CUDA
  std::error_code problem;
  if (std::filesystem::exists("/dev/nvidia0", problem)) return {Device::Kind::kCuda, 0};
#endif
  return {};
}

std::string last_dl_error() {
  const char* message = ::dlerror();
  return message == nullptr ? "no reason given" : message;
}

}  // namespace

std::string to_string(const Device& device) {
  return device.kind == Device::Kind::kCpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

Result<Device> parse_device(std::string_view text) {
  if (text == "cpu") return Device{};
  if (text == "cuda") return Device{Device::Kind::kCuda, 0};
  if (text == "auto") return best_device();
  constexpr std::string_view kCuda = "cuda:";
  if (text.starts_with(kCuda)) {
    const std::string_view digits = text.substr(kCuda.size());
    int index = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (read.ec == std::errc() && read.ptr == digits.data() + digits.size() && index >= 0 &&
        index < 64) {
      return Device{Device::Kind::kCuda, index};
    }
  }
  return invalid(
      "no such device: \"" + std::string(text.substr(0, 64)) + "\"; give auto, cpu or cuda:N",
      "device");
}

Result<std::unique_ptr<Backend>> create_backend(model::EngineKind kind) {
  const std::string name(model::name_of(kind));
  const std::string file = "libserin_" + name + ".so";
  const std::vector<std::filesystem::path> places = places_of(file);
  for (const std::filesystem::path& path : places) {
    std::error_code problem;
    if (!std::filesystem::exists(path, problem)) continue;
    prepare_environment(kind);
    // Local: two frameworks bring symbols of the same names. Never closed: their threads outlive
    // any model.
    void* library = nullptr;
    pass_on(held_output_of([&] { library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); }), name);
    if (library == nullptr) {
      return fail(Code::kFailedPrecondition,
                  "cannot load the " + name + " engine: " + last_dl_error());
    }
    void* symbol = ::dlsym(library, kCreateBackendSymbol);
    if (symbol == nullptr) {
      return fail(Code::kInternal, path.string() + " is no engine of Serin: " + last_dl_error());
    }
    std::unique_ptr<Backend> made(reinterpret_cast<CreateBackendFunction>(symbol)());
    if (made == nullptr) return fail(Code::kInternal, "the " + name + " engine did not start");
    return made;
  }
  return not_built(name, places);
}

}  // namespace serin::engine
