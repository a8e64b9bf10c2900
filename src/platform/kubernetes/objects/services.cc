// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/services.h"

#include <utility>

#include "platform/kubernetes/objects/hardened.h"

namespace serin::platform::kubernetes {

json::object backend_service_of(std::string_view name, std::string_view name_space,
                                json::object labels, json::object selector, const Owner* owner) {
  // The port's name tells a mesh what is spoken.
  const json::object port{
      {"name", kPortName}, {"protocol", "TCP"}, {"port", kServicePort}, {"targetPort", kPortName}};
  return {
      {"apiVersion", "v1"},
      {"kind", "Service"},
      {"metadata", metadata_of(name, name_space, std::move(labels), owner)},
      {"spec",
       {{"type", "ClusterIP"}, {"selector", std::move(selector)}, {"ports", json::array{port}}}}};
}

json::object entry_service_of(std::string_view service, std::string_view name_space,
                              json::object selector, const Owner* owner) {
  return backend_service_of(service, name_space, service_labels(service), std::move(selector),
                            owner);
}

json::object gateway_selector(std::string_view own) {
  json::object selector{{"app.kubernetes.io/name", kGatewayName}};
  if (!own.empty()) selector[kServiceLabel] = own;
  return selector;
}

}  // namespace serin::platform::kubernetes
