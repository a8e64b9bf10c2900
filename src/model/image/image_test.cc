// SPDX-License-Identifier: Apache-2.0
#include "model/image/image.h"

#include <gmock/gmock.h>

#include "base/digest.h"
#include "base/files.h"
#include "base/json.h"
#include "model/archive.h"
#include "model/image/config.h"
#include "model/package_samples.h"
#include "objects/tar.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;
using objects::OciBlob;
using objects::OciLayout;
using testing::ElementsAre;
using testing::HasSubstr;

class ImageTest : public testing::Test {
 protected:
  fs::path path(std::string_view name) const { return folder_->path() / name; }

  // A runtime of one layer.
  Base base(const std::string& config = kBaseConfig,
            std::string_view layer = objects::kOciLayerType) {
    objects::OciManifest manifest;
    manifest.config = *layout_.add(objects::kOciConfigType, config);
    manifest.layers = {*layout_.add(layer, "the program")};
    const auto document = objects::oci_manifest(manifest);
    return {layout_, *layout_.add(document.media_type, document.text), "serin/runtime:1"};
  }

  json::object config_of(const OciBlob& image) const {
    const auto manifest = objects::parse_oci_manifest(layout_.image(image)->text);
    return parse_json(*layout_.text(manifest->config))->as_object();
  }
  objects::OciManifest manifest_of(const OciBlob& image) const {
    return *objects::parse_oci_manifest(layout_.image(image)->text);
  }
  std::vector<std::string> files_of(const OciBlob& layer) const {
    std::vector<std::string> paths;
    const auto files = objects::tar_files(*layout_.blob(layer));
    for (const objects::TarFile& file : *files) paths.push_back(file.path);
    return paths;
  }
  std::string refusal(const Base& base) {
    const auto built = build_model_image(package_, base, layout_, {});
    return built ? "built" : built.error().message;
  }

  inline static const std::string kBaseConfig =
      R"({"os":"linux","architecture":"amd64","created":"2026-01-02T03:04:05Z",)"
      R"("config":{"Entrypoint":["/opt/serin/bin/serin"],"Cmd":["--help"],"Env":["A=b"],)"
      R"("User":"7:7","Labels":{"org.opencontainers.image.title":"runtime","mine":"kept"},)"
      R"("Healthcheck":{"Test":["CMD","x"]}},)"
      R"("rootfs":{"type":"layers","diff_ids":["sha256:one"]},"history":[{"created_by":"x"}]})";

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("image");
  Package package_ = samples::make_package(path("package"));
  OciLayout layout_ = *OciLayout::create(path("layout"));
};

TEST_F(ImageTest, AModelImageIsTheBaseAndThePackage) {
  const auto built = build_model_image(package_, base(), layout_, {});
  ASSERT_TRUE(built) << built.error().message;
  const auto manifest = manifest_of(*built);
  ASSERT_EQ(manifest.layers.size(), 3U);
  EXPECT_THAT(files_of(manifest.layers[1]), ElementsAre("package/model.pt"));
  EXPECT_THAT(files_of(manifest.layers[2]),
              ElementsAre("package/golden/0.y.npy", "package/model.yaml"));
  EXPECT_EQ(manifest.annotations.at(kPackageAnnotation), package_.digest);
  EXPECT_EQ(manifest.annotations.at("org.opencontainers.image.base.name"), "serin/runtime:1");

  const json::object config = config_of(*built);
  const json::object& run = config.at("config").as_object();
  EXPECT_EQ(run.at("Entrypoint"), (json::array{"/opt/serin/bin/serin", "serve", "/package"}));
  EXPECT_FALSE(run.contains("Cmd"));
  EXPECT_FALSE(run.contains("Healthcheck"));
  EXPECT_EQ(run.at("User"), "7:7");
  EXPECT_EQ(run.at("Env"), json::array{"A=b"});
  EXPECT_TRUE(run.at("ExposedPorts").as_object().contains("5000/tcp"));
  EXPECT_EQ(run.at("Labels").at("mine"), "kept");
  EXPECT_EQ(run.at("Labels").at("org.opencontainers.image.title"), "small");
  EXPECT_EQ(config.at("rootfs").at("diff_ids"),
            (json::array{"sha256:one", json::value(manifest.layers[1].digest),
                         json::value(manifest.layers[2].digest)}));
  EXPECT_EQ(config.at("history").as_array().size(), 3U);
}

TEST_F(ImageTest, RunsAsNobodyWhereTheBaseRunsAsRoot) {
  for (const char* user : {"", "root", "0", "0:0", "root:root"}) {
    std::string config = kBaseConfig;
    config.replace(config.find("7:7"), 3, user);
    const auto built = build_model_image(package_, base(config), layout_, {});
    EXPECT_EQ(config_of(*built).at("config").at("User"), "65532:65532") << user;
  }
}

TEST_F(ImageTest, RefusesABaseThatIsNoRuntime) {
  std::string config = kBaseConfig;
  config.replace(config.find("amd64"), 5, "arm64");
  EXPECT_THAT(refusal(base(config)), HasSubstr("the base serin/runtime:1: it is for linux/arm64"));
  config = kBaseConfig;
  config.replace(config.find("Entrypoint"), 10, "Enterpoint");
  EXPECT_THAT(refusal(base(config)), HasSubstr("no entry point"));
  config = kBaseConfig;
  config.replace(config.find("[\"sha256:one\"]"), 14, "[]");
  EXPECT_THAT(refusal(base(config)), HasSubstr("diff_id"));
  EXPECT_THAT(refusal(base("[]")), HasSubstr("no JSON object"));
  EXPECT_THAT(
      refusal(base(kBaseConfig, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
      HasSubstr("cannot be taken over"));
}

TEST_F(ImageTest, TakesABaseInDockersForm) {
  const auto built = build_model_image(
      package_, base(kBaseConfig, "application/vnd.docker.image.rootfs.diff.tar.gzip"), layout_,
      {});
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(manifest_of(*built).layers[0].media_type,
            "application/vnd.oci.image.layer.v1.tar+gzip");
}

TEST_F(ImageTest, ADataImageHasThePackageAlone) {
  const auto built = build_data_image(package_, layout_);
  ASSERT_TRUE(built) << built.error().message;
  const auto manifest = manifest_of(*built);
  EXPECT_EQ(manifest.artifact_type, "");
  ASSERT_EQ(manifest.layers.size(), 2U);
  for (const OciBlob& layer : manifest.layers) EXPECT_EQ(layer.media_type, objects::kOciLayerType);
  EXPECT_THAT(files_of(manifest.layers[0]), ElementsAre("model.pt"));
  EXPECT_THAT(files_of(manifest.layers[1]), ElementsAre("golden/0.y.npy", "model.yaml"));
  const json::object config = config_of(*built);
  EXPECT_EQ(config.at("architecture"), "amd64");
  EXPECT_EQ(config.at("config").at("Labels").at(kPackageAnnotation), json::value(package_.digest));
}

TEST_F(ImageTest, AnArtifactIsAsModelPackHasIt) {
  const auto built = build_artifact(package_, layout_);
  ASSERT_TRUE(built) << built.error().message;
  const auto manifest = manifest_of(*built);
  EXPECT_EQ(manifest.artifact_type, "application/vnd.cncf.model.manifest.v1+json");
  EXPECT_EQ(manifest.config.media_type, "application/vnd.cncf.model.config.v1+json");
  ASSERT_EQ(manifest.layers.size(), 2U);
  EXPECT_EQ(manifest.layers[0].media_type, "application/vnd.cncf.model.weight.v1.tar");
  EXPECT_EQ(manifest.layers[0].annotations.at("org.cncf.model.filepath"), "model.pt");
  EXPECT_EQ(manifest.layers[1].media_type, "application/vnd.cncf.model.weight.config.v1.tar");
  const json::object config = config_of(*built);
  EXPECT_EQ(config.at("descriptor").at("name"), "small");
  EXPECT_EQ(config.at("config").at("format"), "pt");
  EXPECT_EQ(config.at("config").at("capabilities").at("outputTypes"), json::array{"other"});
  EXPECT_EQ(config.at("modelfs").at("diffIds").as_array().size(), 2U);
}

TEST_F(ImageTest, AnArtifactAndADataImageShareTheirLayers) {
  const auto artifact = manifest_of(*build_artifact(package_, layout_));
  const auto data = manifest_of(*build_data_image(package_, layout_));
  EXPECT_EQ(artifact.layers[0].digest, data.layers[0].digest);
  EXPECT_EQ(artifact.layers[1].digest, data.layers[1].digest);
}

TEST_F(ImageTest, KeepsTheWeightsLayerWhenOnlyTheRestChanges) {
  const auto before = manifest_of(*build_data_image(package_, layout_));
  ASSERT_TRUE(write_file(package_.root / "notes.txt", "new"));
  const auto after = manifest_of(*build_data_image(*seal_package(package_.root), layout_));
  EXPECT_EQ(before.layers[0].digest, after.layers[0].digest);
  EXPECT_NE(before.layers[1].digest, after.layers[1].digest);
}

TEST_F(ImageTest, IsTheSameToTheByteForTheSamePackage) {
  const Package other = samples::make_package(path("other"));
  fs::permissions(other.root / "model.pt", fs::perms::owner_all);
  fs::last_write_time(other.root / "model.pt",
                      fs::file_time_type::clock::now() - std::chrono::hours(5));
  OciLayout second = *OciLayout::create(path("second"));
  EXPECT_EQ(build_model_image(package_, base(), layout_, {})->digest,
            build_model_image(other, base(), second, {})->digest);
  EXPECT_EQ(build_data_image(package_, layout_)->digest, build_data_image(other, second)->digest);
  EXPECT_EQ(build_artifact(package_, layout_)->digest, build_artifact(other, second)->digest);
}

TEST_F(ImageTest, IsTheSameToTheByteForEver) {
  EXPECT_EQ(build_data_image(package_, layout_)->digest,
            "sha256:65f24cde12649292f17744838549b038e002e45e29b4d0f1b4a531177857dd79");
  EXPECT_EQ(build_artifact(package_, layout_)->digest,
            "sha256:ab6f94c21a54e2b91213ad3c314a5e9d9ea39373070e15759b95eb0d5bb56c8b");
  EXPECT_EQ(build_model_image(package_, base(), layout_, {})->digest,
            "sha256:0e5623f7c24d1bf4a9bc34b9d2adcdb48b433fff478019425669b455d7746b41");
}

TEST_F(ImageTest, AnArtifactsLayersAreThePackage) {
  std::vector<objects::Body> layers;
  const auto artifact = manifest_of(*build_artifact(package_, layout_));
  for (const OciBlob& layer : artifact.layers) {
    EXPECT_TRUE(is_artifact_layer(layer.media_type));
    layers.push_back(*layout_.blob(layer));
  }
  const auto unpacked = unpack_package(layers, path("unpacked"));
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_EQ(unpacked->digest, package_.digest);
}

TEST_F(ImageTest, RefusesWhatWouldHideAnotherFile) {
  for (const std::string hiding : {"golden/.wh.0.y.npy", ".wh.golden/x", "golden/.wh.deep/er/x"}) {
    fs::create_directories((package_.root / hiding).parent_path());
    ASSERT_TRUE(write_file(package_.root / hiding, "x"));
    const auto built = build_data_image(*seal_package(package_.root), layout_);
    ASSERT_FALSE(built) << hiding;
    EXPECT_THAT(built.error().message, HasSubstr(hiding));
    fs::remove(package_.root / hiding);
  }
}

}  // namespace
}  // namespace serin::model
