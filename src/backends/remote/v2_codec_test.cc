// SPDX-License-Identifier: Apache-2.0
#include "backends/remote/v2_codec.h"

#include <gmock/gmock.h>

#include "base/json.h"

namespace serin::backends::v2 {
namespace {

using model::kBatchDimension;
using testing::HasSubstr;

model::Call call() {
  model::Call made;
  made.arguments = {{"x", "", DType::kFloat32, {kBatchDimension, 2}}};
  made.results = {{"y", DType::kFloat32, {kBatchDimension, 2}},
                  {"ids", DType::kInt64, {kBatchDimension}}};
  return made;
}

Tensor x() { return Tensor::of<float>({2, 2}, std::vector<float>{0.1F, -2, 3, 4}); }

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.values<T>();
  return {span.begin(), span.end()};
}

// What is wrong with an answer; empty when nothing is.
std::string wrong(std::string_view body, std::optional<std::size_t> header = {}) {
  const auto results = read_answer(call(), body, header);
  if (results) return "";
  EXPECT_EQ(results.error().reason, "bad_upstream");
  return results.error().message;
}

TEST(V2Codec, WritesTensorsAsJson) {
  const Body body = write_request(call(), std::vector{x()}, false);
  EXPECT_FALSE(body.header_bytes.has_value());
  const json::value parsed = json::parse(body.bytes);
  const json::value& input = parsed.at("inputs").at(0);
  EXPECT_EQ(input.at("name"), "x");
  EXPECT_EQ(input.at("datatype"), "FP32");
  EXPECT_EQ(input.at("shape"), (json::array{2, 2}));
  EXPECT_EQ(static_cast<float>(input.at("data").at(0).as_double()), 0.1F);
  EXPECT_EQ(parsed.at("outputs").at(1).at("name"), "ids");
}

TEST(V2Codec, WritesWholeNumbersAsSuch) {
  model::Call one;
  one.arguments = {{"x", "", DType::kInt8, {kBatchDimension}}};
  Tensor tensor(DType::kInt8, {2});
  tensor.mutable_bytes()[0] = std::byte{0xff};
  const Body body = write_request(one, std::vector{tensor}, false);
  EXPECT_THAT(body.bytes, HasSubstr("[-1,0]"));
}

TEST(V2Codec, WritesTensorsInBinaryBehindTheJson) {
  const Body body = write_request(call(), std::vector{x()}, true);
  ASSERT_TRUE(body.header_bytes.has_value());
  EXPECT_EQ(body.bytes.size(), *body.header_bytes + 16);
  const json::value parsed = json::parse(body.bytes.substr(0, *body.header_bytes));
  EXPECT_EQ(parsed.at("inputs").at(0).at("parameters").at("binary_data_size"), 16);
  EXPECT_EQ(parsed.at("outputs").at(0).at("parameters").at("binary_data"), true);
}

TEST(V2Codec, ReadsFlatAndNestedListsInAnyOrder) {
  const auto results =
      read_answer(call(), R"({"outputs": [{"name": "ids", "datatype": "INT64", "shape": [2],
                               "data": [9007199254740993, -1]},
                              {"name": "more", "datatype": "BYTES", "shape": [1], "data": ["x"]},
                              {"name": "y", "datatype": "FP32", "shape": [2, 2],
                               "data": [[1, 2.5], [3, 4]]}]})",
                  {});
  ASSERT_TRUE(results.has_value()) << results.error().message;
  EXPECT_EQ(values<float>((*results)[0]), (std::vector<float>{1, 2.5, 3, 4}));
  EXPECT_EQ(values<std::int64_t>((*results)[1]), (std::vector<std::int64_t>{9007199254740993, -1}));
}

TEST(V2Codec, ReadsBinaryTensorsInTheirOrder) {
  std::string body =
      R"({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},)"
      R"({"name": "ids", "datatype": "INT64", "shape": [1], "parameters": {"binary_data_size": 8}}]})";
  const std::size_t header = body.size();
  const float y[] = {1.5F, -2};
  const std::int64_t id = 7;
  body.append(reinterpret_cast<const char*>(y), sizeof y);
  body.append(reinterpret_cast<const char*>(&id), sizeof id);
  const auto results = read_answer(call(), body, header);
  ASSERT_TRUE(results.has_value()) << results.error().message;
  EXPECT_EQ(values<float>((*results)[0]), (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(values<std::int64_t>((*results)[1]), (std::vector<std::int64_t>{7}));
}

TEST(V2Codec, RefusesAnswersThatAreNotTheProtocols) {
  EXPECT_THAT(wrong("<html>"), HasSubstr("answer cannot be read: not JSON: syntax error"));
  EXPECT_THAT(wrong("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(wrong("{}"), HasSubstr("no list of outputs"));
  EXPECT_THAT(wrong(R"({"outputs": []})"), HasSubstr("no output y"));
  EXPECT_THAT(wrong(R"({"outputs": [3]})"), HasSubstr("no object"));
  EXPECT_THAT(wrong("{}", 3), HasSubstr("shorter than it says"));
  const auto y = [](const std::string& rest) {
    return wrong(R"({"outputs": [{"name": "y", )" + rest + "}]}");
  };
  EXPECT_THAT(y(R"("datatype": "FP33", "shape": [1, 2], "data": [1, 2])"), HasSubstr("datatype"));
  EXPECT_THAT(y(R"("datatype": "FP32", "data": [1, 2])"), HasSubstr("no shape"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [1, 2], "data": [1])"), HasSubstr("numbers"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [1, 2], "data": [1, "2"])"), HasSubstr("numbers"));
  EXPECT_THAT(y(R"("datatype": "INT64", "shape": [1], "data": [1.5])"), HasSubstr("numbers"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [-1, 2], "data": [])"), HasSubstr("shape"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [999999, 999999], "data": [])"),
              HasSubstr("bytes do not fill"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8})"),
              HasSubstr("fewer binary bytes"));
  EXPECT_THAT(y(R"("datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": -8})"),
              HasSubstr("fewer binary bytes"));
  EXPECT_THAT(wrong(R"({"outputs": [{"name": "y", "datatype": "FP32", "shape": [3, 2],)"
                    R"("parameters": {"binary_data_size": 0}}]})"),
              HasSubstr("as many bytes"));
}

TEST(V2Codec, HoldsTheCallAgainstWhatTheServerSays) {
  const auto checked = [](const std::string& metadata) -> std::string {
    const auto signature = read_metadata(metadata);
    EXPECT_TRUE(signature.has_value());
    const Status fine = check_call(call(), *signature);
    return fine ? "" : fine.error().message;
  };
  const std::string good =
      R"({"name": "m", "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
          "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]},
                      {"name": "ids", "datatype": "INT64", "shape": [-1]}]})";
  EXPECT_EQ(checked(good), "");
  EXPECT_EQ(checked(R"({"name": "m", "inputs": [], "outputs": []})"), "");
  std::string other = good;
  other.replace(other.find("FP32"), 4, "FP64");
  EXPECT_EQ(checked(other),
            "call declares input x as float32 [N, 2]; the upstream's model has float64 [-1, 2]");
  other = good;
  other.replace(other.find("\"x\""), 3, "\"z\"");
  EXPECT_EQ(checked(other), "the upstream's model has no input x; it has z");
  other = good;
  other.replace(other.find("[{"), 1, R"([{"name": "more", "datatype": "FP32", "shape": [1]},)");
  EXPECT_THAT(checked(other), HasSubstr("wants an input more"));
}

TEST(V2Codec, KnowsABinaryServerByItsExtensions) {
  EXPECT_TRUE(has_binary_extension(R"({"extensions": ["x", "binary_tensor_data"]})"));
  EXPECT_FALSE(has_binary_extension(R"({"extensions": []})"));
  EXPECT_FALSE(has_binary_extension("no JSON"));
  EXPECT_EQ(error_message(R"({"error": "no such model"})"), "no such model");
  EXPECT_EQ(error_message("gone"), "");
}

}  // namespace
}  // namespace serin::backends::v2
