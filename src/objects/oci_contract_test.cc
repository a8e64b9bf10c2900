// SPDX-License-Identifier: Apache-2.0
// oci_registry.h against the real registry that tests/env/run.py starts.
#include <gmock/gmock.h>

#include <cstdlib>

#include "base/digest.h"
#include "net/http/uri.h"
#include "objects/cutting_proxy.h"
#include "objects/oci_registry.h"
#include "objects/stores_for_test.h"

namespace serin::objects {
namespace {

class Registry : public testing::Test {
 protected:
  void SetUp() override {
    bytes_.resize(20'000'000);
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<char>((i * 2654435761U) >> 13);
    blob_ = {"application/octet-stream", "sha256:" + sha256_hex(bytes_), bytes_.size(), {}};
  }

  static std::uint16_t port() {
    return net::parse_url(std::string("http://") + std::getenv("SERIN_TEST_REGISTRY"))->port;
  }
  std::unique_ptr<OciRegistry> open(std::uint16_t at = port()) {
    const auto reference =
        parse_oci_url("oci://127.0.0.1:" + std::to_string(at) + "/" + name_ + ":v1");
    return *OciRegistry::create(
        *reference, [](const char*) { return std::nullopt; }, kRetryForTest);
  }
  Result<std::string> pull(OciRegistry& registry, std::uint64_t offset = 0) {
    std::string pulled;
    SERIN_TRY(registry.pull_blob(blob_, offset,
                                 [&](std::string_view piece) -> Status {
                                   pulled += piece;
                                   return {};
                                 },
                                 {}));
    return pulled;
  }

  std::string name_ = "r" + random_id();
  std::string bytes_;
  OciBlob blob_;
};

TEST_F(Registry, GivesBackABlobAndAManifest) {
  const auto registry = open();
  EXPECT_EQ(registry->pull_manifest({}).error().code, Code::kNotFound);
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  EXPECT_TRUE(*pull(*registry) == bytes_);
  EXPECT_TRUE(*pull(*registry, 12'345) == bytes_.substr(12'345));
  OciManifest manifest;
  manifest.artifact_type = "application/vnd.example";
  manifest.config = blob_;
  manifest.layers = {blob_};
  const auto digest = registry->push_manifest(manifest, {});
  ASSERT_TRUE(digest) << digest.error().message;
  const auto pulled = registry->pull_manifest({});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->digest, *digest);
}

TEST_F(Registry, GoesOnWithAnUploadThatWasCut) {
  CuttingProxy proxy(port(), {.up = 5'000'000, .times = 2});
  const auto pushed = open(proxy.port())->push_blob(blob_, Body::bytes(bytes_), {});
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(proxy.cut(), 2);
  EXPECT_TRUE(*pull(*open()) == bytes_);
}

TEST_F(Registry, GoesOnWithADownloadThatWasCut) {
  ASSERT_TRUE(open()->push_blob(blob_, Body::bytes(bytes_), {}));
  CuttingProxy proxy(port(), {.down = 5'000'000, .times = 2});
  const auto pulled = pull(*open(proxy.port()));
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_TRUE(*pulled == bytes_);
  EXPECT_EQ(proxy.cut(), 2);
}

TEST_F(Registry, RefusesBytesThatAreNotTheBlobs) {
  OciBlob wrong = blob_;
  wrong.digest = "sha256:" + std::string(64, 'a');
  EXPECT_FALSE(open()->push_blob(wrong, Body::bytes(bytes_), {}));
  ASSERT_TRUE(open()->push_blob(blob_, Body::bytes(bytes_), {}));
  blob_.size -= 1;
  const auto pulled = pull(*open());
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace serin::objects
