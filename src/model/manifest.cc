// SPDX-License-Identifier: Apache-2.0
#include "model/manifest.h"

#include <algorithm>

#include "base/digest.h"
#include "base/yaml.h"
#include "model/manifest_check.h"
#include "model/manifest_sections.h"

namespace serin::model {
namespace {

constexpr std::string_view kFormat = "serin.dev/package/v1";
constexpr YamlLimits kLimits{.bytes = std::size_t{8} << 20, .depth = 32, .nodes = 400'000};

std::string read_package_name(const Value& value) {
  std::string name = value.word();
  if (!value.present()) return name;
  const auto edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool good =
      name.size() <= 63 && edge(name.front()) && edge(name.back()) &&
      std::ranges::all_of(name, [&](char c) { return edge(c) || c == '-' || c == '.'; });
  if (!good) {
    value.wrong(shown(name) +
                " must be 1 to 63 lower-case letters, digits, '-' and '.', beginning and ending "
                "with a letter or digit");
  }
  return name;
}

// What only a remote package may have, and what it may not.
void read_model_or_remote(const Fields& fields, Manifest& manifest) {
  if (manifest.engine == EngineKind::kRemote) {
    manifest.remote = read_remote(fields.required("remote"));
    if (fields.has("model"))
      fields.wrong("model", "does not go with engine: remote; the model is elsewhere");
    return;
  }
  if (fields.has("remote")) fields.wrong("remote", "goes only with engine: remote");
  const Value model = fields.required("model");
  manifest.model = model.word();
  if (!model.present()) return;
  if (std::string wrong = wrong_with_package_path(manifest.model); !wrong.empty()) {
    model.wrong(shown(manifest.model) + " " + wrong);
  }
}

// An upstream that speaks OpenAI's API knows its own fields; any other is told in ours.
void read_relayed(const Fields& fields, Manifest& manifest) {
  for (const char* tensors : {"call", "loop", "outputs", "batching"}) {
    if (fields.has(tensors))
      fields.wrong(tensors, "goes only with tensors: remote.protocol openInference");
  }
  if (manifest.remote->protocol == Remote::Protocol::kOpenAi && fields.has("inputs"))
    fields.wrong("inputs", "does not go with remote.protocol openai; requests go on as they are");
  manifest.inputs = read_inputs(fields["inputs"], true);
}

void read_call_and_outputs(const Fields& fields, Manifest& manifest) {
  if (manifest.relayed()) return read_relayed(fields, manifest);
  manifest.inputs = read_inputs(fields["inputs"], false);
  manifest.call = read_call(fields.required("call"), manifest.engine);
  manifest.loop = read_loop(fields["loop"]);
  manifest.outputs = read_outputs(fields.required("outputs"));
  manifest.batching = read_batching(fields["batching"]);
  if (std::holds_alternative<AutoregressiveLoop>(manifest.loop) && fields.has("batching")) {
    fields.wrong(
        "batching",
        "does not go with an autoregressive loop; its loop.slots says how many run together");
  }
}

Manifest read_manifest(const Value& document, bool draft) {
  const Fields fields(
      document, {"format", "name", "task", "description", "license", "engine", "model", "files",
                 "inputs", "call", "loop", "outputs", "batching", "golden", "training", "remote"});
  Manifest manifest;
  const Value format = fields.required("format");
  if (format.present() && format.text() != kFormat && format.present()) {
    format.wrong(shown(format.text()) + " is not a format of this version; must be " +
                 std::string(kFormat));
  }
  manifest.name = read_package_name(fields.required("name"));
  manifest.task =
      fields.required("task").one_of<Task>({{"text-generation", Task::kTextGeneration},
                                            {"image-generation", Task::kImageGeneration},
                                            {"audio-generation", Task::kAudioGeneration},
                                            {"video-generation", Task::kVideoGeneration},
                                            {"inference", Task::kInference}},
                                           Task::kInference);
  manifest.description = fields["description"].text();
  manifest.license = fields["license"].text();
  manifest.engine =
      fields.required("engine").one_of<EngineKind>({{"torch", EngineKind::kTorch},
                                                    {"tensorflow", EngineKind::kTensorflow},
                                                    {"remote", EngineKind::kRemote}},
                                                   EngineKind::kTorch);
  if (document.problems().any()) return manifest;
  read_model_or_remote(fields, manifest);
  const bool listed = draft || manifest.engine == EngineKind::kRemote || fields.has("files");
  if (!listed) {
    document.wrong(
        "files is missing: the package is not sealed yet; `serin package seal FOLDER --golden` "
        "writes it");
  }
  if (!draft) manifest.files = read_files(fields["files"]);
  if (document.problems().any()) return manifest;
  read_call_and_outputs(fields, manifest);
  manifest.golden = read_golden(fields["golden"]);
  if (const Value training = fields["training"];
      training.present() && !training.json().is_object()) {
    training.wrong("must be a mapping");
  }
  return manifest;
}

Result<YamlNode> parse_document(std::string_view yaml, std::string_view file_name) {
  auto root = parse_yaml(yaml, kLimits);
  if (!root) {
    root.error().message.insert(0, std::string(file_name) + ":");
    return root;
  }
  if (root->kind != YamlNode::Kind::kMap) {
    return invalid(std::string(file_name) + ":" + to_string(root->mark) +
                   ": must be a mapping that begins with format: " + std::string(kFormat));
  }
  return root;
}

Result<Manifest> parse(std::string_view yaml, std::string_view file_name, FileList list,
                       std::vector<FileEntry> fresh = {}) {
  SERIN_TRY_ASSIGN(const YamlNode root, parse_document(yaml, file_name));
  auto document = root.to_json();
  if (!document) {
    document.error().message.insert(0, std::string(file_name) + ":");
    return fail(std::move(document).error());
  }
  Problems problems;
  const bool draft = list != FileList::kWritten;
  Manifest manifest = read_manifest(Value(&*document, Path(), problems), draft);
  if (draft) manifest.files = std::move(fresh);
  check_references(manifest, problems);
  if (!problems.any()) check_files(manifest, list, problems);
  if (!problems.any()) return manifest;
  return fail(error_of(problems.first(), root, file_name));
}

template <class Items>
auto find_named(const Items& items, std::string_view name) -> decltype(&items[0]) {
  const auto found =
      std::ranges::find(items, name, [](const auto& item) { return std::string_view(item.name); });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace

std::string_view name_of(Task task) {
  switch (task) {
    case Task::kTextGeneration:
      return "text-generation";
    case Task::kImageGeneration:
      return "image-generation";
    case Task::kAudioGeneration:
      return "audio-generation";
    case Task::kVideoGeneration:
      return "video-generation";
    case Task::kInference:
      return "inference";
  }
  return "";
}

std::string_view name_of(EngineKind engine) {
  switch (engine) {
    case EngineKind::kTorch:
      return "torch";
    case EngineKind::kTensorflow:
      return "tensorflow";
    case EngineKind::kRemote:
      return "remote";
  }
  return "";
}

std::string_view name_of(Layout layout) {
  switch (layout) {
    case Layout::kCHW:
      return "CHW";
    case Layout::kHWC:
      return "HWC";
    case Layout::kHW:
      return "HW";
    case Layout::kT:
      return "T";
    case Layout::kCT:
      return "CT";
    case Layout::kTCHW:
      return "TCHW";
    case Layout::kTHWC:
      return "THWC";
    case Layout::kTHW:
      return "THW";
  }
  return "";
}

const Input* Manifest::find_input(std::string_view wanted) const {
  return find_named(inputs, wanted);
}
const Argument* Manifest::find_argument(std::string_view wanted) const {
  return find_named(call.arguments, wanted);
}
const Output* Manifest::find_output(std::string_view wanted) const {
  return find_named(outputs, wanted);
}
const ResultSpec* Manifest::find_result(std::string_view wanted) const {
  return find_named(call.results, wanted);
}

std::string declared_shape(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) {
    if (text.size() > 1) text += ", ";
    text += size == kBatchDimension ? "N" : size == kLoopDimension ? "T" : std::to_string(size);
  }
  return text + "]";
}

std::size_t Call::place_of_argument(std::string_view name) const {
  const Argument* found = find_named(arguments, name);
  SERIN_CHECK(found != nullptr);
  return static_cast<std::size_t>(found - arguments.data());
}

std::size_t Call::place_of_result(std::string_view name) const {
  const ResultSpec* found = find_named(results, name);
  SERIN_CHECK(found != nullptr);
  return static_cast<std::size_t>(found - results.data());
}

Result<Manifest> parse_manifest(std::string_view yaml, std::string_view file_name) {
  return parse(yaml, file_name, FileList::kWritten);
}

Result<Manifest> parse_with_files(std::string_view yaml, std::vector<FileEntry> files,
                                  std::string_view file_name) {
  return parse(yaml, file_name, FileList::kFresh, std::move(files));
}

Result<Manifest> parse_draft(std::string_view yaml, std::string_view file_name) {
  return parse(yaml, file_name, FileList::kNone);
}

Result<std::string> manifest_digest(std::string_view yaml) {
  SERIN_TRY_ASSIGN(const YamlNode root, parse_document(yaml, "model.yaml"));
  SERIN_TRY_ASSIGN(const json::value document, root.to_json());
  return "sha256:" + sha256_hex(canonical_json(document));
}

}  // namespace serin::model
