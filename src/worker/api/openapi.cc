// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openapi.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "net/http/openapi.h"
#include "worker/api/medium.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

using net::openapi::media;
using net::openapi::reference;

enum class Body { kNone, kRequest, kOpenAi, kVideo, kInfer, kPredict };

// One operation; what it answers besides errors is `answer`, empty for the package's own media.
struct Operation {
  std::string_view method, path, tag, summary;
  Body body;
  std::string_view answer;
  bool open = false;
};

constexpr std::string_view kJson = "application/json";

constexpr std::array kOperations = {
    Operation{"get", "/health/live", "health", "Whether the process is alive", Body::kNone, kJson,
              true},
    Operation{"get", "/health/startup", "health", "Whether the model is loaded", Body::kNone, kJson,
              true},
    Operation{"get", "/health/ready", "health", "Whether requests advance", Body::kNone, kJson,
              true},
    Operation{"get", "/metrics", "health", "Metrics in Prometheus's form", Body::kNone,
              "text/plain", true},
    Operation{"get", "/openapi.json", "health", "This document", Body::kNone, kJson},
    Operation{"post", "/generate", "generate", "Generate; the answer is the medium itself",
              Body::kRequest, ""},
    Operation{"post", "/v1/completions", "openai", "Complete text", Body::kOpenAi, kJson},
    Operation{"post", "/v1/chat/completions", "openai", "Answer a conversation", Body::kOpenAi,
              kJson},
    Operation{"post", "/v1/responses", "openai", "Answer input", Body::kOpenAi, kJson},
    Operation{"post", "/v1/images/generations", "openai", "Make pictures", Body::kOpenAi, kJson},
    Operation{"post", "/v1/audio/speech", "openai", "Make sound", Body::kOpenAi, "audio/*"},
    Operation{"post", "/v1/videos", "openai", "Begin a video", Body::kVideo, kJson},
    Operation{"get", "/v1/videos", "openai", "List videos", Body::kNone, kJson},
    Operation{"get", "/v1/videos/{video_id}", "openai", "A video's state", Body::kNone, kJson},
    Operation{"delete", "/v1/videos/{video_id}", "openai", "Delete a video", Body::kNone, kJson},
    Operation{"get", "/v1/videos/{video_id}/content", "openai", "A video's bytes", Body::kNone,
              "video/mp4"},
    Operation{"get", "/v1/models", "openai", "The model that is served", Body::kNone, kJson},
    Operation{"get", "/v1/models/{model}", "openai", "One model", Body::kNone, kJson},
    Operation{"get", "/v2", "predict", "The server", Body::kNone, kJson},
    Operation{"get", "/v2/health/live", "predict", "Whether the process is alive", Body::kNone,
              kJson, true},
    Operation{"get", "/v2/health/ready", "predict", "Whether requests advance", Body::kNone, kJson,
              true},
    Operation{"get", "/v2/models/{model}", "predict", "The model's tensors", Body::kNone, kJson},
    Operation{"get", "/v2/models/{model}/ready", "predict", "Whether the model is ready",
              Body::kNone, kJson, true},
    Operation{"post", "/v2/models/{model}/infer", "predict", "Tensors in, tensors out",
              Body::kInfer, kJson},
    Operation{"get", "/v2/models/{model}/versions/{version}", "predict", "The model's tensors",
              Body::kNone, kJson},
    Operation{"get", "/v2/models/{model}/versions/{version}/ready", "predict",
              "Whether the model is ready", Body::kNone, kJson, true},
    Operation{"post", "/v2/models/{model}/versions/{version}/infer", "predict",
              "Tensors in, tensors out", Body::kInfer, kJson},
    Operation{"get", "/v1/models/{model}/ready", "predict", "Whether the model is ready",
              Body::kNone, kJson, true},
    Operation{"post", "/v1/models/{model}:predict", "predict", "Instances in, predictions out",
              Body::kPredict, kJson},
};

json::object body_content(Body body) {
  if (body == Body::kRequest) return media(kJson, reference("Request"));
  if (body == Body::kVideo) {
    json::object content = media(kJson, reference("OpenAIRequest"));
    content["multipart/form-data"] = json::object{{"schema", reference("OpenAIRequest")}};
    return content;
  }
  if (body == Body::kPredict) return media(kJson, reference("Instances"));
  json::object content = media(
      kJson, body == Body::kInfer ? json::object{{"type", "object"}} : reference("OpenAIRequest"));
  if (body == Body::kInfer) {
    content["application/octet-stream"] = json::object{{"schema", json::object()}};
  }
  return content;
}

// What POST /generate can answer with: the first output's media, everything as JSON, or events.
json::object generated_content(const model::Manifest& manifest) {
  json::object content;
  if (manifest.outputs.empty()) {  // whatever the upstream makes
    content["*/*"] = json::object{{"schema", json::object()}};
    return content;
  }
  for (const std::string_view type : media_types(manifest.outputs.front())) {
    const bool text = type.starts_with("text/");
    content[type] =
        json::object{{"schema", text ? json::object{{"type", "string"}} : json::object()}};
  }
  content[kJson] = json::object{{"schema", reference("Outputs")}};
  content["text/event-stream"] = json::object{{"schema", {{"type", "string"}}}};
  return content;
}

// {model} and its like, each a required parameter. One model is served, in one version.
json::array path_parameters(std::string_view path, const OpenApiOptions& options) {
  json::array parameters;
  while (true) {
    const auto open = path.find('{');
    if (open == std::string_view::npos) return parameters;
    const auto close = path.find('}', open);
    const std::string_view name = path.substr(open + 1, close - open - 1);
    json::object schema{{"type", "string"}};
    if (name == "model") schema["enum"] = json::array{json::value(options.service)};
    if (name == "version") schema["enum"] = json::array{json::value(options.version)};
    parameters.push_back(json::object{
        {"name", name}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}});
    path.remove_prefix(close + 1);
  }
}

void add_query_parameters(const Operation& operation, json::array& parameters) {
  if (operation.method != "get" || operation.path != "/v1/videos") return;
  auto add = [&](std::string_view name, json::object schema) {
    parameters.push_back(
        json::object{{"name", name}, {"in", "query"}, {"schema", std::move(schema)}});
  };
  add("after", {{"type", "string"}});
  add("limit", {{"type", "integer"}, {"minimum", 1}, {"maximum", 100}, {"default", 20}});
  add("order", {{"type", "string"}, {"enum", json::array{"asc", "desc"}}, {"default", "desc"}});
}

// "post_v1_videos_video_id": unique, since method and path are.
std::string operation_id(const Operation& operation) {
  std::string id(operation.method);
  for (const char c : operation.path) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (plain) id += c;
    if (!plain && id.back() != '_') id += '_';
  }
  if (id.back() == '_') id.pop_back();
  return id;
}

json::object operation_json(const Operation& operation, const model::Manifest& manifest,
                            const OpenApiOptions& options) {
  json::object made{{"operationId", operation_id(operation)},
                    {"tags", json::array{operation.tag}},
                    {"summary", operation.summary}};
  json::array parameters = path_parameters(operation.path, options);
  add_query_parameters(operation, parameters);
  if (!parameters.empty()) made["parameters"] = std::move(parameters);
  if (operation.body != Body::kNone) {
    made["requestBody"] = json::object{{"content", body_content(operation.body)}};
  }
  json::object content =
      operation.answer.empty() ? generated_content(manifest) : media(operation.answer, {});
  if (operation.answer == "video/mp4") {
    for (const std::string_view type : {"video/webm", "image/gif", "application/x-npy"}) {
      content[type] = json::object{{"schema", json::object()}};
    }
  }
  made["responses"] = json::object{
      {"200", {{"description", "The answer"}, {"content", std::move(content)}}},
      {"default",
       {{"description", "What is wrong"}, {"content", media(kJson, reference("Error"))}}}};
  if (operation.open) made["security"] = json::array{};
  return made;
}

json::object outputs_schema(const model::Manifest& manifest) {
  json::object outputs;
  const json::object string{{"type", "string"}};
  for (const model::Output& output : manifest.outputs) {
    const bool text = std::holds_alternative<model::TextOutput>(output.kind);
    outputs[output.name] = json::object{
        {"type", "object"},
        {"properties", text ? json::object{{"text", string}}
                            : json::object{{"media_type", string}, {"base64", string}}}};
  }
  return {{"type", "object"},
          {"properties",
           {{"seed", {{"type", "integer"}}},
            {"outputs", {{"type", "object"}, {"properties", std::move(outputs)}}}}}};
}

json::object error_schema() {
  const json::object string{{"type", "string"}};
  return {{"type", "object"},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"properties",
               {{"message", string},
                {"type", string},
                {"param", {{"type", json::array{"string", "null"}}}},
                {"code", string}}}}}}}};
}

// OpenAI's fields are documented by OpenAI; the package's stand beside them.
json::object openai_schema(const model::Manifest& manifest) {
  json::object schema = request_schema(manifest);
  schema["additionalProperties"] = true;
  schema.erase("required");
  return schema;
}

void openapi_document(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  const Context& context = call->context();
  call->respond_json(openapi(context.package.manifest, {context.service(), context.options.version,
                                                        !context.options.key_hashes.empty()}));
}

}  // namespace

json::object openapi(const model::Manifest& manifest, const OpenApiOptions& options) {
  json::object paths;
  std::set<std::string_view> served;
  const std::vector<Route> routes = routes_of(manifest);
  for (const Route& route : routes) served.insert(route.pattern);
  for (const Operation& operation : kOperations) {
    if (!served.contains(operation.path)) continue;
    json::value& path = paths[operation.path];
    if (path.is_null()) path = json::object();
    path.as_object()[operation.method] = operation_json(operation, manifest, options);
  }
  json::object info{{"title", options.service}, {"version", options.version}};
  if (!manifest.description.empty()) info["description"] = manifest.description;
  json::object components{
      {"schemas",
       {{"Request", request_schema(manifest)},
        {"OpenAIRequest", openai_schema(manifest)},
        {"Instances",
         {{"type", "object"},
          {"required", json::array{"instances"}},
          {"properties", {{"instances", {{"type", "array"}, {"items", reference("Request")}}}}}}},
        {"Outputs", outputs_schema(manifest)},
        {"Error", error_schema()}}}};
  json::object document{
      {"openapi", "3.1.0"}, {"info", std::move(info)}, {"paths", std::move(paths)}};
  if (options.keys) {
    components["securitySchemes"] = json::object{{"key", {{"type", "http"}, {"scheme", "bearer"}}}};
    document["security"] = json::array{json::object{{"key", json::array{}}}};
  }
  document["components"] = std::move(components);
  return document;
}

std::vector<Route> document_routes() { return {{"GET", "/openapi.json", openapi_document}}; }

}  // namespace serin::worker::api
