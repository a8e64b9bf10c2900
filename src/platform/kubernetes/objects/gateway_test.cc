// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/gateway.h"

#include <gmock/gmock.h>

#include "platform/kubernetes/golden_for_test.h"

namespace serin::platform::kubernetes {
namespace {

GatewayPlan plan() {
  GatewayPlan plan;
  plan.name_space = "shop";
  plan.image = "registry.example/serin:0.1.0";
  return plan;
}

TEST(GatewayObjects, LetTheOperatorAndNobodyElseToTheAdminApi) {
  GatewayPlan operated = plan();
  operated.admin_digest = "4e91648d";
  expect_golden(yaml_file(gateway_objects_of(operated)),
                "src/platform/kubernetes/testdata/operated-gateway.yaml");
}

TEST(GatewayObjects, HaveNoAdminApiWithoutAnOperator) {
  const std::string text = yaml_file(gateway_objects_of(plan()));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("admin")));
}

}  // namespace
}  // namespace serin::platform::kubernetes
