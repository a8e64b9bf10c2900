// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/objects/resource.h"

#include <gtest/gtest.h>

namespace serin::platform::kubernetes {
namespace {

TEST(Resource, IsItsManifestWithoutWhatTheClusterWrites) {
  const auto stored = parse_json(
      R"({"apiVersion": "serin.dev/v1alpha1", "kind": "GenerativeService",
          "metadata": {"name": "a", "namespace": "b", "uid": "1", "resourceVersion": "2",
                       "labels": {"team": "stories"},
                       "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}",
                                       "note": "c"},
                       "managedFields": []},
          "spec": {"model": "oci://r/m:1"}, "status": {"stable": "v1"}})");
  ASSERT_TRUE(stored) << stored.error().message;
  const auto manifest = manifest_of(*stored);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(
      canonical_json(*manifest),
      R"({"apiVersion":"serin.dev/v1alpha1","kind":"GenerativeService","metadata":)"
      R"({"annotations":{"note":"c"},"labels":{"team":"stories"},"name":"a","namespace":"b"},)"
      R"("spec":{"model":"oci://r/m:1"}})");
}

TEST(Resource, WithoutASpecIsNone) {
  for (const char* text : {"3", "{}", R"({"metadata": 3, "spec": {}})", R"({"metadata": {}})"})
    EXPECT_FALSE(manifest_of(*parse_json(text))) << text;
}

}  // namespace
}  // namespace serin::platform::kubernetes
