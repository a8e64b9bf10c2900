// SPDX-License-Identifier: Apache-2.0
#include "worker/lifecycle/preparation.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/files.h"

namespace serin::worker {
namespace {

model::Package package_of(const std::filesystem::path& root, const std::string& model) {
  model::Package package;
  package.root = root;
  package.manifest.engine = model::EngineKind::kTorch;
  package.manifest.model = model;
  package.manifest.files = {{model, 1, "digest"}};
  return package;
}

TEST(PreparationType, IsOnlyForExportedPrograms) {
  for (const char* model : {"model.pt", "model.pt2.pt", "pt2"}) {
    auto none = Preparation::start(package_of("/nowhere", model), {});
    ASSERT_TRUE(none.has_value());
    EXPECT_EQ(*none, nullptr) << model;
  }
  model::Package tensorflow = package_of("/nowhere", "model.pt2");
  tensorflow.manifest.engine = model::EngineKind::kTensorflow;
  EXPECT_EQ(*Preparation::start(tensorflow, {}), nullptr);
}

struct InItsCache {
  InItsCache() { options.cache = folder.path(); }
  TemporaryDirectory folder = TemporaryDirectory::create().value();
  engine::EngineOptions options;
};

TEST(PreparationType, TellsWhatWentWrongInTheChild) {
  const InItsCache in;
  auto preparation = Preparation::start(package_of(SERIN_EXPORTED, "machine_code.pt2"), in.options);
  ASSERT_TRUE(preparation.has_value() && *preparation != nullptr);
  Sandbox sandbox;
  (*preparation)->allow(sandbox);
  EXPECT_EQ(sandbox.read, std::vector{in.folder.path() / "digest"});
  EXPECT_TRUE(std::filesystem::is_directory(sandbox.read.front()));
  const Status done = (*preparation)->finish();
  ASSERT_FALSE(done.has_value());
  if (done.error().reason == "engine_not_built") return;  // a build without PyTorch
  EXPECT_EQ(done.error().code, Code::kPermissionDenied);
  EXPECT_NE(done.error().message.find("machine code"), std::string::npos) << done.error().message;
}

TEST(PreparationType, EndsWithItsOwner) {
  const InItsCache in;
  Preparation::start(package_of(SERIN_EXPORTED, "machine_code.pt2"), in.options)->reset();
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // no child of ours is left
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace serin::worker
