// SPDX-License-Identifier: Apache-2.0
#include "model/import.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <charconv>

#include "base/file_head.h"
#include "base/files.h"
#include "model/exporter.h"
#include "model/folder.h"
#include "model/manifest_reader.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kKnown =
    "TorchScript (.pt), a pickled module or state_dict (.pt), an exported program (.pt2), a "
    "SavedModel folder and Keras (.keras, .h5) can be imported";

constexpr std::string_view kDtypes =
    "there are float32, float16, bfloat16, float64, int8, uint8, int16, int32, int64 and bool";

struct CloseArchive {
  void operator()(::archive* archive) const { archive_read_free(archive); }
};

// The names in a zip file, without the folder that PyTorch puts all of them in.
Result<std::vector<std::string>> zip_names(const fs::path& path) {
  constexpr std::size_t kMost = 200'000;
  const std::unique_ptr<::archive, CloseArchive> zip(archive_read_new());
  archive_read_support_format_zip_seekable(zip.get());
  if (archive_read_open_filename(zip.get(), path.c_str(), std::size_t{1} << 16) != ARCHIVE_OK) {
    return invalid(path.string() + ": is a damaged zip file");
  }
  std::vector<std::string> names;
  ::archive_entry* entry = nullptr;
  while (archive_read_next_header(zip.get(), &entry) == ARCHIVE_OK && names.size() < kMost) {
    const char* name = archive_entry_pathname(entry);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

bool any_name(const std::vector<std::string>& names, auto&& fits) {
  return std::ranges::any_of(names, fits);
}

// `inner` below the one folder that PyTorch's archives have.
bool is_inner(std::string_view name, std::string_view inner) {
  const std::size_t slash = name.find('/');
  return slash != std::string_view::npos && name.substr(slash + 1).starts_with(inner);
}

Result<SourceKind> recognise_zip(const fs::path& path) {
  SERIN_TRY_ASSIGN(const auto names, zip_names(path));
  const auto inner = [&](std::string_view what) {
    return any_name(names, [&](const std::string& name) { return is_inner(name, what); });
  };
  if (any_name(names, [](const std::string& name) { return name == "model.weights.h5"; }))
    return SourceKind::kKeras;
  if (inner("data/aotinductor/")) {
    return fail(Code::kPermissionDenied, path.string() +
                                             ": holds machine code that AOTInductor compiled; save "
                                             "the exported program itself with torch.export.save");
  }
  if (inner("models/") || inner("serialized_exported_program.json") ||
      any_name(names, [](const std::string& name) {
        return name == "serialized_exported_program.json";
      })) {
    return SourceKind::kTorchExported;
  }
  if (inner("code/") || inner("constants.pkl")) return SourceKind::kTorchScript;
  if (inner("data.pkl")) return SourceKind::kTorchPickle;
  return invalid(path.string() + ": is a zip file with no model in it; " + std::string(kKnown));
}

bool is_torch(SourceKind kind) {
  return kind == SourceKind::kTorchScript || kind == SourceKind::kTorchPickle ||
         kind == SourceKind::kTorchExported;
}

std::string_view job_kind(SourceKind kind) {
  switch (kind) {
    case SourceKind::kTorchScript:
      return "torch_script";
    case SourceKind::kTorchPickle:
      return "torch_pickle";
    case SourceKind::kTorchExported:
      return "torch_exported";
    case SourceKind::kSavedModel:
      return "saved_model";
    case SourceKind::kKeras:
      return "keras";
  }
  return "";
}

struct ClassName {
  fs::path file;
  std::string name;
};

Result<ClassName> split_class(const std::string& text) {
  if (text.empty()) return ClassName{};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    return invalid("--class must be FILE:CLASS, such as model.py:Decoder, not " + shown(text));
  const fs::path file = text.substr(0, colon);
  if (!fs::is_regular_file(file))
    return fail(Code::kNotFound, "--class: there is no file " + file.string());
  return ClassName{fs::canonical(file), text.substr(colon + 1)};
}

json::object job_of(SourceKind kind, const fs::path& source, const ClassName& named,
                    const std::vector<InputShape>& inputs) {
  json::array shapes;
  for (const InputShape& input : inputs) {
    shapes.push_back(json::object{{"name", input.name},
                                  {"dtype", name_of(input.dtype)},
                                  {"shape", json::value_from(input.shape)}});
  }
  return {
      {"kind", job_kind(kind)},
      {"source", source.string()},
      {"class_file", named.file.empty() ? json::value(nullptr) : json::value(named.file.string())},
      {"class_name", named.name},
      {"inputs", std::move(shapes)},
      {"output", "out"}};
}

struct Report {
  std::string model;
  ModelSignature signature;
  std::vector<std::string> warnings;
  double verified = -1;
};

// The report is written by a process that ran foreign code: nothing in it is taken for granted.
std::vector<ModelSignature::Value> read_values(const Value& list) {
  std::vector<ModelSignature::Value> values;
  for (const Value& item : list.list()) {
    const Fields fields(item, {"name", "dtype", "shape", "low", "high"});
    ModelSignature::Value value;
    value.name = fields.required("name").word();
    value.dtype = fields.required("dtype").dtype();
    for (const Value& size : fields.required("shape").list())
      value.shape.push_back(size.integer(-1, std::int64_t{1} << 31, 1));
    if (value.shape.empty() || value.shape[0] != kBatchDimension ||
        std::ranges::count(value.shape, kBatchDimension) != 1) {
      fields.wrong("shape", "must have the batch as its first dimension, and fixed ones after it");
    }
    if (fields.has("low")) value.low = fields["low"].number(-1e308, 1e308);
    if (fields.has("high")) value.high = fields["high"].number(-1e308, 1e308);
    values.push_back(std::move(value));
  }
  return values;
}

Result<Report> parse_report(const json::value& document) {
  Problems problems;
  const Fields fields(
      Value(&document, Path(), problems),
      {"model", "method", "batch", "least_batch", "warnings", "arguments", "results", "verified"});
  Report report;
  report.model = fields.required("model").one_of<std::string>(
      {{"model.pt", "model.pt"}, {"model.pt2", "model.pt2"}, {"saved_model", "saved_model"}}, "");
  report.signature.method = fields.required("method").word();
  report.signature.batch = fields.required("batch").integer(-1, 4096, -1);
  report.signature.least_batch = fields["least_batch"].integer(1, 4096, 1);
  report.signature.arguments = read_values(fields.required("arguments"));
  report.signature.results = read_values(fields.required("results"));
  report.warnings = fields["warnings"].words();
  report.verified = fields["verified"].number(0, 1e308, -1);
  if (!problems.any()) return report;
  return invalid("the report of serin_export: " + to_string(problems.first().path) + ": " +
                 problems.first().message);
}

Result<Report> export_model(const ImportOptions& options, SourceKind kind, const fs::path& work) {
  SERIN_TRY_ASSIGN(const ClassName named, split_class(options.class_name));
  if (kind == SourceKind::kTorchPickle && named.name.empty()) {
    return invalid(
        "holds a pickled module or a state_dict, which needs its Python class: name it with "
        "--class FILE:CLASS");
  }
  if (!named.name.empty() && kind != SourceKind::kTorchPickle && kind != SourceKind::kKeras) {
    return invalid("is " + std::string(name_of(kind)) +
                   ", which needs no Python class; leave --class out");
  }
  const Framework framework = is_torch(kind) ? Framework::kTorch : Framework::kTensorflow;
  const fs::path source = fs::canonical(options.source);
  ExporterJob job;
  SERIN_TRY_ASSIGN(job.python, make_python(framework));
  job.exporter = options.exporter;
  job.work = work;
  job.job = job_of(kind, source, named, options.inputs);
  job.readable = {source};
  if (!named.file.empty()) job.readable.push_back(named.file);
  job.deadline = options.deadline;
  SERIN_TRY_ASSIGN(const json::value report, run_exporter(job));
  return parse_report(report);
}

Result<Imported> import_from(const ImportOptions& options, const Prove& prove) {
  if (fs::exists(options.output))
    return fail(Code::kAlreadyExists, options.output.string() + ": exists already");
  const fs::path output =
      options.output.has_filename() ? options.output : options.output.parent_path();
  if (const fs::path above = output.parent_path(); !above.empty() && !fs::is_directory(above))
    return fail(Code::kNotFound, output.string() + ": there is no folder " + above.string());
  SERIN_TRY_ASSIGN(const SourceKind kind, recognise(options.source));
  SERIN_TRY_ASSIGN(const TemporaryDirectory work, TemporaryDirectory::create("serin-import"));
  auto exported = export_model(options, kind, work.path());
  if (!exported) return fail(std::move(exported.error()).within(options.source.string()));
  const EngineKind engine = is_torch(kind) ? EngineKind::kTorch : EngineKind::kTensorflow;
  const std::string folder = output.filename().string(), name = package_name(folder);
  Draft draft = draft_manifest(name, engine, exported->model, exported->signature);
  if (name != folder)
    draft.warnings.push_back("the package is named " + name + ": " + folder +
                             " is no package's name; rename the folder too");
  draft.warnings.insert(draft.warnings.begin(), exported->warnings.begin(),
                        exported->warnings.end());

  Partial partial(output);
  fs::create_directory(partial.path());
  SERIN_TRY_ASSIGN(const Folder made, Folder::open(work.path() / "out"));
  SERIN_TRY(copy_folder(made, partial.path()));
  SERIN_TRY(
      write_file(partial.path() / "model.yaml", write_manifest(draft.manifest, draft.remarks)));
  SERIN_TRY_ASSIGN(Package package, seal_package(partial.path()));
  if (prove) {
    auto proven = prove(package);
    if (!proven) {
      return fail(std::move(proven.error())
                      .within(options.source.string() + ": the package made of it does not run"));
    }
  }
  SERIN_TRY(partial.keep());
  package.root = options.output;
  return Imported{std::move(package), std::move(draft.warnings), exported->verified};
}

}  // namespace

std::string_view name_of(SourceKind kind) {
  switch (kind) {
    case SourceKind::kTorchScript:
      return "TorchScript";
    case SourceKind::kTorchPickle:
      return "a pickled PyTorch module or state_dict";
    case SourceKind::kTorchExported:
      return "an exported PyTorch program";
    case SourceKind::kSavedModel:
      return "a TensorFlow SavedModel";
    case SourceKind::kKeras:
      return "a Keras model";
  }
  return "";
}

Result<SourceKind> recognise(const fs::path& source) {
  std::error_code error;
  const auto status = fs::status(source, error);
  if (!fs::exists(status))
    return fail(Code::kNotFound, source.string() + ": there is no such file or folder");
  if (fs::is_directory(status)) {
    if (fs::exists(source / "saved_model.pb", error)) return SourceKind::kSavedModel;
    return invalid(source.string() + ": is a folder without saved_model.pb; " +
                   std::string(kKnown));
  }
  if (!fs::is_regular_file(status)) return invalid(source.string() + ": is not a file");
  const std::string head = head_of(source, 16);
  if (head.starts_with("PK\x03\x04")) return recognise_zip(source);
  if (head.starts_with("\x89HDF\r\n\x1a\n")) return SourceKind::kKeras;
  if (head.starts_with("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"))
    return SourceKind::kTorchPickle;  // torch.save before 1.6
  return invalid(source.string() + ": is not a model that Serin knows; " + std::string(kKnown));
}

Result<InputShape> parse_input_shape(std::string_view text) {
  const auto wrong = [&](const std::string& why = "") {
    return invalid("--input must be NAME=DTYPE[N,SIZE,…], such as x=float32[N,3,64,64], not " +
                   shown(text) + why);
  };
  const std::size_t equals = text.find('='), bracket = text.find('[');
  if (equals == std::string_view::npos || equals == 0 || bracket == std::string_view::npos ||
      bracket < equals || !text.ends_with(']'))
    return wrong();
  InputShape input;
  input.name = text.substr(0, equals);
  const std::string_view type = text.substr(equals + 1, bracket - equals - 1);
  const auto dtype = dtype_named(type);
  if (!dtype) return wrong(": " + shown(type) + " is no dtype; " + std::string(kDtypes));
  input.dtype = *dtype;
  std::string_view sizes = text.substr(bracket + 1, text.size() - bracket - 2);
  while (true) {
    const std::size_t comma = std::min(sizes.find(','), sizes.size());
    std::string_view size = sizes.substr(0, comma);
    while (size.starts_with(' ')) size.remove_prefix(1);
    std::int64_t number = 0;
    const auto read = std::from_chars(size.data(), size.data() + size.size(), number);
    const bool first = input.shape.empty();
    if (first && size != "N") return wrong(": the first size must be N, the batch");
    if (!first && (read.ec != std::errc() || read.ptr != size.data() + size.size() || number <= 0))
      return wrong(": " + shown(size) + " is no size; it must be a whole number from 1");
    input.shape.push_back(first ? kBatchDimension : number);
    if (comma == sizes.size()) return input;
    sizes.remove_prefix(comma + 1);
  }
}

Result<Imported> import_model(const ImportOptions& options, const Prove& prove) {
  try {
    return import_from(options, prove);
  } catch (const fs::filesystem_error& error) {  // the border to std::filesystem's throwing forms
    return fail(Code::kUnknown, error.what());
  }
}

}  // namespace serin::model
