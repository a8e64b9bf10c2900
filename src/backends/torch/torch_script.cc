// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/torch_script.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <string>

#include "backends/call_check.h"
#include "backends/torch/archive.h"
#include "backends/torch/graph_check.h"
#include "backends/torch/pickle_scan.h"
#include "backends/torch/source_scan.h"
#include "base/file_head.h"

namespace serin::backends {
namespace {

// PyTorch reads through the file that was checked, whatever happens to its name meanwhile.
class ArchiveReader final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit ArchiveReader(Archive archive) : archive_(std::move(archive)) {}
  std::size_t size() const override { return static_cast<std::size_t>(archive_.file_size()); }
  std::size_t read(std::uint64_t offset, void* into, std::size_t count,
                   const char*) const override {
    const Result<std::size_t> got = archive_.read_at(offset, {static_cast<char*>(into), count});
    return got.value_or(0);
  }

 private:
  Archive archive_;
};

tl::unexpected<Error> needs_class(const std::filesystem::path& path) {
  return fail(Error{Code::kInvalidArgument,
                    path.filename().string() +
                        " is not TorchScript but a pickled module or state_dict, which only its "
                        "Python class can read: "
                        "convert it with `serin package import " +
                        path.filename().string() + " --class FILE:CLASS`",
                    "needs_class", "model"});
}

// torch.save before zip archives (PyTorch 1.6): a pickle, which begins with its protocol, or a tar
// file, which has its magic at 257.
bool is_old_save(const std::filesystem::path& path) {
  const std::string head = head_of(path, 262);
  return head.starts_with('\x80') ||
         head.substr(std::min<std::size_t>(257, head.size())) == "ustar";
}

Status check_pickle(const Archive& archive, const ArchiveEntry& entry) {
  SERIN_TRY_ASSIGN(const std::string bytes, archive.read(entry));
  auto globals = pickle_globals(bytes);
  if (!globals) return fail(std::move(globals.error()).within(entry.name));
  for (const std::string& name : *globals) {
    if (!is_known_torchscript_global(name)) {
      return fail(Code::kPermissionDenied,
                  entry.name + " is a pickle that calls " + name +
                      "; only tensors and the model's own classes are rebuilt");
    }
  }
  return {};
}

Status check_source(const Archive& archive, const ArchiveEntry& entry) {
  SERIN_TRY_ASSIGN(const std::string text, archive.read(entry));
  const auto found = forbidden_in_source(text);
  if (!found) return {};
  return fail(Code::kPermissionDenied,
              "the model uses " + *found + " in " + entry.name +
                  "; operations on files, the network or Python are not run");
}

Status check_entries(const Archive& archive) {
  for (const ArchiveEntry& entry : archive.entries()) {
    if (entry.name.ends_with("pkl"))
      SERIN_TRY(check_pickle(archive, entry));
    else if (entry.name.ends_with(".py"))
      SERIN_TRY(check_source(archive, entry));
  }
  return {};
}

engine::Signature::Value value_of(std::string name, const c10::TypePtr& type) {
  engine::Signature::Value value;
  value.name = std::move(name);
  if (const auto tensor = type->cast<c10::TensorType>()) {
    if (const auto rank = tensor->sizes().size(); rank && tensor->scalarType()) {
      value.shape_known = true;
      for (std::size_t i = 0; i < *rank; ++i)
        value.shape.push_back(tensor->sizes()[i].value_or(-1));
    }
  }
  return value;
}

// A tensor is one result; a tuple as many as it has fields. What a list or dict holds, its type
// does not say.
void add_results(engine::Signature& signature, const c10::TypePtr& type) {
  const auto tuple = type->cast<c10::TupleType>();
  if (!tuple) {
    signature.results.push_back(value_of("result", type));
    return;
  }
  for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
    std::string name = "result" + std::to_string(i);
    if (tuple->schema() && i < tuple->schema()->arguments().size())
      name = tuple->schema()->arguments()[i].name();
    signature.results.push_back(value_of(std::move(name), tuple->elements()[i]));
  }
}

std::string reason_in(std::string message) {
  // The interpreter puts the traceback of the model's code first, which ends with the place.
  constexpr std::string_view kPlace = "<--- HERE\n", kKind = "RuntimeError: ";
  if (const std::size_t place = message.rfind(kPlace); place != std::string::npos)
    message.erase(0, place + kPlace.size());
  if (const std::size_t kind = message.rfind(kKind); kind != std::string::npos)
    message.erase(0, kind + kKind.size());
  while (!message.empty() && message.back() == '\n') message.pop_back();
  std::ranges::replace(message, '\n', ' ');
  constexpr std::size_t kMost = 500;
  if (message.size() > kMost) message.replace(kMost, std::string::npos, " …");
  return message;
}

}  // namespace

Error error_of_exception(const std::exception& problem) {
  const auto* theirs = dynamic_cast<const c10::Error*>(&problem);
  std::string message = theirs != nullptr ? theirs->what_without_backtrace() : problem.what();
  const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&problem) != nullptr ||
                      dynamic_cast<const std::bad_alloc*>(&problem) != nullptr ||
                      message.find("can't allocate memory") != std::string::npos ||
                      message.find("CUDA out of memory") != std::string::npos ||
                      message.find("CUDA error: out of memory") != std::string::npos ||
                      message.find("_ALLOC_FAILED") != std::string::npos;  // cuBLAS and cuDNN
  message = reason_in(std::move(message));
  if (memory) return out_of_memory(message);
  return Error{Code::kInternal, "PyTorch: " + message};
}

Result<torch::jit::Module> load_script(const std::filesystem::path& path, c10::Device device) {
  auto archive = Archive::open(path);
  if (!archive) {
    if (is_old_save(path)) return needs_class(path);
    if (archive.error().message == "not a zip archive") {
      std::error_code unknown;
      archive.error().message = std::filesystem::is_empty(path, unknown)
                                    ? "is empty"
                                    : "is not a file that torch.jit.save wrote";
    }
    return fail(std::move(archive.error()).within(path.filename().string()));
  }
  if (form_of(*archive) != FileForm::kTorchScript) return needs_class(path);
  if (Status fine = check_entries(*archive); !fine)
    return fail(std::move(fine.error()).within(path.filename().string()));
  try {
    torch::jit::Module module =
        torch::jit::load(std::make_shared<ArchiveReader>(*std::move(archive)), device, false);
    module.eval();
    if (Status fine = check_operations(module); !fine)
      return fail(std::move(fine.error()).within(path.filename().string()));
    if (Status fine = check_weights(module); !fine)
      return fail(std::move(fine.error()).within(path.filename().string()));
    return module;
  } catch (const std::exception& problem) {
    Error error = error_of_exception(problem);
    if (error.code == Code::kInternal) error.code = Code::kInvalidArgument;
    return fail(std::move(error).within("cannot load " + path.filename().string()));
  }
}

std::vector<engine::Signature> signatures_of(const torch::jit::Module& module) {
  std::vector<engine::Signature> signatures;
  for (const torch::jit::Method& method : module.get_methods()) {
    const c10::FunctionSchema& schema = method.function().getSchema();
    engine::Signature signature;
    signature.method = method.name();
    if (signature.method.starts_with("__")) continue;  // __getstate__ and its like are no calls
    const auto& arguments = schema.arguments();
    for (std::size_t i = 1; i < arguments.size(); ++i) {  // the first is self
      signature.arguments.push_back(value_of(arguments[i].name(), arguments[i].type()));
    }
    for (const auto& result : schema.returns()) add_results(signature, result.type());
    signatures.push_back(std::move(signature));
  }
  return signatures;
}

}  // namespace serin::backends
