// SPDX-License-Identifier: Apache-2.0
#include "cluster/install.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "base/files.h"
#include "base/yaml.h"
#include "platform/kubernetes/client/object.h"
#include "platform/kubernetes/golden_for_test.h"

namespace serin::cluster {
namespace {

namespace k8s = platform::kubernetes;
using testing::IsEmpty;

const InstallPlan kPlan{.image = "serin:latest"};

// The definition stands in deploy/crd/.
TEST(Install, IsWhatDeployHas) {
  std::vector<json::object> objects = install_objects(kPlan);
  ASSERT_EQ(text_at(objects.front(), "/kind"), "CustomResourceDefinition");
  objects.erase(objects.begin());
  k8s::expect_golden(k8s::yaml_file(objects), "deploy/operator/operator.yaml");
}

// "networkpolicies" of "NetworkPolicy".
std::string plural_of(std::string_view kind) {
  std::string plural;
  for (const char c : kind) plural += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (!plural.ends_with('y')) return plural + "s";
  plural.back() = 'i';
  return plural + "es";
}

bool may_apply(const std::string& group, const std::string& plural) {
  return std::ranges::any_of(cluster_rights(), [&](const Right& right) {
    const std::string words = " " + std::string(right.resources) + " ";
    const std::string verbs = " " + std::string(right.verbs) + " ";
    const auto has = [&](std::string_view verb) {
      return verbs.find(" " + std::string(verb) + " ") != std::string::npos;
    };
    return right.group == group && words.find(" " + plural + " ") != std::string::npos &&
           has("get") && has("create") && has("patch") && has("delete");
  });
}

// What services become is looked at in the files that tests of objects and routers keep.
TEST(Install, TheOperatorMayApplyEveryKindThatAServiceBecomes) {
  std::set<std::string> missing;
  int seen = 0;
  const auto folder = k8s::source_path("src/platform/kubernetes/testdata");
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const auto text = read_file(file.path());
    ASSERT_TRUE(text.has_value());
    std::string group, kind;
    for (std::size_t at = 0; at < text->size();) {
      const std::size_t end = std::min(text->find('\n', at), text->size());
      const std::string_view line = std::string_view(*text).substr(at, end - at);
      at = end + 1;
      if (line.starts_with("apiVersion: ")) {
        const std::string_view version = line.substr(12);
        group =
            version.find('/') == std::string_view::npos ? "" : version.substr(0, version.find('/'));
      }
      if (!line.starts_with("kind: ")) continue;
      kind = line.substr(6);
      ++seen;
      if (!may_apply(group, plural_of(kind))) missing.insert(group + "/" + kind);
    }
  }
  EXPECT_GT(seen, 50);
  EXPECT_THAT(missing, IsEmpty());
}

TEST(Install, TheOperatorHasNoRightOfTheWholeClusterButThese) {
  for (const Right& right : cluster_rights()) {
    EXPECT_EQ(right.verbs.find('*'), std::string_view::npos);
    EXPECT_EQ(right.resources.find('*'), std::string_view::npos);
    EXPECT_EQ(right.resources.find("exec"), std::string_view::npos);
  }
}

}  // namespace
}  // namespace serin::cluster
