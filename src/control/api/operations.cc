// SPDX-License-Identifier: Apache-2.0
#include "control/api/operations.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/check.h"
#include "control/api/control_schemas_json.h"
#include "control/schema/generative_service_json.h"
#include "net/http/openapi.h"

namespace serin::control::api {
namespace {

using net::openapi::media;
using net::openapi::reference;
using Kind = Parameter::Kind;

constexpr std::array kOfApply = {
    Parameter{"file", "What messages call the manifest"},
    Parameter{"folder", "What ./model is meant from; on the control plane's machine alone"},
    Parameter{"dryRun", "Say what would be, and change nothing", Kind::kFlag}};
constexpr std::array kOfLogs = {
    Parameter{"replica", "Of one worker; of all when it is not given"},
    Parameter{"lines", "So many of the last ones", Kind::kNumber, 100, 10'000}};
constexpr std::array kOfRollouts = {
    Parameter{"most", "So many, the newest first", Kind::kNumber, 20, 100}};
constexpr std::array kOfEvents = {
    Parameter{"service", "Of one service; of all when it is not given"},
    Parameter{"after", "Those after this one; 0: the last ones", Kind::kNumber, 0, INT64_MAX},
    Parameter{"most", "So many", Kind::kNumber, 100, 1000}};

constexpr std::array kOperations = {
    Operation{"apply", "POST", "/v1/apply", "Have a service run as a manifest says", kOfApply, true,
              "Applied"},
    Operation{"listServices", "GET", "/v1/services", "All services", {}, false, "Services"},
    Operation{"getService", "GET", "/v1/services/{name}", "One service", {}, false, "Service"},
    Operation{"deleteService",
              "DELETE",
              "/v1/services/{name}",
              "Drain a service and forget it; it is gone when it is 404",
              {},
              false,
              "Deleting"},
    Operation{"getLogs", "GET", "/v1/services/{name}/logs", "The last lines of its workers",
              kOfLogs},
    Operation{"getRollout",
              "GET",
              "/v1/services/{name}/rollout",
              "The last rollout, with what each metric says",
              {},
              false,
              "Rollout"},
    Operation{"listRollouts", "GET", "/v1/services/{name}/rollouts", "Its rollouts", kOfRollouts,
              false, "Rollouts"},
    Operation{"startRollout",
              "POST",
              "/v1/services/{name}/rollout:start",
              "Try the manifest's package again that was rolled back",
              {},
              false,
              "Rollout"},
    Operation{"pauseRollout",
              "POST",
              "/v1/services/{name}/rollout:pause",
              "Keep the weight where it is; harm still rolls back",
              {},
              false,
              "Rollout"},
    Operation{"resumeRollout",
              "POST",
              "/v1/services/{name}/rollout:resume",
              "Go on; the step begins anew",
              {},
              false,
              "Rollout"},
    Operation{"promoteRollout",
              "POST",
              "/v1/services/{name}/rollout:promote",
              "Give the candidate all traffic, whatever the evidence",
              {},
              false,
              "Rollout"},
    Operation{"abortRollout",
              "POST",
              "/v1/services/{name}/rollout:abort",
              "Go back to the stable version",
              {},
              false,
              "Rollout"},
    Operation{"undoRollout",
              "POST",
              "/v1/services/{name}/rollout:undo",
              "Go back to the version before",
              {},
              false,
              "Rollout"},
    Operation{"listEvents", "GET", "/v1/events",
              "What happened; followed by asking after the last one", kOfEvents, false, "Events"},
    Operation{"getMetrics", "GET", "/metrics", "What it measures, as Prometheus reads it"},
    Operation{"getStatus", "GET", "/v1/status", "The control plane itself", {}, false, "Status"},
    Operation{"stop",
              "POST",
              "/v1/stop",
              "End the control plane, the gateway and the workers",
              {},
              false,
              "Stopping"},
    Operation{"describeApi", "GET", "/openapi.json", "This description", {}, false, "OpenApi"},
};

json::object schema_of(const Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::kText:
      return {{"type", "string"}};
    case Kind::kFlag:
      return {{"type", "boolean"}, {"default", false}};
    case Kind::kNumber:
      break;
  }
  return {{"type", "integer"},
          {"minimum", 0},
          {"maximum", parameter.most},
          {"default", parameter.otherwise}};
}

json::array parameters_of(const Operation& operation) {
  json::array parameters;
  if (operation.path.find("{name}") != std::string_view::npos)
    parameters.push_back(json::object{{"name", "name"},
                                      {"in", "path"},
                                      {"required", true},
                                      {"description", "The service"},
                                      {"schema", {{"type", "string"}}}});
  for (const Parameter& one : operation.query)
    parameters.push_back(json::object{{"name", one.name},
                                      {"in", "query"},
                                      {"description", one.what},
                                      {"schema", schema_of(one)}});
  return parameters;
}

json::object description_of(const Operation& operation) {
  const bool text = operation.answer.empty();
  json::object described{{"operationId", operation.id}, {"summary", operation.summary}};
  if (json::array parameters = parameters_of(operation); !parameters.empty())
    described["parameters"] = std::move(parameters);
  if (operation.takes_manifest) {
    json::object content = media("application/json", reference("GenerativeService"));
    content["application/yaml"] = json::object{{"schema", {{"type", "string"}}}};
    described["requestBody"] = json::object{{"required", true}, {"content", std::move(content)}};
  }
  described["responses"] =
      json::object{{"200",
                    {{"description", "The answer"},
                     {"content", text ? media("text/plain", {{"type", "string"}})
                                      : media("application/json", reference(operation.answer))}}},
                   {"default",
                    {{"description", "What is wrong"},
                     {"content", media("application/json", reference("Error"))}}}};
  return described;
}

json::object schemas() {
  json::object made = std::move(parse_json(kControlSchemasJson)->as_object());
  json::object manifest = std::move(parse_json(kGenerativeServiceJson)->as_object());
  manifest.erase("$schema");
  manifest.erase("$id");
  made["GenerativeService"] = std::move(manifest);
  made["OpenApi"] = json::object{{"type", "object"}};
  return made;
}

}  // namespace

std::span<const Operation> operations() { return kOperations; }

json::object openapi(std::string_view version) {
  json::object paths;
  for (const Operation& operation : kOperations) {
    json::value& path = paths[operation.path];
    if (path.is_null()) path = json::object();
    std::string method(operation.method);
    std::ranges::transform(method, method.begin(),
                           [](char c) { return static_cast<char>(c | ('a' - 'A')); });
    path.as_object()[method] = description_of(operation);
  }
  // On the socket the kernel says who asks.
  json::array security{json::object{{"key", json::array{}}}, json::object{}};
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Serin's control plane"},
            {"version", version},
            {"description",
             "Over the network with a key: GET wants its scope read, everything "
             "else write. On the Unix socket without."}}},
          {"security", std::move(security)},
          {"paths", std::move(paths)},
          {"components",
           {{"securitySchemes", {{"key", {{"type", "http"}, {"scheme", "bearer"}}}}},
            {"schemas", schemas()}}}};
}

}  // namespace serin::control::api
