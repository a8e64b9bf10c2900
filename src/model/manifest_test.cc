// SPDX-License-Identifier: Apache-2.0
#include "model/manifest.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "model/manifest_samples.h"
#include "model/manifest_writer.h"

namespace serin::model {
namespace {

TEST(Manifest, ReadsAPictureFromOneCall) {
  const auto manifest = parse_manifest(samples::kGlyphs);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(manifest->name, "glyphs");
  EXPECT_EQ(manifest->task, Task::kImageGeneration);
  EXPECT_EQ(manifest->engine, EngineKind::kTorch);
  EXPECT_EQ(manifest->model, "model.pt");
  ASSERT_EQ(manifest->files.size(), 2U);
  EXPECT_EQ(manifest->files[1].size, 1187321U);
  ASSERT_EQ(manifest->inputs.size(), 3U);
  EXPECT_EQ(std::get<NoiseInput>(manifest->inputs[0].kind).shape, (Shape{32}));
  const auto& label = std::get<LabelInput>(manifest->inputs[1].kind);
  EXPECT_EQ(label.labels, (std::vector<std::string>{"0", "1", "A", "B"}));
  EXPECT_FALSE(label.default_label.has_value());
  EXPECT_EQ(manifest->inputs[1].doc, "The character to draw.");
  EXPECT_EQ(*std::get<NumberInput>(manifest->inputs[2].kind).min, -1);
  EXPECT_EQ(manifest->call.method, "forward");
  EXPECT_EQ(manifest->call.arguments[0].shape, (Shape{kBatchDimension, 32}));
  EXPECT_EQ(manifest->call.results[0].dtype, DType::kFloat32);
  EXPECT_TRUE(std::holds_alternative<OnceLoop>(manifest->loop));
  EXPECT_EQ(std::get<ImageOutput>(manifest->outputs[0].kind).layout, Layout::kCHW);
  EXPECT_EQ(manifest->batching.sizes, (std::vector<std::int64_t>{8}));
  EXPECT_EQ(manifest->batching.max_wait, std::chrono::milliseconds(2));
  ASSERT_EQ(manifest->golden.size(), 1U);
  EXPECT_EQ(manifest->golden[0].request.at("seed").as_int64(), 7);
  EXPECT_EQ(manifest->golden[0].expect[0].second, "golden/0.image.npy");
  EXPECT_EQ(manifest->find_input("slant"), &manifest->inputs[2]);
  EXPECT_EQ(manifest->find_input("nothing"), nullptr);
}

TEST(Manifest, ReadsDiffusionWithGuidance) {
  const auto manifest = parse_manifest(samples::kMotion);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  const auto& loop = std::get<DiffusionLoop>(manifest->loop);
  EXPECT_EQ(loop.default_steps, 20);
  EXPECT_EQ(loop.schedule, DiffusionLoop::Schedule::kLinear);
  ASSERT_TRUE(loop.guidance.has_value());
  EXPECT_EQ(loop.guidance->unconditional, "none");
  EXPECT_EQ(std::get<VideoOutput>(manifest->outputs[0].kind).frame_rate, 8);
  EXPECT_EQ(manifest->outputs[0].result, "state");
}

TEST(Manifest, ReadsAnAutoregressiveLoopWithACache) {
  const auto manifest = parse_manifest(samples::kProse);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  const auto& loop = std::get<AutoregressiveLoop>(manifest->loop);
  EXPECT_EQ(loop.slots, 4);
  EXPECT_EQ(*loop.begin, 1);
  EXPECT_EQ(loop.end, (std::vector<std::int64_t>{2}));
  ASSERT_EQ(loop.cache.size(), 1U);
  EXPECT_EQ(loop.chunk, 16);
  EXPECT_EQ(manifest->call.method, "serving_default");
  EXPECT_EQ(manifest->call.arguments[0].shape, (Shape{kBatchDimension, kLoopDimension}));
}

TEST(Manifest, ReadsARemotePackageWithoutTensors) {
  const auto manifest = parse_manifest(samples::kUpstream);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(manifest->remote->url, "http://127.0.0.1:8000/v1");
  EXPECT_EQ(manifest->remote->model, "llama");
  EXPECT_TRUE(manifest->outputs.empty());
}

TEST(Manifest, ReadsAndWritesHowManyCallsAServerOfTensorsTakesAtOnce) {
  std::string document(samples::kTensors);
  const auto manifest = parse_manifest(document);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(manifest->remote->concurrency, 4U);
  const auto again = parse_manifest(write_manifest(*manifest));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->remote->concurrency, 4U);
  document.erase(document.find("  concurrency"), std::string_view("  concurrency: 4\n").size());
  EXPECT_EQ(parse_manifest(document)->remote->concurrency, 8U);
}

TEST(Manifest, ReadsARemotePackageThatStartsACommand) {
  const auto manifest = parse_manifest(samples::kApp);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_TRUE(manifest->relayed());
  EXPECT_EQ(manifest->remote->command, (std::vector<std::string>{"python3", "app.py"}));
  EXPECT_EQ(manifest->remote->timeout, std::chrono::minutes(10));
  EXPECT_EQ(std::get<TextInput>(manifest->inputs[0].kind).default_text, "a hat");
  EXPECT_EQ(filled("{port} {socket} {port}", 7, "/s"), "7 /s 7");
}

TEST(Manifest, WritesARemotePackageSoThatItReadsTheSame) {
  std::string document(samples::kApp);
  const std::size_t place = document.find("inputs:");
  document.insert(place,
                  "  directory: app\n  environment: [LANG]\n  read: [/srv]\n  connect: [5432]\n"
                  "  healthPath: /health\n  keyVariable: SERIN_UPSTREAM_KEY\n");
  const auto manifest = parse_manifest(document);
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  const std::string written = write_manifest(*manifest);
  const auto again = parse_manifest(written);
  ASSERT_TRUE(again.has_value()) << again.error().message << written;
  EXPECT_EQ(write_manifest(*again), written);
  EXPECT_EQ(again->remote->connect, std::vector<std::uint16_t>{5432});
  EXPECT_EQ(again->remote->read, std::vector<std::string>{"/srv"});
}

TEST(Manifest, IsADraftUntilItsFilesAreListed) {
  std::string draft(samples::kGlyphs);
  const std::size_t files = draft.find("files:");
  draft.erase(files, draft.find("inputs:") - files);
  EXPECT_EQ(
      parse_manifest(draft).error().message,
      "model.yaml:1:1: files is missing: the package is not sealed yet; `serin package seal FOLDER "
      "--golden` writes it");
  EXPECT_TRUE(parse_draft(draft).has_value());
}

TEST(ManifestDigest, DoesNotDependOnHowTheTextIsLaidOut) {
  const auto compact = manifest_digest("{a: 1, b: [x, true, 0.5], c: null}");
  const auto spread = manifest_digest("# a remark\nc: ~\nb:\n- 'x'\n- True\n- 5e-1\na: 1.0\n");
  ASSERT_TRUE(compact.has_value());
  EXPECT_EQ(*compact, "sha256:" + sha256_hex(R"({"a":1,"b":["x",true,0.5],"c":null})"));
  EXPECT_EQ(*compact, *spread);
}

TEST(ManifestDigest, ChangesWithEveryValue) {
  const std::string text(samples::kGlyphs);
  const auto digest = manifest_digest(text);
  for (const auto& [from, to] : {std::pair{"seed: 7", "seed: 8"},
                                 {"0.001", "0.0010001"},
                                 {"[A", "[a"},
                                 {"CHW", "HWC"},
                                 {"aaaa", "aaab"}}) {
    std::string changed = text;
    const std::size_t place = changed.find(from);
    if (place == std::string::npos) continue;
    changed.replace(place, std::string_view(from).size(), to);
    EXPECT_NE(*manifest_digest(changed), *digest) << from;
  }
}

TEST(ManifestWriter, WritesWhatTheReaderReads) {
  for (const std::string_view sample :
       {samples::kGlyphs, samples::kMotion, samples::kProse, samples::kUpstream}) {
    const auto manifest = parse_manifest(sample);
    ASSERT_TRUE(manifest.has_value());
    const std::string once = write_manifest(*manifest);
    const auto again = parse_manifest(once);
    ASSERT_TRUE(again.has_value()) << again.error().message << "\n" << once;
    EXPECT_EQ(write_manifest(*again), once);
    EXPECT_EQ(again->files.size(), manifest->files.size());
    EXPECT_EQ(again->call.arguments.size(), manifest->call.arguments.size());
    EXPECT_EQ(again->golden.size(), manifest->golden.size());
    EXPECT_EQ(again->loop.index(), manifest->loop.index());
  }
}

TEST(ManifestWriter, PutsRemarksAboveTheirPlace) {
  const auto manifest = parse_manifest(samples::kGlyphs);
  const std::string text = write_manifest(
      *manifest, {{"inputs[1]", "Name the labels.\nIn order."}, {"task", "Guessed."}});
  EXPECT_NE(text.find("# Name the labels.\n# In order.\n- {name: character,"), std::string::npos)
      << text;
  EXPECT_NE(text.find("# Guessed.\ntask: image-generation\n"), std::string::npos);
}

TEST(ManifestWriter, QuotesWhatYamlWouldReadAsSomethingElse) {
  EXPECT_EQ(yaml_scalar("model.pt"), "model.pt");
  EXPECT_EQ(yaml_scalar("two words"), "two words");
  for (const std::string_view text : {"1", "1.5", "true", "null", "", "-x", "a: b", "a #b", " a",
                                      "0x10", "[", "*a", "é\n\"", "1e5"}) {
    const std::string written = yaml_scalar(text);
    EXPECT_TRUE(written.starts_with('"')) << written;
    const auto digest = manifest_digest("a: " + written);
    ASSERT_TRUE(digest.has_value()) << written << digest.error().message;
    EXPECT_EQ(*digest, "sha256:" + sha256_hex(canonical_json(json::object{{"a", text}})));
  }
}

}  // namespace
}  // namespace serin::model
