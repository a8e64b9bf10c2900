// SPDX-License-Identifier: Apache-2.0
// A manifest's spec.kubernetes as types. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::platform::kubernetes {

enum class Router : std::uint8_t { kSerin, kIstio, kLinkerd, kGatewayApi };
std::string_view name_of(Router router);  // as the manifest has it

enum class ModelSource : std::uint8_t { kPull, kImage, kImageVolume, kVolumeClaim };
enum class Scaler : std::uint8_t { kHpa, kKeda };

struct Fields {
  Router router = Router::kSerin;
  std::vector<std::string> hosts, gateways;
  std::string endpoint_picker;  // empty: none
  std::string image;            // of the workers; empty: this release's
  ModelSource model_source = ModelSource::kPull;
  std::string volume_claim, model_secret;
  std::string service_account;  // empty: one is made
  json::array image_pull_secrets;
  Scaler scaler = Scaler::kHpa;
  std::int64_t queue_depth = 4, cpu_utilization = 80;
  json::object node_selector;
  json::array tolerations;
  json::object affinity;
  json::array topology_spread;
  std::string priority_class;
  json::object pod_labels, pod_annotations;
  std::string gpu_resource = "nvidia.com/gpu";
};

// Of a manifest that is valid and has its defaults.
Fields read_fields(const json::object& kubernetes);

// Whether a pod can have the package that spec.model names. kInvalidArgument says what to write.
Status check_model(std::string_view model, const Fields& fields);

}  // namespace serin::platform::kubernetes
