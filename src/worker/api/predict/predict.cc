// SPDX-License-Identifier: Apache-2.0
// KServe's protocols over REST: the Open Inference Protocol v2 and the V1 `:predict`.
#include <charconv>

#include "worker/api/fields.h"
#include "worker/api/predict/v2_json.h"
#include "worker/api/routes.h"

namespace serin::worker::api {
namespace {

constexpr std::string_view kHeaderLength = "inference-header-content-length";

Status check_path(const Call& call, const net::PathParameters& parameters) {
  const auto version = parameters.find("version");
  return check_names(call.context(), parameters.at("model"),
                     version == parameters.end() ? std::string_view() : version->second);
}

void server_metadata(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  call->respond_json({{"name", "serin"},
                      {"version", call->context().options.version},
                      {"extensions", json::array{"binary_tensor_data"}}});
}

json::array fields_json(const std::vector<InferField>& fields) {
  json::array list;
  for (const InferField& field : fields) {
    list.push_back(json::object{{"name", field.name},
                                {"datatype", field.datatype},
                                {"shape", json::array(field.shape.begin(), field.shape.end())}});
  }
  return list;
}

void model_metadata(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  const Context& context = call->context();
  if (const auto known = check_path(*call, parameters); !known) return call->fail(known.error());
  call->respond_json(
      {{"name", context.service()},
       {"versions", json::array{context.options.version}},
       {"platform", "serin_" + std::string(name_of(context.package.manifest.engine))},
       {"inputs", fields_json(infer_inputs(context.package.manifest))},
       {"outputs", fields_json(infer_outputs(context.package.manifest))}});
}

void server_live(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  call->respond_json({{"live", true}});
}

void server_ready(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  const bool ready = call->context().readiness().ready;
  call->respond_json({{"ready", ready}}, ready ? 200 : 503);
}

void model_ready(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  if (const auto known = check_path(*call, parameters); !known) return call->fail(known.error());
  const bool ready = call->context().readiness().ready;
  call->respond_json({{"name", call->context().service()}, {"ready", ready}}, ready ? 200 : 503);
}

Result<std::optional<std::size_t>> header_bytes(const net::RequestHead& head) {
  const auto field = head.headers.find(kHeaderLength);
  if (!field) return std::nullopt;
  std::size_t length = 0;
  const auto [rest, failed] = std::from_chars(field->data(), field->data() + field->size(), length);
  if (failed != std::errc{} || rest != field->data() + field->size())
    return wrong_field(kHeaderLength, "a number of bytes");
  return length;
}

Result<net::Response> written(const Call& call, const V2Message& message,
                              const std::vector<Answer>& answers) {
  const Context& context = call.context();
  SERIN_TRY_ASSIGN(const auto response, infer_response(call, message.request, answers));
  V2Body body = write_v2(message, response, context.service(), context.options.version);
  const std::string_view type = body.header_bytes ? "application/octet-stream" : "application/json";
  net::Response made{200, {{"content-type", type}}, std::move(body.bytes)};
  if (body.header_bytes) made.headers.add(kHeaderLength, std::to_string(*body.header_bytes));
  return made;
}

void infer(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  if (const auto known = check_path(*call, parameters); !known) return call->fail(known.error());
  const auto json_bytes = header_bytes(call->head());
  if (!json_bytes) return call->fail(json_bytes.error());
  auto message = std::make_shared<V2Message>();
  auto understand = [call, message, json_bytes = *json_bytes](
                        const std::string& body) -> Result<std::vector<engine::Request>> {
    SERIN_TRY_ASSIGN(*message, parse_v2(body, json_bytes, call->context().options.json));
    return infer_requests(*call, message->request);
  };
  call->read_body(understand, [call, message](std::vector<engine::Request> requests) {
    generate(call, std::move(requests), [call, message](std::vector<Answer> answers) {
      const bool quick = quick_to_write(answers);
      auto write = [call, message, answers = std::move(answers)] {
        return written(*call, *message, answers);
      };
      call->answer(quick, std::move(write),
                   [call](net::Response response) { call->respond(std::move(response)); });
    });
  });
}

// V1: every instance is a package's request, every prediction its outputs by name.
Result<json::array> predictions_json(const Call& call, const std::vector<Answer>& answers) {
  json::array predictions;
  for (const Answer& answer : answers) {
    const std::vector<Answer> one{answer};
    SERIN_TRY_ASSIGN(const auto response, infer_response(call, {}, one));
    json::object outputs;
    for (const InferTensor& tensor : response.outputs) {
      json::array elements = write_elements(tensor);
      outputs[tensor.name] =
          tensor.datatype == "BYTES"
              ? elements.front()
              : json::value(json::object{
                    {"shape", json::array(tensor.shape.begin() + 1, tensor.shape.end())},
                    {"data", std::move(elements)}});
    }
    predictions.push_back(std::move(outputs));
  }
  return predictions;
}

Result<std::vector<engine::Request>> read_instances(Call& call, const json::object& body) {
  Fields fields(body);
  const json::value* instances = fields.any("instances");
  fields.ignore({"signature_name"});
  SERIN_TRY(fields.no_others());
  const std::size_t most = call.context().options.choices;
  if (instances == nullptr || !instances->is_array() || instances->get_array().empty() ||
      instances->get_array().size() > most) {
    return wrong_field("instances", "a list of 1 to " + std::to_string(most) + " objects");
  }
  std::vector<engine::Request> requests;
  for (std::size_t i = 0; i < instances->get_array().size(); ++i) {
    const json::object* instance = instances->get_array()[i].if_object();
    if (instance == nullptr)
      return wrong_field("instances[" + std::to_string(i) + "]", "an object of inputs");
    SERIN_TRY_ASSIGN(auto request, call.parse(*instance));
    requests.push_back(std::move(request));
  }
  return requests;
}

void predict(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  if (const auto known = check_path(*call, parameters); !known) return call->fail(known.error());
  auto understand = [call](const json::object& body) { return read_instances(*call, body); };
  call->read_object(understand, [call](std::vector<engine::Request> requests) {
    generate(call, std::move(requests), [call](std::vector<Answer> answers) {
      const bool quick = quick_to_write(answers);
      auto write = [call, answers = std::move(answers)] {
        return predictions_json(*call, answers);
      };
      call->answer(quick, std::move(write), [call](json::array predictions) {
        call->respond_json({{"predictions", std::move(predictions)}});
      });
    });
  });
}

}  // namespace

std::vector<Route> predict_routes() {
  return {{"GET", "/v2", server_metadata},
          {"GET", "/v2/health/live", server_live, true},
          {"GET", "/v2/health/ready", server_ready, true},
          {"GET", "/v2/models/{model}", model_metadata},
          {"GET", "/v2/models/{model}/ready", model_ready, true},
          {"POST", "/v2/models/{model}/infer", infer},
          {"GET", "/v2/models/{model}/versions/{version}", model_metadata},
          {"GET", "/v2/models/{model}/versions/{version}/ready", model_ready, true},
          {"POST", "/v2/models/{model}/versions/{version}/infer", infer},
          {"GET", "/v1/models/{model}/ready", model_ready, true},
          {"POST", "/v1/models/{model}:predict", predict}};
}

}  // namespace serin::worker::api
