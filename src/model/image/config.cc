// SPDX-License-Identifier: Apache-2.0
#include "model/image/config.h"

#include <set>

#include "base/json_members.h"
#include "model/image/image.h"

namespace serin::model {
namespace {

// Images have a time; the same package has the same one.
constexpr const char* kNoTime = "1970-01-01T00:00:00Z";
constexpr const char* kPort = "5000/tcp";
constexpr const char* kNobody = "65532:65532";
constexpr std::string_view kOwnLabels = "org.opencontainers.image.";

json::array digests_of(const std::vector<objects::OciBlob>& layers) {
  json::array digests;
  for (const objects::OciBlob& layer : layers) digests.emplace_back(layer.digest);
  return digests;
}

json::object& object_at(json::object& object, std::string_view key) {
  json::value& value = object[key];
  if (!value.is_object()) value = json::object();
  return value.as_object();
}

// As the image specification has it: a name or a number, and a group after ':'.
bool is_root(std::string_view user) {
  const std::string_view name = user.substr(0, user.find(':'));
  return name.empty() || name == "root" || name.find_first_not_of('0') == std::string_view::npos;
}

Status add_layers(json::object& config, std::size_t base_layers,
                  const std::vector<objects::OciBlob>& layers) {
  json::value* rootfs = config.if_contains("rootfs");
  json::value* ids = rootfs != nullptr && rootfs->is_object()
                         ? rootfs->as_object().if_contains("diff_ids")
                         : nullptr;
  if (ids == nullptr || !ids->is_array() || ids->as_array().size() != base_layers)
    return invalid("its config does not have one diff_id for each of its layers");
  for (const json::value& digest : digests_of(layers)) ids->as_array().push_back(digest);
  json::value* history = config.if_contains("history");
  if (history == nullptr || !history->is_array()) return {};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    history->as_array().push_back(
        json::object{{"created", kNoTime}, {"created_by", "serin image build"}});
  }
  return {};
}

// Arguments of a container come after these, so that they are options of `serin serve`.
Status set_entry_point(json::object& run) {
  json::value* words = run.if_contains("Entrypoint");
  if (words == nullptr || !words->is_array() || words->as_array().empty()) {
    return invalid(
        "it has no entry point, so it is no runtime of Serin; docs/images.md says what one is");
  }
  words->as_array().push_back("serve");
  words->as_array().push_back(json::value("/" + std::string(kPackageFolder)));
  run.erase("Cmd");
  return {};
}

void set_labels(json::object& run, const objects::OciAnnotations& labels) {
  json::object kept;
  for (const auto& [key, value] : object_at(run, "Labels")) {
    // What the base says of itself is not true of what is made of it.
    if (!std::string_view(key).starts_with(kOwnLabels)) kept.emplace(key, value);
  }
  for (const auto& [key, value] : labels) kept.insert_or_assign(key, value);
  run["Labels"] = std::move(kept);
}

std::string_view modality_of(const Input& input) {
  if (std::holds_alternative<TextInput>(input.kind)) return "text";
  if (std::holds_alternative<ImageInput>(input.kind)) return "image";
  if (std::holds_alternative<AudioInput>(input.kind)) return "audio";
  return "other";
}

std::string_view modality_of(const Output& output) {
  if (std::holds_alternative<TextOutput>(output.kind)) return "text";
  if (std::holds_alternative<ImageOutput>(output.kind)) return "image";
  if (std::holds_alternative<AudioOutput>(output.kind)) return "audio";
  if (std::holds_alternative<VideoOutput>(output.kind)) return "video";
  return "other";
}

template <class T>
json::array modalities(const std::vector<T>& of) {
  std::set<std::string_view> words;
  for (const T& one : of) words.insert(modality_of(one));
  json::array list;
  for (const std::string_view word : words) list.emplace_back(word);
  return list;
}

// "pt", "pt2"; a folder is TensorFlow's.
std::string format_of(const Manifest& manifest) {
  if (manifest.engine == EngineKind::kTensorflow) return "saved_model";
  return manifest.model.substr(manifest.model.rfind('.') + 1);
}

}  // namespace

objects::OciAnnotations package_annotations(const Package& package) {
  const Manifest& manifest = package.manifest;
  objects::OciAnnotations said = {{std::string(kOwnLabels) + "title", manifest.name},
                                  {kPackageAnnotation, package.digest}};
  if (!manifest.description.empty())
    said[std::string(kOwnLabels) + "description"] = manifest.description;
  if (!manifest.license.empty()) said[std::string(kOwnLabels) + "licenses"] = manifest.license;
  return said;
}

Result<std::string> model_image_config(std::string_view base_config, std::size_t base_layers,
                                       const objects::OciAnnotations& labels,
                                       const std::vector<objects::OciBlob>& layers) {
  SERIN_TRY_ASSIGN(json::value document, parse_json(base_config));
  if (!document.is_object()) return invalid("its config is no JSON object");
  json::object& config = document.as_object();
  const std::string platform = std::string(text_of(member(config, "os"))) + "/" +
                               std::string(text_of(member(config, "architecture")));
  if (platform != std::string(objects::kOs) + "/" + std::string(objects::kArchitecture))
    return invalid("it is for " + platform + ", where Serin does not run");
  SERIN_TRY(add_layers(config, base_layers, layers));
  json::object& run = object_at(config, "config");
  SERIN_TRY(set_entry_point(run));
  set_labels(run, labels);
  object_at(run, "ExposedPorts")[kPort] = json::object();
  if (is_root(text_of(member(run, "User")))) run["User"] = kNobody;
  run.erase("Healthcheck");  // Docker's own; clusters ask /health/live and /health/ready
  config["created"] = kNoTime;
  return canonical_json(document);
}

std::string data_image_config(const objects::OciAnnotations& labels,
                              const std::vector<objects::OciBlob>& layers) {
  json::object run;
  set_labels(run, labels);
  return canonical_json(
      json::object{{"architecture", objects::kArchitecture},
                   {"os", objects::kOs},
                   {"created", kNoTime},
                   {"config", std::move(run)},
                   {"rootfs", json::object{{"type", "layers"}, {"diff_ids", digests_of(layers)}}}});
}

std::string artifact_config(const Manifest& manifest, const std::vector<objects::OciBlob>& layers) {
  json::object descriptor{{"name", manifest.name}};
  if (!manifest.description.empty()) descriptor["description"] = manifest.description;
  if (!manifest.license.empty()) descriptor["licenses"] = json::array{manifest.license};
  json::object config{
      {"capabilities", json::object{{"inputTypes", modalities(manifest.inputs)},
                                    {"outputTypes", modalities(manifest.outputs)}}}};
  if (!manifest.remote) config["format"] = format_of(manifest);
  return canonical_json(
      json::object{{"descriptor", std::move(descriptor)},
                   {"config", std::move(config)},
                   {"modelfs", json::object{{"type", "layers"}, {"diffIds", digests_of(layers)}}}});
}

}  // namespace serin::model
