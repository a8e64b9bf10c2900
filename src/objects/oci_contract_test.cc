// SPDX-License-Identifier: Apache-2.0
// oci_registry.h against the real registry that tests/env/run.py starts.
#include <gmock/gmock.h>

#include <cstdlib>

#include "base/digest.h"
#include "base/files.h"
#include "net/http/uri.h"
#include "objects/cutting_proxy.h"
#include "objects/oci_copy.h"
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

  OciDocument manifest() const {
    OciManifest manifest;
    manifest.config = blob_;
    manifest.layers = {blob_};
    return oci_manifest(manifest);
  }

  std::uint64_t told_ = 0;
  const CopyProgress progress_ = [this](std::uint64_t done, std::uint64_t) { told_ = done; };
  std::string name_ = "r" + random_id();
  std::string bytes_;
  OciBlob blob_;
};

TEST_F(Registry, GivesBackABlobAndAManifest) {
  const auto registry = open();
  EXPECT_EQ(registry->pull_image({}).error().code, Code::kNotFound);
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  EXPECT_TRUE(*pull(*registry) == bytes_);
  EXPECT_TRUE(*pull(*registry, 12'345) == bytes_.substr(12'345));
  const OciDocument document = manifest();
  ASSERT_TRUE(registry->push_document("v1", document, {}));
  const auto pulled = registry->pull_image({});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(pulled->text, document.text);
  EXPECT_EQ(registry->pull_document(document.digest(), {})->media_type, kOciManifestType);
}

TEST_F(Registry, GivesTheImageForThisMachineOfAnIndex) {
  const auto registry = open();
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  const OciDocument document = manifest();
  ASSERT_TRUE(registry->push_document(document.digest(), document, {}));
  const OciDocument index{
      std::string(kOciIndexType),
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)"
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
          document.digest() + R"(","size":)" + std::to_string(document.text.size()) +
          R"(,"platform":{"os":"linux","architecture":"amd64"}}]})"};
  ASSERT_TRUE(registry->push_document("v1", index, {}));
  EXPECT_EQ(registry->pull_document("v1", {})->media_type, kOciIndexType);
  EXPECT_EQ(registry->pull_image({})->text, document.text);
}

TEST_F(Registry, TakesAWholeImageAndGivesItBack) {
  const auto folder = TemporaryDirectory::create();
  auto from = *OciLayout::create(folder->path() / "from");
  auto to = *OciLayout::create(folder->path() / "to");
  ASSERT_TRUE(from.add("application/octet-stream", bytes_));
  const auto image = from.add(kOciManifestType, manifest().text);
  // Both ways are cut on the way, and go on.
  CuttingProxy up(port(), {.up = 5'000'000, .times = 2});
  const auto pushed = push_image(from, *image, *open(up.port()), progress_, {});
  ASSERT_TRUE(pushed) << pushed.error().message;
  EXPECT_EQ(up.cut(), 2);
  CuttingProxy down(port(), {.down = 5'000'000, .times = 2});
  const auto pulled = pull_image(*open(down.port()), to, progress_, {});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(down.cut(), 2);
  EXPECT_EQ(pulled->digest, *pushed);
  EXPECT_EQ(*to.blob(blob_)->sha256(), blob_.digest.substr(7));
  EXPECT_EQ(told_, 2 * bytes_.size());  // of config and layer, which are one blob here
}

TEST_F(Registry, GoesOnWithAPullThatAnotherProcessBegan) {
  const auto folder = TemporaryDirectory::create();
  auto to = *OciLayout::create(folder->path());
  const auto registry = open();
  ASSERT_TRUE(registry->push_blob(blob_, Body::bytes(bytes_), {}));
  ASSERT_TRUE(registry->push_document("v1", manifest(), {}));
  const auto part = folder->path() / "blobs/sha256" / (blob_.digest.substr(7) + ".part");
  ASSERT_TRUE(write_file(part, bytes_.substr(0, 19'000'000)));
  CuttingProxy proxy(port(), {.down = 2'000'000});
  const auto pulled = pull_image(*open(proxy.port()), to, progress_, {});
  ASSERT_TRUE(pulled) << pulled.error().message;
  EXPECT_EQ(proxy.cut(), 0);  // less came than would be cut
  // Bytes that were others are found out, and the next pull begins anew.
  std::filesystem::remove(folder->path() / "blobs/sha256" / blob_.digest.substr(7));
  ASSERT_TRUE(write_file(part, std::string(19'000'000, 'x')));
  EXPECT_EQ(pull_image(*open(), to, progress_, {}).error().code, Code::kDataLoss);
  EXPECT_TRUE(pull_image(*open(), to, progress_, {}));
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
