// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/prompt_labels.h"

#include <gmock/gmock.h>

namespace serin::worker::api {
namespace {

model::Manifest glyphs() {
  model::Manifest manifest;
  model::LabelInput character;
  character.labels = {"A", "B", "a", "7"};
  model::LabelInput style;
  style.labels = {"serif", "sans"};
  manifest.inputs = {{"character", "", character}, {"style", "", style}};
  return manifest;
}

json::value applied(std::string_view prompt, json::object request = {}) {
  EXPECT_TRUE(apply_prompt(glyphs(), prompt, "prompt", request)) << prompt;
  return request;
}

TEST(PromptLabels, EveryWordThatIsALabelSetsItsInput) {
  EXPECT_EQ(applied("the letter B, in Serif!"),
            json::parse(R"({"character":"B","style":"serif"})"));
}

TEST(PromptLabels, CaseAsWrittenComesFirst) {
  EXPECT_EQ(applied("a"), json::parse(R"({"character":"a"})"));
  EXPECT_EQ(applied("b"), json::parse(R"({"character":"B"})"));
}

TEST(PromptLabels, WhatTheRequestSaysStays) {
  EXPECT_EQ(applied("A", {{"character", "B"}}), json::parse(R"({"character":"B"})"));
}

TEST(PromptLabels, NothingIsNothing) { EXPECT_EQ(applied(" , "), json::parse("{}")); }

TEST(PromptLabels, WordsThatSayNothingAreRefusedWithThoseThatDo) {
  json::object request;
  const auto refused = apply_prompt(glyphs(), "an owl", "prompt", request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "prompt");
  EXPECT_THAT(refused.error().message, testing::HasSubstr("A, B, a, 7, serif, sans"));
}

TEST(PromptLabels, APackageThatTakesNoWordsIgnoresThem) {
  model::Manifest manifest;
  manifest.inputs = {{"noise", "", model::NoiseInput{}}};
  json::object request;
  EXPECT_TRUE(apply_prompt(manifest, "an owl", "prompt", request));
  EXPECT_TRUE(request.empty());
}

TEST(PromptLabels, ATextInputTakesThePromptWhole) {
  model::Manifest manifest;
  manifest.inputs = {{"caption", "", model::TextInput{}}};
  json::object request;
  ASSERT_TRUE(apply_prompt(manifest, "an owl", "prompt", request));
  EXPECT_EQ(request.at("caption"), "an owl");
}

}  // namespace
}  // namespace serin::worker::api
