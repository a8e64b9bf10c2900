// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/admin_secret.h"

#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/digest.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/objects/gateway.h"
#include "platform/kubernetes/objects/services.h"

namespace serin::platform::kubernetes {
namespace {

constexpr std::chrono::hours kDay{24};
constexpr auto kLasts = 365 * kDay;
// Long before its end, for an operator may be away for weeks.
constexpr auto kRenewBefore = 90 * kDay;
constexpr std::string_view kPrevious = "previous.crt";

// Empty where it is not there.
std::string data_at(const json::value& secret, std::string_view key) {
  const json::value* data = value_at(secret, "/data");
  const json::value* found =
      data != nullptr && data->is_object() ? data->get_object().if_contains(key) : nullptr;
  if (found == nullptr || !found->is_string()) return {};
  return from_base64(found->get_string()).value_or(std::string());
}

std::string name_of_server(std::string_view name_space) {
  return std::string(kGatewayName) + "." + std::string(name_space);
}

json::object secret_with(std::string_view name_space, const KeyPair& pair,
                         const std::string& previous, const std::string& token) {
  json::object labels = gateway_selector();
  labels["app.kubernetes.io/managed-by"] = "serin";
  json::object data{{kAdminCertificate, to_base64(pair.certificate)},
                    {kAdminKey, to_base64(pair.key)},
                    {kAdminToken, to_base64(token)}};
  if (!previous.empty()) data[kPrevious] = to_base64(previous);
  return {{"apiVersion", "v1"},
          {"kind", "Secret"},
          {"metadata", metadata_of(kGatewayAdminName, name_space, std::move(labels), nullptr)},
          {"type", "Opaque"},
          {"data", std::move(data)}};
}

}  // namespace

Result<json::object> admin_secret_of(const json::value& live, std::string_view name_space,
                                     WallTime now) {
  KeyPair pair{data_at(live, kAdminCertificate), data_at(live, kAdminKey)};
  std::string previous = data_at(live, kPrevious);
  std::string token = data_at(live, kAdminToken);
  const auto until = valid_until(pair.certificate);
  if (token.empty()) {
    SERIN_TRY_ASSIGN(token, make_token());
  }
  if (!until || *until - now < kRenewBefore || pair.key.empty()) {
    previous = until ? pair.certificate : std::string();
    SERIN_TRY_ASSIGN(pair, make_certificate(name_of_server(name_space), now, now + kLasts));
  }
  return secret_with(name_space, pair, previous, token);
}

Result<AdminAccess> admin_access_of(const json::value& secret, std::string_view name_space) {
  const std::string certificate = data_at(secret, kAdminCertificate);
  AdminAccess access;
  access.authorities = certificate + data_at(secret, kPrevious);
  access.server_name = name_of_server(name_space);
  access.token = data_at(secret, kAdminToken);
  access.digest = sha256_hex(certificate + access.token);
  if (!certificate.empty() && !access.token.empty()) return access;
  return fail(Code::kFailedPrecondition,
              "the Secret " + std::string(kGatewayAdminName) + " has no certificate or no token");
}

}  // namespace serin::platform::kubernetes
