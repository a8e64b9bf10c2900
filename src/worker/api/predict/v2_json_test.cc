// SPDX-License-Identifier: Apache-2.0
#include "worker/api/predict/v2_json.h"

#include <gtest/gtest.h>

namespace serin::worker::api {
namespace {

std::string param_of(std::string_view body, std::optional<std::size_t> header = {}) {
  const auto message = parse_v2(body, header);
  return message ? "no error" : message.error().param;
}

std::string input(std::string_view fields) {
  return R"({"inputs":[{"name":"x",)" + std::string(fields) + "}]}";
}

TEST(V2Json, ReadsNestedAndFlatData) {
  for (const char* data : {"[1,2,3,4]", "[[1,2],[3,4]]"}) {
    const auto message =
        parse_v2(input(R"("shape":[2,2],"datatype":"INT16","data":)" + std::string(data)), {});
    ASSERT_TRUE(message);
    const InferTensor& x = message->request.inputs.front();
    EXPECT_EQ(x.shape, (Shape{2, 2}));
    EXPECT_EQ(x.bytes, std::string("\1\0\2\0\3\0\4\0", 8));
  }
}

TEST(V2Json, ReadsStringsAndParametersAndOutputs) {
  const auto message = parse_v2(
      R"({"id":"7","parameters":{"seed":3,"binary_data_output":true},
          "inputs":[{"name":"x","shape":[2],"datatype":"BYTES","data":["a","bc"]}],
          "outputs":[{"name":"y","parameters":{"binary_data":true}},{"name":"z"}]})",
      {});
  ASSERT_TRUE(message);
  EXPECT_EQ(message->request.id, "7");
  EXPECT_EQ(json::value(message->request.parameters), json::parse(R"({"seed":3})"));
  EXPECT_EQ(message->request.inputs.front().strings, (std::vector<std::string>{"a", "bc"}));
  EXPECT_EQ(message->request.outputs, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(message->binary_outputs, std::vector<std::string>{"y"});
  EXPECT_TRUE(message->all_binary);
}

TEST(V2Json, TakesBinaryTensorsInTheirOrder) {
  const std::string head =
      R"({"inputs":[{"name":"x","shape":[2],"datatype":"UINT8","parameters":{"binary_data_size":2}},)"
      R"({"name":"s","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]})";
  const std::string body = head + "\7\x8" + std::string("\2\0\0\0hi", 6);
  const auto message = parse_v2(body, head.size());
  ASSERT_TRUE(message);
  EXPECT_EQ(message->request.inputs[0].bytes, "\7\x8");
  EXPECT_EQ(message->request.inputs[1].strings, std::vector<std::string>{"hi"});
  EXPECT_EQ(param_of(body + "x", head.size()), "inputs");  // bytes that nobody claims
  EXPECT_EQ(param_of(body.substr(0, body.size() - 1), head.size()),
            "s.parameters.binary_data_size");
  EXPECT_EQ(param_of(body, body.size() + 1), "Inference-Header-Content-Length");
}

TEST(V2Json, LengthsOfBytesMustHold) {
  const std::string head =
      R"({"inputs":[{"name":"s","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]})";
  EXPECT_EQ(param_of(head + std::string("\xff\xff\xff\xffhi", 6), head.size()), "s");
  EXPECT_EQ(param_of(head + std::string("\1\0\0\0hi", 6), head.size()), "s");
}

TEST(V2Json, WhatIsWrongIsNamed) {
  EXPECT_EQ(param_of(R"({"inputs":{}})"), "inputs");
  EXPECT_EQ(param_of(R"({"inputs":[1]})"), "inputs");
  EXPECT_EQ(param_of(R"({"more":1})"), "more");
  EXPECT_EQ(param_of(R"({"outputs":[{}]})"), "outputs");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"FP8","data":[1])")), "x.datatype");
  EXPECT_EQ(param_of(input(R"("shape":[-1],"datatype":"FP32","data":[1])")), "x.shape");
  EXPECT_EQ(param_of(input(R"("shape":[1.5],"datatype":"FP32","data":[1])")), "x.shape");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"FP32")")), "x.data");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"FP32","data":["a"])")), "x");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"UINT8","data":[256])")), "x");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"FP16","data":[1])")), "x");
  EXPECT_EQ(param_of(input(R"("shape":[1],"datatype":"BYTES","data":[1])")), "x");
  EXPECT_EQ(param_of(input(
                R"("shape":[1],"datatype":"FP32","data":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]])")),
            "x");
}

TEST(V2Json, WritesWhatItReads) {
  InferResponse response{"9", {{"y", "FP32", {1, 2}}, {"t", "BYTES", {1}, {}, {"hi"}}}};
  const float values[] = {1.5F, -2};
  response.outputs[0].bytes.assign(reinterpret_cast<const char*>(values), sizeof(values));
  V2Message message;
  const V2Body text = write_v2(message, response, "m", "v1");
  EXPECT_FALSE(text.header_bytes);
  EXPECT_EQ(json::parse(text.bytes), json::parse(R"({"model_name":"m","model_version":"v1","id":"9",
      "outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"data":[1.5,-2.0]},
                 {"name":"t","datatype":"BYTES","shape":[1],"data":["hi"]}]})"));
  message.binary_outputs = {"y"};
  const V2Body mixed = write_v2(message, response, "m", "v1");
  ASSERT_TRUE(mixed.header_bytes);
  EXPECT_EQ(mixed.bytes.substr(*mixed.header_bytes), response.outputs[0].bytes);
  message.all_binary = true;
  const V2Body all = write_v2(message, response, "m", "v1");
  EXPECT_EQ(all.bytes.substr(*all.header_bytes + 8), std::string("\2\0\0\0hi", 6));
}

TEST(V2Json, IntegersKeepEveryBit) {
  InferTensor tensor{"y", "INT64", {1}};
  const std::int64_t large = (std::int64_t{1} << 62) + 1;
  tensor.bytes.assign(reinterpret_cast<const char*>(&large), sizeof(large));
  EXPECT_EQ(write_elements(tensor), json::array{large});
  InferTensor back{"y", "INT64", {1}};
  ASSERT_TRUE(read_elements(json::array{large}, back));
  EXPECT_EQ(back.bytes, tensor.bytes);
}

}  // namespace
}  // namespace serin::worker::api
