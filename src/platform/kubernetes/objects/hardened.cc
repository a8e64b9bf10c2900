// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/hardened.h"

namespace serin::platform::kubernetes {
namespace {

constexpr int kNobody = 65532;
// Between SIGTERM's cause and SIGTERM: until then every proxy has heard that this pod goes.
constexpr std::chrono::seconds kFarewell{5};
// After the drain, for what is left to do.
constexpr std::chrono::seconds kLastWords{5};

}  // namespace

json::object hardened_pod(std::string_view account, std::chrono::seconds drain) {
  return {{"serviceAccountName", account},
          {"automountServiceAccountToken", false},
          {"enableServiceLinks", false},
          {"terminationGracePeriodSeconds", (kFarewell + drain + kLastWords).count()},
          {"securityContext",
           {{"runAsNonRoot", true},
            {"runAsUser", kNobody},
            {"runAsGroup", kNobody},
            {"fsGroup", kNobody},
            {"fsGroupChangePolicy", "OnRootMismatch"},
            {"seccompProfile", {{"type", "RuntimeDefault"}}}}}};
}

void harden(json::object& container) {
  // The last lines of its log say why it ended.
  container["terminationMessagePolicy"] = "FallbackToLogsOnError";
  container["lifecycle"] = {{"preStop", {{"sleep", {{"seconds", kFarewell.count()}}}}}};
  container["securityContext"] = {{"allowPrivilegeEscalation", false},
                                  {"readOnlyRootFilesystem", true},
                                  {"capabilities", {{"drop", json::array{"ALL"}}}}};
}

json::object probe_of(std::string_view path, int period_seconds, int failures) {
  return {{"httpGet", {{"path", path}, {"port", kPortName}}},
          {"periodSeconds", period_seconds},
          {"timeoutSeconds", 5},
          {"failureThreshold", failures}};
}

json::array ports_of(int port) {
  const json::object one{{"name", kPortName}, {"containerPort", port}, {"protocol", "TCP"}};
  return json::array{one};
}

json::object mount_of(std::string_view name, std::string_view path, bool read_only) {
  json::object mount{{"name", name}, {"mountPath", path}};
  if (read_only) mount["readOnly"] = true;
  return mount;
}

json::object scratch_volume(std::string_view name) {
  return {{"name", name}, {"emptyDir", json::object()}};
}

}  // namespace serin::platform::kubernetes
