// SPDX-License-Identifier: Apache-2.0
#include "worker/api/predict/grpc_messages.h"

#include <gmock/gmock.h>

namespace serin::worker::api {
namespace {

using namespace std::string_literals;

// A field of kind 2 (bytes, a string, a message), shorter than 128 bytes.
std::string bytes_field(int tag, std::string_view value) {
  return std::string{static_cast<char>(tag << 3 | 2), static_cast<char>(value.size())} +
         std::string(value);
}

std::string tensor(std::string_view datatype, std::string_view contents) {
  return bytes_field(5, bytes_field(1, "x") + bytes_field(2, datatype) + bytes_field(3, "\1") +
                            (contents.empty() ? "" : bytes_field(5, contents)));
}

std::string whole() {
  const std::string seed = bytes_field(1, "seed") + bytes_field(2, "\x10\x07");
  return bytes_field(1, "prose") + bytes_field(2, "v1") + bytes_field(3, "r1") +
         bytes_field(4, seed) + tensor("BYTES", bytes_field(8, "hello")) +
         bytes_field(6, bytes_field(1, "text"));
}

TEST(GrpcMessages, ReadsARequest) {
  const auto infer = read_model_infer(whole());
  ASSERT_TRUE(infer) << infer.error().message;
  EXPECT_EQ(infer->model, "prose");
  EXPECT_EQ(infer->version, "v1");
  EXPECT_EQ(infer->request.id, "r1");
  EXPECT_EQ(infer->request.parameters.at("seed"), 7);
  EXPECT_EQ(infer->request.outputs, std::vector<std::string>{"text"});
  ASSERT_EQ(infer->request.inputs.size(), 1u);
  EXPECT_EQ(infer->request.inputs[0].shape, Shape{1});
  EXPECT_EQ(infer->request.inputs[0].strings, std::vector<std::string>{"hello"});
}

TEST(GrpcMessages, ReadsRawContents) {
  const auto numbers = read_model_infer(tensor("UINT8", "") + bytes_field(7, "\x2a"));
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->request.inputs[0].bytes, "\x2a");
  const auto strings = read_model_infer(tensor("BYTES", "") + bytes_field(7, "\2\0\0\0hi"s));
  ASSERT_TRUE(strings);
  EXPECT_EQ(strings->request.inputs[0].strings, std::vector<std::string>{"hi"});
}

TEST(GrpcMessages, RawContentsMustFit) {
  EXPECT_EQ(read_model_infer(tensor("BYTES", "") + bytes_field(7, "\3\0\0\0hi"s)).error().param,
            "x");
  EXPECT_EQ(read_model_infer(tensor("BYTES", "") + bytes_field(7, "\3\0")).error().param, "x");
  EXPECT_EQ(read_model_infer(bytes_field(7, "x")).error().param, "raw_input_contents");
}

TEST(GrpcMessages, EveryTruncationIsAnErrorOrAShorterMessage) {
  const std::string message = whole();
  int refused = 0;
  for (std::size_t length = 0; length < message.size(); ++length) {
    const auto infer = read_model_infer(std::string_view(message).substr(0, length));
    if (infer) continue;
    ++refused;
    EXPECT_EQ(infer.error().code, Code::kInvalidArgument);
  }
  EXPECT_GT(refused, 40);
}

TEST(GrpcMessages, AFieldOfAnotherWireTypeIsAnError) {
  for (const char* message : {"\x08\x01", "\x20\x01", "\x28\x01", "\x38\x01", "\x0d\1\1\1\1"}) {
    const auto infer = read_model_infer(message);
    ASSERT_FALSE(infer);
    EXPECT_THAT(infer.error().message, testing::HasSubstr("protobuf"));
  }
  EXPECT_FALSE(read_model_name("\x08\x01"));
}

TEST(GrpcMessages, EveryByteAloneIsAnswered) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    (void)read_model_infer(one);
    (void)read_model_name(one);
    (void)read_model_infer(one + whole());
  }
}

TEST(GrpcMessages, ReadsAName) {
  const auto model = read_model_name(bytes_field(1, "prose") + bytes_field(2, "v2"));
  ASSERT_TRUE(model);
  EXPECT_EQ(model->name, "prose");
  EXPECT_EQ(model->version, "v2");
  EXPECT_TRUE(read_model_name("")->name.empty());
}

TEST(GrpcMessages, WritesAnAnswer) {
  const InferResponse response{"r1", {{"t", "BYTES", {1}, {}, {"hi"}}}};
  EXPECT_EQ(
      write_model_infer(response, "m", "v"),
      bytes_field(1, "m") + bytes_field(2, "v") + bytes_field(3, "r1") +
          bytes_field(5, bytes_field(1, "t") + bytes_field(2, "BYTES") + bytes_field(3, "\1")) +
          bytes_field(6, "\2\0\0\0hi"s));
  EXPECT_THAT(write_model_infer(response, "m", "v", true),
              testing::HasSubstr("triton_final_response"));
  EXPECT_EQ(write_flag(true), "\x08\x01");
  EXPECT_EQ(write_stream_infer("no", ""), bytes_field(1, "no"));
  EXPECT_EQ(write_stream_infer("", "x"), bytes_field(2, "x"));
}

}  // namespace
}  // namespace serin::worker::api
