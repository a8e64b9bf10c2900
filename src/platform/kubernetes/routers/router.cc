// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/routers/router.h"

#include "base/check.h"
#include "platform/kubernetes/routers/routers.h"

namespace serin::platform::kubernetes {

const TrafficRouter& router_of(const Fields& fields) {
  switch (fields.router) {
    case Router::kSerin:
      return serin_router();
    case Router::kIstio:
      return istio_router();
    case Router::kLinkerd:
      return linkerd_router();
    case Router::kGatewayApi:
      return gateway_api_router();
  }
  SERIN_CHECK(false);
}

}  // namespace serin::platform::kubernetes
