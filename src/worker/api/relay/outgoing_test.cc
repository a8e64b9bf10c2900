// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/outgoing.h"

#include <gtest/gtest.h>

namespace serin::worker::api {
namespace {

constexpr std::string_view kPlain = R"yaml(format: serin.dev/package/v1
name: app
task: image-generation
engine: remote
remote: {protocol: http, url: "http://127.0.0.1:9", path: /predict}
inputs:
- {name: prompt, kind: text, default: a hat}
- {name: size, kind: number, default: 20, min: 1, max: 50, integer: true}
- {name: style, kind: label, labels: [bold, thin], default: thin}
- {name: mood, kind: label, labels: [dark, light]}
- {name: picture, kind: tensor, dtype: float32, shape: [2], default: 0}
)yaml";

model::Manifest openai(model::Task task) {
  model::Manifest manifest;
  manifest.task = task;
  manifest.remote = model::Remote{};
  manifest.remote->model = "theirs";
  return manifest;
}

std::string generated(model::Task task, json::object fields) {
  const auto outgoing = openai_generate(openai(task), std::move(fields));
  return outgoing ? outgoing->path + " " + json::serialize(outgoing->body)
                  : outgoing.error().message;
}

TEST(Outgoing, APromptIsCompletedAndMessagesAreAnswered) {
  EXPECT_EQ(generated(model::Task::kTextGeneration, {{"prompt", "x"}, {"model", "ours"}}),
            R"(/completions {"prompt":"x","model":"theirs"})");
  EXPECT_EQ(generated(model::Task::kTextGeneration, {{"seed", 7}}),
            R"(/completions {"seed":7,"prompt":"","model":"theirs"})");
  EXPECT_EQ(generated(model::Task::kTextGeneration, {{"messages", json::array{}}}),
            R"(/chat/completions {"messages":[],"model":"theirs"})");
}

TEST(Outgoing, PicturesAndSoundHaveOpenAisNames) {
  EXPECT_EQ(generated(model::Task::kImageGeneration, {{"prompt", "a hat"}}),
            R"(/images/generations {"prompt":"a hat","model":"theirs"})");
  EXPECT_EQ(generated(model::Task::kAudioGeneration, {{"prompt", "one"}}),
            R"(/audio/speech {"input":"one","model":"theirs"})");
}

TEST(Outgoing, HowItIsAnsweredIsForAcceptToSay) {
  EXPECT_NE(generated(model::Task::kTextGeneration, {{"stream", true}}).find("stream"),
            std::string::npos);
  EXPECT_FALSE(openai_generate(openai(model::Task::kInference), {}).has_value());
}

struct Plain : testing::Test {
  model::Package package = [] {
    model::Package made;
    made.manifest = *model::parse_manifest(kPlain);
    return made;
  }();
  engine::RequestParser parser = *engine::RequestParser::create(package);
  Result<Outgoing> sent(const json::object& fields) {
    return plain_generate(package.manifest, parser, fields);
  }
};

TEST_F(Plain, EveryInputIsSentWithItsDefaultAndTheSeed) {
  const auto outgoing = sent({{"seed", 7}, {"size", 3}, {"mood", "light"}});
  ASSERT_TRUE(outgoing.has_value()) << outgoing.error().message;
  EXPECT_EQ(outgoing->path, "/predict");
  EXPECT_EQ(json::serialize(outgoing->body),
            R"({"prompt":"a hat","size":3,"style":"thin","mood":"light","seed":7})");
}

TEST_F(Plain, ALabelWithoutADefaultIsDrawnFromTheSeed) {
  const auto once = sent({{"seed", 11}}), again = sent({{"seed", 11}});
  ASSERT_TRUE(once && again);
  EXPECT_TRUE(once->body.at("mood") == "dark" || once->body.at("mood") == "light");
  EXPECT_EQ(once->body, again->body);
}

TEST_F(Plain, WhatIsWrongIsSaidBeforeTheUpstreamHearsOfIt) {
  EXPECT_EQ(sent({{"size", 51}}).error().param, "size");
  EXPECT_EQ(sent({{"style", "round"}}).error().param, "style");
  EXPECT_EQ(sent({{"prompt", 3}}).error().message, "prompt: must be a string");
  EXPECT_EQ(sent({{"promt", "x"}}).error().reason, "unknown_parameter");
  EXPECT_EQ(sent({{"picture", json::array{1}}}).error().param, "picture");
}

}  // namespace
}  // namespace serin::worker::api
