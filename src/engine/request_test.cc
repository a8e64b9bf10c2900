// SPDX-License-Identifier: Apache-2.0
#include "engine/request.h"

#include <gtest/gtest.h>

#include <set>

#include "base/base64.h"
#include "base/files.h"
#include "engine/every_input.h"
#include "media/media.h"

namespace serin::engine {
namespace {

std::string picture_bytes(std::uint8_t grey) {
  return *media::encode(media::Image{8, 4, 1, std::vector<std::uint8_t>(32, grey)},
                        media::ImageFormat::kPng);
}
std::string sound_bytes(std::size_t samples) {
  return *media::encode(media::Audio{4000, 1, std::vector<float>(samples, 0.5f)},
                        media::AudioFormat::kWav);
}

class RequestParserTest : public ::testing::Test {
 protected:
  // With the media, which have no default here.
  json::object whole(json::object fields) const {
    fields.insert(
        {{"picture", to_base64(picture_bytes(255))}, {"sound", to_base64(sound_bytes(800))}});
    return fields;
  }
  Request parse(json::object fields) const {
    auto request = parser_.parse(whole(std::move(fields)));
    EXPECT_TRUE(request) << request.error().message;
    return request ? *std::move(request) : Request{};
  }

  model::Package package_ = fake::every_input();
  RequestParser parser_ = fake::parser_of(package_);
};

TEST_F(RequestParserTest, FillsEveryInputFromItsDefault) {
  const Request request = parse({{"seed", 7}});
  EXPECT_EQ(request.seed, 7u);
  EXPECT_EQ(request.prompt, (std::vector<std::int64_t>{'a'}));
  EXPECT_EQ(request.inputs.at("loud").values<float>()[1], 1);
  EXPECT_EQ(load(request.inputs.at("slant"), 0), 0.5);
  EXPECT_EQ(load(request.inputs.at("count"), 0), 3);
  EXPECT_EQ(request.inputs.at("raw").values<std::uint8_t>()[3], 7);
  EXPECT_EQ(request.inputs.at("note").values<std::int64_t>()[0], 9);
  EXPECT_EQ(request.inputs.at("note").shape(), (Shape{6}));
  EXPECT_EQ(request.sampling.max_tokens, 16);
  EXPECT_EQ(request.sampling.temperature, 1);
}

TEST_F(RequestParserTest, DrawsNoiseAndLabelsFromTheSeedAndThePlace) {
  const Request request = parse({{"seed", 7}});
  std::vector<float> noise(6);
  fill_normal(7, kNoiseStream + 1, noise);
  EXPECT_TRUE(std::ranges::equal(request.inputs.at("noise").values<float>(), noise));
  EXPECT_EQ(load(request.inputs.at("colour"), 0), static_cast<double>(draw_label(7, 2, 3)));
  std::set<double> colours;
  for (int seed = 0; seed < 50; ++seed)
    colours.insert(load(parse({{"seed", seed}}).inputs.at("colour"), 0));
  EXPECT_EQ(colours.size(), 3u);
}

TEST_F(RequestParserTest, DrawsASeedThatEveryClientCanSayAgain) {
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 20; ++i) {
    const Request request = parse({});
    EXPECT_LT(request.seed, std::uint64_t{1} << 53);
    seeds.insert(request.seed);
  }
  EXPECT_EQ(seeds.size(), 20u);
}

TEST_F(RequestParserTest, ReadsEveryKindOfInput) {
  const Request request = parse({{"prompt", "hi"},
                                 {"colour", "blue"},
                                 {"loud", "no"},
                                 {"slant", -1},
                                 {"count", 12.0},
                                 {"note", "abc"},
                                 {"raw", {{1, 2}, {3, 255}}}});
  EXPECT_EQ(request.prompt, (std::vector<std::int64_t>{'h', 'i'}));
  EXPECT_EQ(load(request.inputs.at("colour"), 0), 2);
  EXPECT_EQ(request.inputs.at("loud").values<float>()[0], 1);
  EXPECT_EQ(load(request.inputs.at("slant"), 0), -1);
  EXPECT_EQ(request.inputs.at("count").values<std::int64_t>()[0], 12);
  EXPECT_EQ(request.inputs.at("note").values<std::int64_t>()[2], 'c');
  EXPECT_EQ(request.inputs.at("note").values<std::int64_t>()[3], 9);
  EXPECT_EQ(request.inputs.at("raw").values<std::uint8_t>()[3], 255);
}

TEST_F(RequestParserTest, MakesMediaTheSizeOfTheManifest) {
  const Request request = parse({});
  const Tensor picture = request.inputs.at("picture"), sound = request.inputs.at("sound");
  EXPECT_EQ(picture.shape(), (Shape{1, 2, 4}));
  EXPECT_NEAR(picture.values<float>()[7], 1, 1e-6);
  EXPECT_EQ(sound.shape(), (Shape{1, 2000}));
  EXPECT_NEAR(sound.values<float>()[799], 0.5, 0.01);
  EXPECT_EQ(sound.values<float>()[800], 0) << "silence to the length";
  const std::string url = "data:image/png;base64," + to_base64(picture_bytes(0));
  auto dark = parser_.parse({{"picture", url}, {"sound", to_base64(sound_bytes(10))}});
  ASSERT_TRUE(dark) << dark.error().message;
  EXPECT_NEAR(dark->inputs.at("picture").values<float>()[0], 0, 1e-6);
}

TEST_F(RequestParserTest, TakesTokenIdsForText) {
  EXPECT_EQ(parse({{"prompt", {5, 6, 7}}}).prompt, (std::vector<std::int64_t>{5, 6, 7}));
}

TEST_F(RequestParserTest, PutsTheBeginTokenBeforeThePromptOnce) {
  std::get<model::AutoregressiveLoop>(package_.manifest.loop).begin = 1;
  EXPECT_EQ(parse({{"prompt", "x"}}).prompt, (std::vector<std::int64_t>{1, 'x'}));
  EXPECT_EQ(parse({{"prompt", {1, 2}}}).prompt, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(RequestParserTest, TakesTensorsThatCameInBinary) {
  Tensor raw(DType::kUInt8, {2, 2});
  raw.mutable_values<std::uint8_t>()[1] = 42;
  auto request = parser_.parse(whole({}), {{"raw", raw}});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->inputs.at("raw").values<std::uint8_t>()[1], 42);
  EXPECT_FALSE(parser_.parse(whole({}), {{"raw", Tensor(DType::kUInt8, {4})}}));
  EXPECT_FALSE(parser_.parse(whole({}), {{"slant", Tensor(DType::kFloat32, {})}}));
}

TEST_F(RequestParserTest, NullIsAsGoodAsAbsent) {
  const Request request =
      parse({{"seed", 3}, {"slant", nullptr}, {"stop", nullptr}, {"temperature", nullptr}});
  EXPECT_EQ(load(request.inputs.at("slant"), 0), 0.5);
}

TEST_F(RequestParserTest, ReadsTheReservedKeysOfText) {
  const Request request = parse({{"max_tokens", 5},
                                 {"temperature", 0},
                                 {"top_p", 0.5},
                                 {"top_k", 3},
                                 {"min_p", 0.1},
                                 {"presence_penalty", -2},
                                 {"frequency_penalty", 2},
                                 {"repetition_penalty", 1.1},
                                 {"logit_bias", {{"65", -100}}},
                                 {"stop", {"a", "b"}},
                                 {"logprobs", 4}});
  const Sampling& sampling = request.sampling;
  EXPECT_EQ(sampling.max_tokens, 5);
  EXPECT_EQ(sampling.temperature, 0);
  EXPECT_EQ(sampling.top_p, 0.5);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.presence_penalty, -2);
  EXPECT_EQ(sampling.frequency_penalty, 2);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.logit_bias.at(65), -100);
  EXPECT_EQ(sampling.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sampling.logprobs, 4);
}

TEST_F(RequestParserTest, RefusesEveryBadFieldWithItsNameAndReason) {
  struct Row {
    json::object fields;
    std::string param, reason, says;
  };
  const std::string long_text(40, 'x');
  const std::vector<Row> table{
      {{{"temperatur", 1}}, "temperatur", "unknown_parameter", "temperature"},
      {{{"noise", 1}}, "noise", "unknown_parameter", "not a field"},
      {{{"steps", 4}}, "steps", "unknown_parameter", "not a field"},
      {{{"seed", -1}}, "seed", "invalid_value", "from 0 to 9223372036854775807"},
      {{{"seed", 1.5}}, "seed", "invalid_value", "integer"},
      {{{"seed", 9223372036854775808u}}, "seed", "invalid_value", "integer"},
      {{{"seed", "7"}}, "seed", "invalid_type", "integer"},
      {{{"colour", "grean"}}, "colour", "invalid_value", "did you mean \"green\""},
      {{{"colour", "qqqqqq"}}, "colour", "invalid_value", "red"},
      {{{"colour", 1}}, "colour", "invalid_type", "string"},
      {{{"slant", 1.01}}, "slant", "invalid_value", "from -1"},
      {{{"slant", "up"}}, "slant", "invalid_type", "a number"},
      {{{"count", 1.5}}, "count", "invalid_value", "an integer"},
      {{{"count", 0}}, "count", "invalid_value", "from 1"},
      {{{"prompt", 7}}, "prompt", "invalid_type", "string"},
      {{{"prompt", {1, "x"}}}, "prompt", "invalid_type", "a string or an array of token ids"},
      {{{"prompt", {1, 300}}}, "prompt", "invalid_value", "300 is not a token"},
      {{{"prompt", {-1}}}, "prompt", "invalid_value", "integer"},
      {{{"prompt", ""}}, "prompt", "missing_required_parameter", "must not be empty"},
      {{{"prompt", long_text}}, "prompt", "context_length_exceeded", "32"},
      {{{"note", "abcdefg"}}, "note", "context_length_exceeded", "at most 6"},
      {{{"note", {999}}}, "note", "invalid_value", "999"},
      {{{"raw", {1, 2}}}, "raw", "invalid_type", "depth 1"},
      {{{"raw", {{1, 2}, {3}}}}, "raw", "invalid_value", "has 1 item"},
      {{{"raw", {{1, 2}, {3, 256}}}}, "raw", "invalid_value", "does not fit uint8"},
      {{{"raw", {{1, 2}, {3, "x"}}}}, "raw", "invalid_type", "a string"},
      {{{"raw", {{1, 2}, {3, {4}}}}}, "raw", "invalid_type", "an array"},
      {{{"picture", "https://example.org/x.png"}}, "picture", "invalid_value", "not fetched"},
      {{{"picture", "data:image/png,xyz"}}, "picture", "invalid_value", "base64"},
      {{{"picture", "%%%"}}, "picture", "invalid_value", ""},
      {{{"picture", "aGVsbG8="}}, "picture", "invalid_value", ""},
      {{{"picture", 5}}, "picture", "invalid_type", "string"},
      {{{"sound", to_base64(sound_bytes(3000))}}, "sound", "invalid_value", "at most 0.5"},
      {{{"sound", "aGVsbG8="}}, "sound", "invalid_value", ""},
      {{{"temperature", 2.1}}, "temperature", "invalid_value", "0 to 2"},
      {{{"temperature", "hot"}}, "temperature", "invalid_type", "number"},
      {{{"top_p", 0}}, "top_p", "invalid_value", "above 0"},
      {{{"top_k", -1}}, "top_k", "invalid_value", "from 0"},
      {{{"min_p", 1.5}}, "min_p", "invalid_value", "to 1"},
      {{{"presence_penalty", 3}}, "presence_penalty", "invalid_value", "to 2"},
      {{{"repetition_penalty", 0}}, "repetition_penalty", "invalid_value", "above 0"},
      {{{"max_tokens", 0}}, "max_tokens", "invalid_value", "from 1"},
      {{{"max_tokens", 5000}}, "max_tokens", "invalid_value", "to 4096"},
      {{{"logprobs", 21}}, "logprobs", "invalid_value", "to 20"},
      {{{"logprobs", true}}, "logprobs", "invalid_type", "integer"},
      {{{"stop", 5}}, "stop", "invalid_type", "string"},
      {{{"stop", ""}}, "stop", "invalid_value", "1 to 256"},
      {{{"stop", json::array(17, "x")}}, "stop", "invalid_value", "at most 16"},
      {{{"logit_bias", json::array{}}}, "logit_bias", "invalid_type", "object"},
      {{{"logit_bias", {{"x", 1}}}}, "logit_bias", "invalid_value", "not a token id"},
      {{{"logit_bias", {{"5", 101}}}}, "logit_bias", "invalid_value", "100"},
  };
  for (const auto& row : table) {
    json::object fields = row.fields;
    const auto request = parser_.parse(whole(std::move(fields)));
    const std::string shown_fields = json::serialize(row.fields).substr(0, 80);
    ASSERT_FALSE(request) << shown_fields;
    EXPECT_EQ(request.error().code, Code::kInvalidArgument) << shown_fields;
    EXPECT_EQ(request.error().param, row.param) << shown_fields;
    EXPECT_EQ(request.error().reason, row.reason) << shown_fields << request.error().message;
    EXPECT_NE(request.error().message.find(row.says), std::string::npos) << request.error().message;
  }
}

TEST_F(RequestParserTest, RequiresWhatHasNoDefault) {
  const auto request = parser_.parse({{"seed", 1}});
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().param, "picture");
  EXPECT_EQ(request.error().reason, "missing_required_parameter");
}

TEST_F(RequestParserTest, KeepsItsLimits) {
  RequestLimits limits;
  limits.string_bytes = 4;
  limits.media_bytes = 10;
  auto parser = RequestParser::create_with(package_,
                                           {{"prompt", std::make_shared<fake::ByteTokenizer>()},
                                            {"note", std::make_shared<fake::ByteTokenizer>()}},
                                           limits);
  ASSERT_TRUE(parser);
  EXPECT_EQ(parser->parse({{"prompt", "12345"}}).error().reason, "string_above_max_length");
  EXPECT_EQ(parser->parse({{"picture", to_base64(picture_bytes(1))}}).error().reason,
            "media_above_max_size");
}

TEST_F(RequestParserTest, ResumesOnlyWhatFits) {
  Request request = parse({{"prompt", "abc"}, {"max_tokens", 4}});
  EXPECT_TRUE(parser_.resume(request, {1, 2, 3}));
  EXPECT_EQ(request.continued.size(), 3u);
  EXPECT_FALSE(parser_.resume(request, {1, 2, 3, 4, 5}));
  EXPECT_FALSE(parser_.resume(request, {256}));
  EXPECT_FALSE(parser_.resume(request, {-1}));
}

TEST(RequestParserOfDiffusion, ReadsStepsAndGuidance) {
  model::Package package;
  model::DiffusionLoop loop;
  loop.guidance = model::DiffusionLoop::Guidance{2.5, 0, 8, "label", "none"};
  package.manifest.loop = loop;
  const RequestParser parser = fake::parser_of(package);
  const auto request = parser.parse({{"steps", 30}, {"guidance", 4}});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->steps, 30);
  EXPECT_EQ(request->guidance, 4);
  EXPECT_EQ(parser.parse({})->steps, 20);
  EXPECT_EQ(parser.parse({})->guidance, 2.5);
  EXPECT_EQ(parser.parse({{"steps", 101}}).error().param, "steps");
  EXPECT_EQ(parser.parse({{"guidance", 9}}).error().param, "guidance");
  EXPECT_EQ(parser.parse({{"max_tokens", 9}}).error().reason, "unknown_parameter");
}

TEST(RequestParserFiles, ABrokenChatTemplateIsFoundWhenThePackageIsRead) {
  const auto directory = TemporaryDirectory::create("template").value();
  model::Package package = fake::text_package(1, 32, 4);
  package.root = directory.path();
  auto& prompt = std::get<model::TextInput>(package.manifest.inputs[0].kind);
  prompt.tokenizer.clear();
  prompt.chat_template = "chat.jinja";
  const std::string whole = "{% for m in messages %}{{ m.role }}{% endfor %}";
  ASSERT_TRUE(write_file(package.file("chat.jinja"), whole));
  const auto parser = RequestParser::create(package);
  ASSERT_TRUE(parser) << parser.error().message;
  EXPECT_NE(parser->chat_template(), nullptr);
  ASSERT_TRUE(write_file(package.file("chat.jinja"), whole.substr(0, 32)));
  const auto broken = RequestParser::create(package);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("chat.jinja"), std::string::npos) << broken.error().message;
}

}  // namespace
}  // namespace serin::engine
