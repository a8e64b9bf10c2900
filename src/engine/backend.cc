// SPDX-License-Identifier: Apache-2.0
#include "engine/backend.h"

#include <charconv>
#include <cstdlib>
#include <system_error>

#include "base/shared_object.h"
#include "engine/held_output.h"

namespace serin::engine {
namespace {

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
  const std::vector<std::filesystem::path> places = places_of_shared_object(file);
  for (const std::filesystem::path& path : places) {
    std::error_code problem;
    if (!std::filesystem::exists(path, problem)) continue;
    prepare_environment(kind);
    Result<void*> symbol = nullptr;
    pass_on(held_output_of([&] { symbol = load_symbol(path, kCreateBackendSymbol); }), name);
    if (!symbol)
      return fail(std::move(symbol).error().within("cannot load the " + name + " engine"));
    std::unique_ptr<Backend> made(
        reinterpret_cast<CreateBackendFunction>(*symbol)(log::settings()));
    if (made == nullptr) return fail(Code::kInternal, "the " + name + " engine did not start");
    return made;
  }
  return not_built(name, places);
}

}  // namespace serin::engine
