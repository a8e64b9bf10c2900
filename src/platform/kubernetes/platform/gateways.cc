// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/gateways.h"

#include <utility>

#include "platform/kubernetes/objects/services.h"
#include "platform/kubernetes/platform/plans.h"
#include "platform/kubernetes/platform/replicas.h"

namespace serin::platform::kubernetes {
namespace {

bool is_gateway(const json::value& pod) {
  return text_at(pod, "/metadata/labels/app.kubernetes.io~1name") == kGatewayName;
}

// When its process began, by the kubelet.
std::string life_of(const json::value& pod) {
  return std::string(uid_of(pod)) + " " +
         std::string(text_at(pod, "/status/containerStatuses/0/state/running/startedAt"));
}

}  // namespace

std::vector<GatewayPod> gateways_among(const std::vector<Object>& pods) {
  std::vector<GatewayPod> gateways;
  for (const Object& pod : pods) {
    const std::string_view address = text_at(*pod, "/status/podIP");
    if (!is_gateway(*pod) || address.empty() || text_at(*pod, "/status/phase") != "Running")
      continue;
    gateways.push_back({std::string(uid_of(*pod)), key_of(*pod).name, std::string(address),
                        life_of(*pod), takes_requests(*pod)});
  }
  return gateways;
}

Result<std::shared_ptr<GatewayClient>> GatewayClient::create(AdminAccess access, int port) {
  net::ClientOptions options;
  options.tls.authorities = access.authorities;
  options.tls.server_name = access.server_name;
  SERIN_TRY_ASSIGN(auto client, net::Client::create(std::move(options)));
  return std::shared_ptr<GatewayClient>(
      new GatewayClient(std::move(access), port, std::move(client)));
}

Result<net::Response> GatewayClient::ask(const GatewayPod& pod, std::string method,
                                         std::string target, std::string body,
                                         std::chrono::milliseconds within,
                                         const CancelToken& cancel) {
  net::ClientRequest request;
  request.url = url_of("https", pod.address, port_) + target;
  request.method = std::move(method);
  request.headers.add("authorization", "Bearer " + access_.token);
  request.body = std::move(body);
  request.timeout = within;
  request.cancel = cancel;
  auto answer = client_->fetch(std::move(request));
  if (!answer) return fail(std::move(answer).error().within("the gateway " + pod.name));
  return answer;
}

}  // namespace serin::platform::kubernetes
