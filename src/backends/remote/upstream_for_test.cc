// SPDX-License-Identifier: Apache-2.0
#include "backends/remote/upstream_for_test.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/tensor.h"

namespace serin::backends {
namespace {

using Tensors = std::map<std::string, Tensor, std::less<>>;

constexpr std::string_view kHeaderLength = "inference-header-content-length";

// Every tensor is float32; −1 is the batch.
struct Served {
  std::map<std::string_view, Shape> inputs, outputs;
  Tensors (*run)(const Tensors& inputs);
};

// A row of `width` numbers made of each row of four.
template <class Function>
Tensor by_row(const Tensor& x, std::int64_t width, Function function) {
  const std::int64_t rows = x.shape().front();
  Tensor y(DType::kFloat32, {rows, width});
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto to = y.mutable_values<float>().subspan(static_cast<std::size_t>(i * width));
    for (std::size_t j = 0; j < static_cast<std::size_t>(width); ++j)
      to[j] = function(x.values<float>().subspan(static_cast<std::size_t>(i) * 4, 4), j);
  }
  return y;
}

Tensor sum_of(const Tensor& x) {
  return by_row(x, 1,
                [](auto row, std::size_t) { return std::accumulate(row.begin(), row.end(), 0.0F); })
      .reshaped({x.shape().front()});
}

Tensors affine(const Tensors& inputs) {
  const Tensor& x = inputs.at("x");
  return {{"twice", by_row(x, 4, [](auto row, std::size_t j) { return 2 * row[j]; })},
          {"sum", sum_of(x)},
          {"y", by_row(x, 3, [](auto row, std::size_t j) {
             float y = static_cast<float>(j + 1);
             for (std::size_t k = 0; k < 4; ++k) y += static_cast<float>(4 * j + k) / 10 * row[k];
             return y;
           })}};
}

Tensors counter(const Tensors& inputs) {
  Tensor total = Tensor::of(inputs.at("cache").shape(), inputs.at("cache").values<float>());
  const auto x = inputs.at("x").values<float>();
  for (std::size_t i = 0; i < x.size(); ++i) total.mutable_values<float>()[i] += x[i];
  return {{"cache", total}, {"sum", sum_of(total)}};
}

Tensors identity(const Tensors& inputs) { return {{"y", inputs.at("x")}}; }

const std::map<std::string, Served, std::less<>>& models() {
  static const std::map<std::string, Served, std::less<>> models{
      {"affine", {{{"x", {-1, 4}}}, {{"y", {-1, 3}}, {"sum", {-1}}, {"twice", {-1, 4}}}, &affine}},
      {"counter",
       {{{"x", {-1, 4}}, {"cache", {-1, 4}}}, {{"sum", {-1}}, {"cache", {-1, 4}}}, &counter}},
      {"identity", {{{"x", {-1, 4}}}, {{"y", {-1, 4}}}, &identity}}};
  return models;
}

net::Response json_response(const json::value& body, std::uint16_t status = 200) {
  return {status, {{"content-type", "application/json"}}, json::serialize(body)};
}

json::array dimensions(const Shape& shape) { return json::array(shape.begin(), shape.end()); }

json::array described(const std::map<std::string_view, Shape>& tensors) {
  json::array list;
  for (const auto& [name, shape] : tensors)
    list.push_back(
        json::object{{"name", name}, {"datatype", "FP32"}, {"shape", dimensions(shape)}});
  return list;
}

// One request to infer, whose bytes are the backend's own: what it must not do fails here loudly.
class Inference {
 public:
  Inference(const Served& model, std::string_view body, std::size_t header_bytes)
      : model_(model),
        asked_(parse_json(body.substr(0, header_bytes))->as_object()),
        tail_(body.substr(header_bytes)) {}

  net::Response answer() {
    Tensors inputs;
    for (const json::value& input : asked_.at("inputs").as_array())
      inputs[std::string(input.at("name").as_string())] = read(input.as_object());
    for (const auto& [name, shape] : model_.inputs) {
      if (!inputs.contains(name))
        return json_response({{"error", "input " + std::string(name) + " is missing"}}, 400);
    }
    const Tensors all = model_.run(inputs);
    json::array outputs;
    std::string binary;
    for (const auto& [name, tensor] : all) {
      if (asks_for(name)) outputs.push_back(write(name, tensor, binary));
    }
    net::Response response = json_response({{"model_name", "m"}, {"outputs", std::move(outputs)}});
    if (binary_) response.headers.add(kHeaderLength, std::to_string(response.body.size()));
    response.body += binary;
    return response;
  }

 private:
  Tensor read(const json::object& input) {
    Shape shape;
    for (const json::value& size : input.at("shape").as_array()) shape.push_back(size.as_int64());
    Tensor tensor(DType::kFloat32, std::move(shape));
    binary_ = !input.contains("data");
    if (!binary_) {
      auto to = tensor.mutable_values<float>().begin();
      for (const json::value& value : input.at("data").as_array()) *to++ = value.to_number<float>();
    } else if (tensor.byte_size() > 0) {
      std::memcpy(tensor.mutable_bytes().data(), tail_.substr(0, tensor.byte_size()).data(),
                  tensor.byte_size());
      tail_.remove_prefix(tensor.byte_size());
    }
    return tensor;
  }

  bool asks_for(std::string_view name) const {
    for (const json::value& output : asked_.at("outputs").as_array())
      if (output.at("name").as_string() == name) return true;
    return false;
  }

  json::object write(std::string_view name, const Tensor& tensor, std::string& binary) const {
    json::object output{
        {"name", name}, {"datatype", "FP32"}, {"shape", dimensions(tensor.shape())}};
    if (binary_) {
      output["parameters"] = json::object{{"binary_data_size", tensor.byte_size()}};
      binary.append(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.byte_size());
    } else {
      const auto values = tensor.values<float>();
      output["data"] = json::array(values.begin(), values.end());
    }
    return output;
  }

  const Served& model_;
  const json::object asked_;
  std::string_view tail_;
  bool binary_ = false;
};

net::Response about_server(Form form) {
  const json::array binary{"binary_tensor_data"};
  return json_response(
      {{"name", "upstream"}, {"extensions", form == Form::kBinary ? binary : json::array{}}});
}

net::Response about_model(Form form, const Served& model) {
  json::object about{{"name", "m"}, {"inputs", described(model.inputs)}};
  if (form == Form::kBinary) about["outputs"] = described(model.outputs);
  return json_response(about);
}

}  // namespace

net::Handler upstream_handler(Form form) {
  return [form](const std::shared_ptr<net::Exchange>& exchange) {
    constexpr std::string_view kModels = "/v2/models/", kInfer = "/infer";
    std::string_view path = exchange->head().path;
    if (path == "/v2") return exchange->respond(about_server(form));
    path.remove_prefix(std::min(path.size(), kModels.size()));
    const bool infer = path.ends_with(kInfer);
    if (infer) path.remove_suffix(kInfer.size());
    const auto model = models().find(path);
    if (model == models().end())
      return exchange->respond(json_response({{"error", "there is no such model"}}, 404));
    if (!infer) return exchange->respond(about_model(form, model->second));
    exchange->read_body([exchange, model](const Result<std::string>& body) {
      const std::string length(exchange->head().headers.get(kHeaderLength));
      const std::size_t header = length.empty() ? body->size() : std::stoull(length);
      exchange->respond(Inference(model->second, *body, header).answer());
    });
  };
}

}  // namespace serin::backends
