// SPDX-License-Identifier: Apache-2.0
// Versions of services for tests, with what docs/schema says where nothing is said.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/json_defaults.h"
#include "platform/kubernetes/golden_for_test.h"
#include "platform/kubernetes/objects/version.h"

namespace serin::platform::kubernetes {

// A part of spec ("kubernetes", "resilience") as JSON, with its defaults.
inline json::object spec_part(const std::string& name, std::string_view written = "{}") {
  const auto text = read_file(source_path("docs/schema/generative-service.json"));
  const json::value schema = parse_json(*text)->at("properties").at("spec").at("properties");
  const auto document = parse_json(written);
  EXPECT_TRUE(document) << written;
  return with_defaults(*document, schema.at(name)).as_object();
}

inline VersionPlan plan_of(std::string_view kubernetes = "{}") {
  VersionPlan plan;
  plan.name_space = "shop";
  plan.version.service = "storyteller";
  plan.version.label = "v2";
  plan.version.model = {"oci://registry.example/models/storyteller:2",
                        "sha256:4e91648df8d533e9a4daca342ed5be3276c16a68a9e489895c805a6662913482",
                        ""};
  plan.version.replicas = 1;
  plan.image = "registry.example/serin:0.1.0";
  plan.fields = read_fields(spec_part("kubernetes", kubernetes));
  plan.owner = Owner{"storyteller", "6d2c6a1e-5f7c-4f0e-9d53-1c7a0e6b8f10"};
  return plan;
}

}  // namespace serin::platform::kubernetes
