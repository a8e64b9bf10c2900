// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/fields.h"

#include <algorithm>
#include <utility>

#include "base/named.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::pair<std::string_view, Router> kRouters[] = {{"serin", Router::kSerin},
                                                            {"istio", Router::kIstio},
                                                            {"linkerd", Router::kLinkerd},
                                                            {"gatewayAPI", Router::kGatewayApi}};
constexpr std::pair<std::string_view, ModelSource> kSources[] = {
    {"pull", ModelSource::kPull},
    {"image", ModelSource::kImage},
    {"imageVolume", ModelSource::kImageVolume},
    {"volumeClaim", ModelSource::kVolumeClaim}};
constexpr std::pair<std::string_view, Scaler> kScalers[] = {{"hpa", Scaler::kHpa},
                                                            {"keda", Scaler::kKeda}};

std::string text(const json::object& fields, std::string_view name) {
  const json::value* value = fields.if_contains(name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

std::vector<std::string> texts(const json::value& list) {
  std::vector<std::string> all;
  for (const json::value& one : list.as_array()) all.emplace_back(one.as_string());
  return all;
}

bool begins_with_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [&](std::string_view word) { return text.starts_with(word); });
}

}  // namespace

std::string_view name_of(Router router) { return name_in(kRouters, router); }

Fields read_fields(const json::object& kubernetes) {
  Fields fields;
  fields.router = named(kRouters, kubernetes.at("router").as_string());
  fields.hosts = texts(kubernetes.at("hosts"));
  fields.gateways = texts(kubernetes.at("gateways"));
  fields.endpoint_picker = text(kubernetes, "endpointPicker");
  fields.image = text(kubernetes, "image");
  fields.model_source = named(kSources, kubernetes.at("modelSource").as_string());
  fields.volume_claim = text(kubernetes, "volumeClaim");
  fields.model_secret = text(kubernetes, "modelSecret");
  fields.service_account = text(kubernetes, "serviceAccountName");
  fields.image_pull_secrets = kubernetes.at("imagePullSecrets").as_array();
  const json::value& autoscaling = kubernetes.at("autoscaling");
  fields.scaler = named(kScalers, autoscaling.at("scaler").as_string());
  fields.queue_depth = autoscaling.at("queueDepth").as_int64();
  fields.cpu_utilization = autoscaling.at("cpuUtilization").as_int64();
  fields.node_selector = kubernetes.at("nodeSelector").as_object();
  fields.tolerations = kubernetes.at("tolerations").as_array();
  if (const json::value* affinity = kubernetes.if_contains("affinity"))
    fields.affinity = affinity->as_object();
  fields.topology_spread = kubernetes.at("topologySpreadConstraints").as_array();
  fields.priority_class = text(kubernetes, "priorityClassName");
  fields.pod_labels = kubernetes.at("podLabels").as_object();
  fields.pod_annotations = kubernetes.at("podAnnotations").as_object();
  fields.gpu_resource = text(kubernetes, "gpuResource");
  return fields;
}

Status check_model(std::string_view model, const Fields& fields) {
  const auto wrong = [&](const char* right) {
    return invalid("\"" + std::string(model) + "\": on a cluster " + right, "spec.model");
  };
  switch (fields.model_source) {
    case ModelSource::kPull:
      if (begins_with_any(model, {"oci://", "s3://", "azblob://"})) return {};
      return wrong(
          "a worker can fetch oci://, s3:// or azblob:// only; push the package there, or name "
          "another spec.kubernetes.modelSource");
    case ModelSource::kImage:
    case ModelSource::kImageVolume:
      if (model.starts_with("oci://")) return {};
      return wrong("spec.kubernetes.modelSource wants an image here, oci://HOST/NAME:TAG");
    case ModelSource::kVolumeClaim:
      break;
  }
  if (!model.starts_with('/') && model.find(':') == model.npos && model.find("..") == model.npos)
    return {};
  return wrong(
      "spec.kubernetes.modelSource volumeClaim wants a folder of the claim here, such as ./glyphs");
}

}  // namespace serin::platform::kubernetes
