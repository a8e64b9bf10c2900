// SPDX-License-Identifier: Apache-2.0
#include "model/exporter.h"

#include <cstdlib>
#include <fstream>

#include "base/files.h"
#include "base/subprocess.h"
#include "model/folder.h"
#include "model/import_sandbox.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kReportLimit = std::uint64_t{4} << 20;
constexpr std::chrono::minutes kEnvironmentDeadline{60};

std::string_view framework_title(Framework framework) {
  return framework == Framework::kTorch ? "PyTorch" : "TensorFlow";
}

std::string variable_of(Framework framework) {
  return framework == Framework::kTorch ? "SERIN_PYTHON_TORCH" : "SERIN_PYTHON_TENSORFLOW";
}

// What the user named, else where tools/environment puts it.
fs::path python_of(Framework framework) {
  const char* given = std::getenv(variable_of(framework).c_str());
  if (given != nullptr && *given != '\0') return fs::absolute(given);
  return cache_directory() / "venvs" / name_of(framework) / "bin/python";
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// tools/ stands beside python/, in a checkout and where Serin is installed.
Result<fs::path> environment_script() {
  SERIN_TRY_ASSIGN(const fs::path exporter, exporter_folder());
  return exporter.parent_path() / "tools/environment";
}

}  // namespace

std::string_view name_of(Framework framework) {
  return framework == Framework::kTorch ? "torch" : "tensorflow";
}

Result<fs::path> exporter_folder() {
  std::error_code error;
  const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder : {here / "../../python", here / "../share/serin/python"}) {
    if (is_there(folder / "serin_export")) return fs::canonical(folder, error);
  }
  return fail(Code::kFailedPrecondition, "python/serin_export is not beside the program");
}

Result<fs::path> find_python(Framework framework) {
  const fs::path python = python_of(framework);
  if (is_there(python)) return python;
  const auto script = environment_script();
  return fail(Error{Code::kFailedPrecondition,
                    "there is no Python with " + std::string(framework_title(framework)) + " at " +
                        python.string() + ": `" +
                        (script ? script->string() : "tools/environment") + " " +
                        std::string(name_of(framework)) +
                        "` makes one (with the network), or name one in " + variable_of(framework),
                    "no_python"});
}

Result<fs::path> make_python(Framework framework) {
  const char* given = std::getenv(variable_of(framework).c_str());
  if (given != nullptr && *given != '\0') return find_python(framework);  // somebody else's to make
  SERIN_TRY_ASSIGN(const fs::path script, environment_script());
  const std::string name(name_of(framework));
  // It says nothing and does nothing where the environment is there.
  SERIN_TRY_ASSIGN(
      const Exit exit,
      run_command({.arguments = {script.string(), name}, .capture = false}, kEnvironmentDeadline));
  const fs::path python = python_of(framework);
  if (is_there(python)) return python;
  return fail(Error{Code::kFailedPrecondition,
                    "the Python environment with " + std::string(framework_title(framework)) +
                        " could not be made" +
                        (exit.timed_out ? " within an hour" : "; what is missing stands above") +
                        ". With the network, `" + script.string() + " " + name +
                        "` tries again; or name a Python that has " +
                        std::string(framework_title(framework)) + " in " + variable_of(framework),
                    "no_python"});
}

Result<json::value> run_exporter(const ExporterJob& job) {
  std::error_code error;
  if (!fs::create_directory(job.work / "out", error))
    return fail(Code::kUnknown, (job.work / "out").string() + " cannot be made");
  SERIN_TRY(write_file(job.work / "job.json", json::serialize(job.job)));
  Confined command;
  command.arguments = {job.python.string(), "-m", "serin_export", "job.json"};
  command.folder = job.work;
  command.readable = job.readable;
  command.readable.push_back(fs::weakly_canonical(job.python.parent_path().parent_path(), error));
  command.readable.push_back(fs::absolute(job.exporter));
  command.environment = {{"PYTHONPATH", fs::absolute(job.exporter).string()},
                         {"PYTHONDONTWRITEBYTECODE", "1"},
                         {"CUDA_VISIBLE_DEVICES", ""},
                         {"USER", "serin"},
                         {"TF_CPP_MIN_LOG_LEVEL", "3"},
                         {"KERAS_BACKEND", "tensorflow"},
                         {"KERAS_HOME", (job.work / "keras").string()},
                         {"TORCHINDUCTOR_CACHE_DIR", (job.work / "inductor").string()},
                         {"TORCHINDUCTOR_COMPILE_THREADS", "1"}};
  command.deadline = job.deadline;
  SERIN_TRY_ASSIGN(const ConfinedExit exit, run_confined(command));
  if (exit.timed_out) {
    return fail(Code::kDeadlineExceeded,
                "it took longer than " + std::to_string(job.deadline.count() / 1000) + " s");
  }
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(job.work));
  const auto text = folder.read("report.json", kReportLimit);
  if (!text) {
    return fail(
        Code::kInvalidArgument,
        "serin_export ended with code " + std::to_string(exit.code) + " and said: " + exit.output);
  }
  SERIN_TRY_ASSIGN(json::value report, parse_json(*text));
  const json::object* fields = report.if_object();
  const json::value* refused = fields == nullptr ? nullptr : fields->if_contains("error");
  if (refused == nullptr) return report;
  const json::string* reason = refused->if_string();
  return invalid(reason == nullptr ? "serin_export gave no reason" : std::string(*reason));
}

Status copy_folder(const Folder& from, const fs::path& to) {
  SERIN_TRY_ASSIGN(const auto files, from.files());
  for (const FoundFile& file : files) {
    fs::create_directories((to / file.path).parent_path());
    std::ofstream out(to / file.path, std::ios::binary);
    SERIN_TRY(from.stream(file.path, [&](std::string_view piece) -> Status {
      out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      return {};
    }));
    if (!out.flush())
      return fail(Code::kResourceExhausted, (to / file.path).string() + ": cannot be written");
  }
  return {};
}

}  // namespace serin::model
