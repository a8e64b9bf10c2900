// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/compile.h"

#include <torch/headeronly/version.h>

#include <chrono>
#include <system_error>

#include "backends/torch/archive.h"
#include "backends/torch/compiled_cache.h"
#include "base/digest.h"
#include "base/log.h"
#include "model/exporter.h"
#include "model/folder.h"

namespace serin::backends {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::minutes kDeadline{60};  // the largest programs on a busy machine

struct Checked {
  Archive archive;
  std::vector<ExportedProgram> programs;
};

Result<Checked> checked(const fs::path& path) {
  SERIN_TRY_ASSIGN(Archive archive, Archive::open(path));
  SERIN_TRY_ASSIGN(auto programs, read_programs(archive));
  return Checked{std::move(archive), std::move(programs)};
}

// "true, false, …" of a report that foreign code may have written.
Result<std::vector<bool>> written_in(const json::value& report, std::size_t arguments) {
  const json::object* fields = report.if_object();
  const json::value* list = fields == nullptr ? nullptr : fields->if_contains("written");
  const json::array* flags = list == nullptr ? nullptr : list->if_array();
  std::vector<bool> written;
  for (const json::value& flag : flags == nullptr ? json::array() : *flags)
    written.push_back(flag.if_bool() == nullptr || *flag.if_bool());
  if (written.size() == arguments) return written;
  return fail(Code::kDataLoss, "the compiled program is described for other arguments");
}

tl::unexpected<Error> cannot_compile(Error error, const engine::LoadOptions& options) {
  if (error.code == Code::kInvalidArgument || error.code == Code::kDataLoss)
    return fail(std::move(error));
  error.code = Code::kFailedPrecondition;
  error.reason = "not_compiled";
  error.message = "an exported program has to be compiled for this machine: " + error.message +
                  "; `serin package compile " + options.model.parent_path().string() +
                  " --threads " + std::to_string(options.threads) + "` does it ahead of a start";
  return fail(std::move(error));
}

struct Workplace {
  explicit Workplace(fs::path folder) : path(std::move(folder)) {}
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  ~Workplace() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  const fs::path path;
};

// Compiles a copy, so that what was looked at is what Python reads.
Result<CompiledEntry> compile(const engine::LoadOptions& options, const CompileKey& key,
                              const CompiledCache& cache) {
  SERIN_TRY_ASSIGN(const fs::path python, model::find_python(model::Framework::kTorch));
  SERIN_TRY_ASSIGN(const fs::path exporter, model::exporter_folder());
  SERIN_TRY_ASSIGN(fs::path place, cache.workplace(digest_of(key)));
  const Workplace folder(std::move(place));
  const fs::path copy = folder.path / "source.pt2", work = folder.path / "work";
  std::error_code error;
  fs::copy_file(options.model, copy, error);
  if (!error) fs::create_directory(work, error);
  if (error) return fail(Code::kResourceExhausted, copy.string() + ": " + error.message());
  SERIN_TRY_ASSIGN(const std::string digest, sha256_hex_of_file(copy));
  if (digest != key.file) return fail(Code::kDataLoss, "the file changed while it was read");
  SERIN_TRY_ASSIGN(const Checked source, checked(copy));
  SERIN_TRY_ASSIGN(const ExportedProgram* program,
                   find_method(source.programs, options.call.method));
  SERIN_TRY(check_weights(source.archive, *program));
  model::ExporterJob job{.python = python, .exporter = exporter, .work = work, .job = {}};
  job.job = {{"kind", "torch_exported_compile"}, {"source", copy.string()},
             {"program", program->name},         {"torch", TORCH_VERSION},
             {"threads", options.threads},       {"output", "out"}};
  job.readable = {copy};
  job.deadline = kDeadline;
  SERIN_TRY_ASSIGN(const json::value report, model::run_exporter(job));
  SERIN_TRY(written_in(report, program->arguments.size()));
  if (!fs::exists(work / "out/model.so", error))
    return fail(Code::kInternal, "serin_export left no model.so");
  return cache.keep(digest_of(key), work / "out", report);
}

Result<CompiledEntry> found_or_compiled(const engine::LoadOptions& options, const CompileKey& key) {
  const CompiledCache cache(options.cache, key.file);
  const std::string digest = digest_of(key);
  std::string why_not;
  if (auto entry = cache.find(digest, &why_not)) return *std::move(entry);
  auto lock = cache.lock(digest);
  if (!lock) return cannot_compile(std::move(lock.error()), options);
  why_not.clear();
  if (auto entry = cache.find(digest, &why_not)) return *std::move(entry);  // made while we waited
  if (!why_not.empty()) {
    log::warning("a compiled program is not used and made again",
                 {{"folder", (options.cache / key.file / digest).string()}, {"reason", why_not}});
  }
  if (options.compiling) options.compiling();
  log::info("compiling the exported program", {{"model", options.model.string()},
                                               {"method", options.call.method},
                                               {"threads", options.threads}});
  const auto began = std::chrono::steady_clock::now();
  auto made = compile(options, key, cache);
  if (!made) return cannot_compile(std::move(made.error()), options);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began);
  log::info("compiled", {{"compile_ms", took.count()}, {"folder", made->folder.string()}});
  return made;
}

}  // namespace

bool is_exported_program(const fs::path& model) {
  const auto archive = Archive::open(model);
  return archive && form_of(*archive) == FileForm::kExportedProgram;
}

Result<CompiledProgram> compiled_program(const engine::LoadOptions& options) {
  const std::string file = options.model.filename().string();
  auto source = checked(options.model);
  if (!source) return fail(std::move(source.error()).within(file));
  SERIN_TRY_ASSIGN(const ExportedProgram* program,
                   find_method(source->programs, options.call.method));
  SERIN_TRY(check_call(*program, options.call));
  if (options.device.kind != engine::Device::Kind::kCpu) {
    return fail(Error{Code::kUnimplemented,
                      "exported programs run on the CPU; give --device cpu, or a TorchScript file",
                      "no_cuda"});
  }
  SERIN_TRY_ASSIGN(const std::string digest, sha256_hex_of_file(options.model));
  const CompileKey key{digest, program->name, TORCH_VERSION, "cpu", options.threads};
  auto entry = found_or_compiled(options, key);
  if (!entry) return fail(std::move(entry.error()).within(file));
  SERIN_TRY_ASSIGN(auto written, written_in(entry->about, program->arguments.size()));
  return CompiledProgram{*program, entry->folder / "model.so", std::move(written)};
}

Result<std::vector<engine::Signature>> inspect_programs(const fs::path& model) {
  const std::string file = model.filename().string();
  auto source = checked(model);
  if (!source) return fail(std::move(source.error()).within(file));
  std::vector<engine::Signature> signatures;
  for (const ExportedProgram& program : source->programs) {
    if (Status fine = check_weights(source->archive, program); !fine)
      return fail(std::move(fine.error()).within(file));
    signatures.push_back(signature_of(program));
  }
  return signatures;
}

}  // namespace serin::backends
