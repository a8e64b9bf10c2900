// SPDX-License-Identifier: Apache-2.0
// What a push decides before it moves a byte. The rest of source.h is tested against real stores,
// in tests/objects.
#include "model/source.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/files.h"
#include "model/image/image.h"
#include "model/package_samples.h"
#include "net/http/server.h"

namespace serin::model {
namespace {

using testing::HasSubstr;

// A registry in which every tag is an artifact of this package.
std::unique_ptr<net::Server> registry_with(const std::string& package_digest) {
  objects::OciManifest manifest;
  manifest.artifact_type = kArtifactType;
  manifest.config = {"application/json", "sha256:" + std::string(64, 'a'), 2, {}};
  manifest.annotations = {{kPackageAnnotation, package_digest}};
  const objects::OciDocument document = objects::oci_manifest(manifest);
  net::ServerOptions options;
  options.port = 0;
  return *net::Server::create(std::move(options), [document](const auto& exchange) {
    exchange->respond({200, {{"content-type", document.media_type}}, document.text});
  });
}

class PushToATakenTag : public testing::Test {
 protected:
  Error refusal(const std::string& package_digest, const std::string& reference = ":v1") {
    const auto registry = registry_with(package_digest);
    const auto pushed = push_package(
        package_.root, "oci://127.0.0.1:" + std::to_string(registry->port()) + "/a" + reference,
        false, options_);
    return pushed ? Error{Code::kUnknown, "it was pushed"} : pushed.error();
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("source");
  Package package_ = samples::make_package(folder_->path() / "package");
  SourceOptions options_ = [] {
    SourceOptions options;
    options.environment = [](const char*) { return std::nullopt; };
    return options;
  }();
};

TEST_F(PushToATakenTag, IsRefusedBeforeThePackageIsCopied) {
  const std::string before = std::getenv("TMPDIR") == nullptr ? "" : std::getenv("TMPDIR");
  ::setenv("TMPDIR", "/nowhere", 1);  // where it would be copied to
  const Error taken = refusal("sha256:" + std::string(64, '0'));
  const Error pinned = refusal(package_.digest, "@sha256:" + std::string(64, '0'));
  const Error same = refusal(package_.digest);
  before.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before.c_str(), 1);
  EXPECT_EQ(taken.code, Code::kAlreadyExists) << taken.message;
  EXPECT_THAT(taken.message, HasSubstr("--replace"));
  EXPECT_EQ(pinned.code, Code::kInvalidArgument) << pinned.message;
  EXPECT_THAT(pinned.message, HasSubstr("names a digest"));
  EXPECT_THAT(same.message, HasSubstr("temporary files"));  // only the artifact can tell
}

TEST_F(PushToATakenTag, IsRefusedForAnotherArtifactOfTheSamePackage) {
  const Error refused = refusal(package_.digest);
  EXPECT_EQ(refused.code, Code::kAlreadyExists) << refused.message;
  EXPECT_THAT(refused.message, HasSubstr("in another artifact"));
}

}  // namespace
}  // namespace serin::model
