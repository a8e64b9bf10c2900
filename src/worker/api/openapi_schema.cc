// SPDX-License-Identifier: Apache-2.0
// A package's inputs as JSON Schema.
#include <algorithm>
#include <variant>

#include "base/overload.h"
#include "worker/api/openapi.h"

namespace serin::worker::api {
namespace {

// Whole numbers are written as such: 20, not 2E1.
json::value number(double value, bool integer) {
  return integer ? json::value(static_cast<std::int64_t>(value)) : json::value(value);
}

json::object base64_schema(std::string_view media_type) {
  return {{"type", "string"}, {"contentEncoding", "base64"}, {"contentMediaType", media_type}};
}

json::object schema_of(const model::LabelInput& input) {
  json::object schema{{"type", "string"},
                      {"enum", json::array(input.labels.begin(), input.labels.end())}};
  if (input.default_label) schema["default"] = *input.default_label;
  return schema;
}

json::object schema_of(const model::NumberInput& input) {
  json::object schema{{"type", input.integer ? "integer" : "number"},
                      {"default", number(input.default_value, input.integer)}};
  if (input.min) schema["minimum"] = number(*input.min, input.integer);
  if (input.max) schema["maximum"] = number(*input.max, input.integer);
  return schema;
}

json::object schema_of(const model::TextInput& input) {
  if (input.tokenizer.empty()) return {{"type", "string"}, {"default", input.default_text}};
  const json::object ids{{"type", "array"}, {"items", {{"type", "integer"}, {"minimum", 0}}}};
  return {{"oneOf", json::array{json::object{{"type", "string"}}, ids}},
          {"default", input.default_text}};
}

json::object schema_of(const model::TensorInput& input) {
  const bool whole = input.dtype == DType::kInt64 || input.dtype == DType::kInt32 ||
                     input.dtype == DType::kInt16 || input.dtype == DType::kInt8 ||
                     input.dtype == DType::kUInt8;
  json::object schema{{"type", input.dtype == DType::kBool ? "boolean"
                               : whole                     ? "integer"
                                                           : "number"}};
  for (auto size = input.shape.rbegin(); size != input.shape.rend(); ++size) {
    schema = json::object{
        {"type", "array"}, {"items", std::move(schema)}, {"minItems", *size}, {"maxItems", *size}};
  }
  return schema;
}

bool is_required(const model::Input& input) {
  return std::visit(
      Overload{[](const model::ImageInput& image) { return image.default_file.empty(); },
               [](const model::AudioInput& audio) { return audio.default_file.empty(); },
               [](const model::TensorInput& tensor) { return !tensor.fill.has_value(); },
               [](const auto&) { return false; }},
      input.kind);
}

json::object input_schema(const model::Input& input) {
  json::object schema =
      std::visit(Overload{[](const model::NoiseInput&) { return json::object(); },
                          [](const model::ImageInput&) { return base64_schema("image/png"); },
                          [](const model::AudioInput&) { return base64_schema("audio/wav"); },
                          [](const auto& kind) { return schema_of(kind); }},
                 input.kind);
  if (!input.doc.empty()) schema["description"] = input.doc;
  return schema;
}

json::object range(std::string_view type, double low, double high, double fallback) {
  const bool integer = type == "integer";
  return {{"type", type},
          {"minimum", number(low, integer)},
          {"maximum", number(high, integer)},
          {"default", number(fallback, integer)}};
}

// docs/package-format.md's reserved keys.
void add_loop_keys(const model::Loop& loop, json::object& properties) {
  if (const auto* diffusion = std::get_if<model::DiffusionLoop>(&loop)) {
    properties["steps"] = range("integer", static_cast<double>(diffusion->min_steps),
                                static_cast<double>(diffusion->max_steps),
                                static_cast<double>(diffusion->default_steps));
    if (const auto& guidance = diffusion->guidance) {
      properties["guidance"] =
          range("number", guidance->min, guidance->max, guidance->default_value);
    }
  }
  if (!std::holds_alternative<model::AutoregressiveLoop>(loop)) return;
  const json::object string{{"type", "string"}};
  properties["max_tokens"] = {{"type", "integer"}, {"minimum", 1}, {"default", 16}};
  properties["temperature"] = range("number", 0, 2, 1);
  properties["top_p"] = {
      {"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 1}, {"default", 1}};
  properties["top_k"] = {{"type", "integer"}, {"minimum", 0}, {"default", 0}};
  properties["min_p"] = range("number", 0, 1, 0);
  properties["presence_penalty"] = range("number", -2, 2, 0);
  properties["frequency_penalty"] = range("number", -2, 2, 0);
  properties["repetition_penalty"] = {
      {"type", "number"}, {"exclusiveMinimum", 0}, {"maximum", 10}, {"default", 1}};
  properties["logprobs"] = {{"type", "integer"}, {"minimum", 0}, {"maximum", 20}};
  properties["stop"] = {
      {"oneOf", json::array{string, json::object{{"type", "array"}, {"items", string}}}}};
  properties["logit_bias"] = {
      {"type", "object"},
      {"additionalProperties", {{"type", "number"}, {"minimum", -100}, {"maximum", 100}}}};
}

// null is as good as leaving a key out.
void allow_null(json::object& schema) {
  if (json::value* choices = schema.if_contains("oneOf")) {
    choices->as_array().push_back(json::object{{"type", "null"}});
  } else if (json::value* type = schema.if_contains("type")) {
    *type = json::array{*type, "null"};
  }
  if (json::value* labels = schema.if_contains("enum")) labels->as_array().push_back(nullptr);
}

}  // namespace

json::object request_schema(const model::Manifest& manifest) {
  json::object properties;
  json::array required;
  for (const model::Input& input : manifest.inputs) {
    if (std::holds_alternative<model::NoiseInput>(input.kind)) continue;  // drawn from the seed
    properties[input.name] = input_schema(input);
    if (is_required(input)) required.push_back(json::value(input.name));
  }
  properties["seed"] = {
      {"type", "integer"}, {"minimum", 0}, {"description", "The same seed gives the same answer."}};
  add_loop_keys(manifest.loop, properties);
  for (auto& [name, schema] : properties) {
    if (std::ranges::find(required, json::value(name)) == required.end())
      allow_null(schema.as_object());
  }
  const bool closed =
      !manifest.remote || manifest.remote->protocol != model::Remote::Protocol::kOpenAi;
  json::object schema{
      {"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", !closed}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

}  // namespace serin::worker::api
