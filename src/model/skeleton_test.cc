// SPDX-License-Identifier: Apache-2.0
#include "model/skeleton.h"

#include <gmock/gmock.h>

#include "base/files.h"

namespace serin::model {
namespace {

constexpr Task kTasks[] = {Task::kTextGeneration, Task::kImageGeneration, Task::kAudioGeneration,
                           Task::kVideoGeneration, Task::kInference};

TEST(Skeleton, OfEveryTaskAndEngineIsAManifest) {
  for (const Task task : kTasks) {
    for (const EngineKind engine : {EngineKind::kTorch, EngineKind::kTensorflow}) {
      const auto text = skeleton("mine", task, engine);
      ASSERT_TRUE(text.has_value());
      const auto manifest = parse_draft(*text);
      ASSERT_TRUE(manifest.has_value()) << manifest.error().message << "\n" << *text;
      EXPECT_EQ(manifest->name, "mine");
      EXPECT_EQ(manifest->task, task);
      EXPECT_EQ(manifest->engine, engine);
      EXPECT_EQ(manifest->golden.size(), 1U);
      EXPECT_THAT(*text, testing::Not(testing::HasSubstr("@")));
    }
  }
}

TEST(Skeleton, HasPicturesAsTheFrameworkGivesThem) {
  using testing::HasSubstr;
  const std::string torch = skeleton("a", Task::kImageGeneration, EngineKind::kTorch).value();
  EXPECT_THAT(torch, AllOf(HasSubstr("shape: [N, 3, 32, 32]"), HasSubstr("layout: CHW,")));
  const std::string other = skeleton("a", Task::kImageGeneration, EngineKind::kTensorflow).value();
  EXPECT_THAT(other, AllOf(HasSubstr("shape: [N, 32, 32, 3]"), HasSubstr("layout: HWC,")));
  const std::string video = skeleton("a", Task::kVideoGeneration, EngineKind::kTensorflow).value();
  EXPECT_THAT(video, AllOf(HasSubstr("[N, 16, 32, 32, 3]"), HasSubstr("layout: THWC,")));
}

TEST(Skeleton, KeepsItsLinesReadable) {
  for (const Task task : kTasks) {
    const std::string text = skeleton("mine", task, EngineKind::kTensorflow).value();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LE(end - at, 120U) << text.substr(at, end - at);
      at = end + 1;
    }
  }
}

TEST(Skeleton, IsMadeInAFolderOfItsOwn) {
  const auto directory = TemporaryDirectory::create("skeleton").value();
  const auto folder = directory.path() / "mine";
  ASSERT_TRUE(make_skeleton(folder, Task::kImageGeneration, EngineKind::kTorch).has_value());
  EXPECT_THAT(read_file(folder / "model.yaml").value(), testing::HasSubstr("\nname: mine\n"));
  EXPECT_EQ(make_skeleton(folder, Task::kImageGeneration, EngineKind::kTorch).error().code,
            Code::kAlreadyExists);
}

TEST(Skeleton, IsMadeWithTheFoldersAboveIt) {
  const auto directory = TemporaryDirectory::create("skeleton").value();
  const auto folder = directory.path() / "deeper" / "still" / "mine";
  ASSERT_TRUE(make_skeleton(folder, Task::kInference, EngineKind::kTorch).has_value());
  EXPECT_TRUE(std::filesystem::exists(folder / "model.yaml"));
}

TEST(Skeleton, SaysWhichNamesAPackageMayHave) {
  const auto directory = TemporaryDirectory::create("skeleton").value();
  const auto made =
      make_skeleton(directory.path() / "My Model", Task::kInference, EngineKind::kTorch);
  ASSERT_FALSE(made.has_value());
  EXPECT_THAT(made.error().message, testing::HasSubstr("such as my-model"));
  EXPECT_FALSE(make_skeleton(directory.path() / "far", Task::kInference, EngineKind::kRemote));
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "far"));
}

}  // namespace
}  // namespace serin::model
