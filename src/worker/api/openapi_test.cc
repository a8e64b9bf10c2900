// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openapi.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

using testing::UnorderedElementsAreArray;

model::Manifest manifest() {
  model::Manifest made;
  made.name = "shapes";
  made.description = "Shapes.";
  model::LabelInput shape;
  shape.labels = {"circle", "square"};
  shape.default_label = "square";
  model::NumberInput count;
  count.integer = true;
  count.default_value = 3;
  count.min = 1;
  model::NumberInput slant;
  slant.default_value = 0.5;
  slant.max = 1;
  model::TensorInput raw;
  raw.dtype = DType::kFloat32;
  raw.shape = {2, 3};
  made.inputs = {{"noise", "", model::NoiseInput{}},
                 {"shape", "What to draw.", shape},
                 {"count", "", count},
                 {"slant", "", slant},
                 {"picture", "", model::ImageInput{}},
                 {"raw", "", raw}};
  model::DiffusionLoop loop;
  loop.guidance = model::DiffusionLoop::Guidance{1, 0, 20, "shape", "square"};
  made.loop = loop;
  made.outputs = {{"image", "state", model::ImageOutput{}}, {"note", "", model::TextOutput{}}};
  return made;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

TEST(OpenApi, HasEveryRouteOfTheRouterAndNoOther) {
  std::set<std::string> routed, described;
  for (auto* make :
       {&health_routes, &document_routes, &generate_routes, &openai_routes, &predict_routes}) {
    for (const Route& route : make()) routed.insert(lower(route.method) + " " + route.pattern);
  }
  const json::object document = openapi(manifest(), {"s", "v1"});
  for (const auto& [path, operations] : document.at("paths").as_object()) {
    for (const auto& [method, operation] : operations.as_object()) {
      described.insert(std::string(method) + " " + std::string(path));
    }
  }
  EXPECT_THAT(described, UnorderedElementsAreArray(routed));
}

TEST(OpenApi, SaysWhatIsOpenAsTheRouterDoes) {
  const json::object document = openapi(manifest(), {"s", "v1", true});
  for (auto* make :
       {&health_routes, &document_routes, &generate_routes, &openai_routes, &predict_routes}) {
    for (const Route& route : make()) {
      const json::object& operation =
          document.at("paths").at(route.pattern).at(lower(route.method)).as_object();
      EXPECT_EQ(operation.contains("security"), route.open) << route.pattern;
    }
  }
  EXPECT_TRUE(document.at("components").as_object().contains("securitySchemes"));
  EXPECT_FALSE(openapi(manifest(), {"s", "v1"}).contains("security"));
}

TEST(OpenApi, InFrontOfAnotherServerHasWhatIsRelayed) {
  model::Manifest front;
  for (const auto protocol : {model::Remote::Protocol::kOpenAi, model::Remote::Protocol::kHttp}) {
    front.remote.emplace().protocol = protocol;
    std::set<std::string> routed, described;
    for (const Route& route : routes_of(front))
      routed.insert(lower(route.method) + " " + route.pattern);
    const json::object document = openapi(front, {"s", "v1"});
    for (const auto& [path, operations] : document.at("paths").as_object()) {
      for (const auto& [method, operation] : operations.as_object())
        described.insert(std::string(method) + " " + std::string(path));
    }
    EXPECT_THAT(described, UnorderedElementsAreArray(routed));
    EXPECT_TRUE(routed.contains("post /generate") && !routed.contains("get /v2"));
  }
}

TEST(OpenApi, InputsBecomeSchemas) {
  const json::object schema = request_schema(manifest());
  const json::object& fields = schema.at("properties").as_object();
  EXPECT_FALSE(fields.contains("noise"));
  EXPECT_EQ(json::serialize(fields.at("shape")),
            R"({"type":["string","null"],"enum":["circle","square",null],"default":"square",)"
            R"("description":"What to draw."})");
  EXPECT_EQ(json::serialize(fields.at("count")),
            R"({"type":["integer","null"],"default":3,"minimum":1})");
  EXPECT_EQ(fields.at("raw").at("type"), "array") << "what is required may not be null";
  EXPECT_EQ(fields.at("slant").at("maximum"), 1.0);
  EXPECT_EQ(fields.at("picture").at("contentEncoding"), "base64");
  EXPECT_EQ(fields.at("raw").at("maxItems"), 2);
  EXPECT_EQ(fields.at("raw").at("items").at("minItems"), 3);
  EXPECT_EQ(fields.at("raw").at("items").at("items").at("type"), "number");
  EXPECT_EQ(fields.at("steps").at("default"), 20);
  EXPECT_EQ(fields.at("guidance").at("maximum"), 20.0);
  EXPECT_EQ(schema.at("required"), (json::array{"picture", "raw"}));
}

TEST(OpenApi, TextPackagesHaveTheSamplingKeys) {
  model::Manifest text = manifest();
  text.inputs = {{"prompt", "", model::TextInput{}}};
  text.loop = model::AutoregressiveLoop{};
  const json::object schema = request_schema(text);
  for (const char* key : {"seed", "prompt", "max_tokens", "temperature", "top_p", "top_k", "min_p",
                          "presence_penalty", "frequency_penalty", "repetition_penalty",
                          "logit_bias", "stop", "logprobs"}) {
    EXPECT_TRUE(schema.at("properties").as_object().contains(key)) << key;
  }
  EXPECT_FALSE(schema.contains("required"));
}

TEST(OpenApi, OutputsBecomeTheMediaOfGenerate) {
  const json::object document = openapi(manifest(), {"s", "v1"});
  const json::object& content = document.at("paths")
                                    .at("/generate")
                                    .at("post")
                                    .at("responses")
                                    .at("200")
                                    .at("content")
                                    .as_object();
  for (const char* type : {"image/png", "image/jpeg", "image/webp", "application/x-npy",
                           "application/json", "text/event-stream"}) {
    EXPECT_TRUE(content.contains(type)) << type;
  }
  EXPECT_EQ(content.size(), 6u);
  const json::value& outputs =
      document.at("components").at("schemas").at("Outputs").at("properties").at("outputs");
  EXPECT_TRUE(outputs.at("properties").at("image").at("properties").as_object().contains("base64"));
  EXPECT_TRUE(outputs.at("properties").at("note").at("properties").as_object().contains("text"));
}

TEST(OpenApi, NamesTheOneModelAndVersionInPaths) {
  const json::object document = openapi(manifest(), {"s", "v1"});
  const json::value& parameters = document.at("paths")
                                      .at("/v2/models/{model}/versions/{version}/infer")
                                      .at("post")
                                      .at("parameters");
  EXPECT_EQ(parameters.at(0).at("schema").at("enum"), json::array{"s"});
  EXPECT_EQ(parameters.at(1).at("schema").at("enum"), json::array{"v1"});
}

TEST(OpenApi, EveryReferenceHasATarget) {
  const json::object document = openapi(manifest(), {"s", "v1"});
  const json::object& schemas = document.at("components").at("schemas").as_object();
  const std::string text = json::serialize(document);
  const std::string prefix = R"("$ref":"#/components/schemas/)";
  std::size_t found = 0;
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix, at + 1)) {
    const auto begin = at + prefix.size();
    EXPECT_TRUE(schemas.contains(text.substr(begin, text.find('"', begin) - begin)));
    ++found;
  }
  EXPECT_GT(found, 10u);
}

}  // namespace
}  // namespace serin::worker::api
