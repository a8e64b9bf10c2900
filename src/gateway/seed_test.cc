// SPDX-License-Identifier: Apache-2.0
#include "gateway/seed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/protozero.h"
#include "net/grpc/frame.h"

namespace serin::gateway {
namespace {

net::RequestHead post(std::string path, net::Headers headers = {}) {
  net::RequestHead head;
  head.method = "POST";
  head.target = path;
  head.path = std::move(path);
  head.headers = std::move(headers);
  head.http2 = true;
  return head;
}

TEST(SeedPlace, IsWhereTheApiHasIt) {
  const auto place = [](std::string path, net::Headers headers = {}) {
    return seed_place(post(path, std::move(headers)), path);
  };
  const net::Headers grpc{{"content-type", "application/grpc"}};
  EXPECT_EQ(place("/v1/chat/completions"), SeedPlace::kTop);
  EXPECT_EQ(place("/generate?x=1"), SeedPlace::kTop);
  EXPECT_EQ(place("/v2/models/a/infer"), SeedPlace::kParameters);
  EXPECT_EQ(place("/v2/models/a/versions/v1/infer?x=1"), SeedPlace::kParameters);
  EXPECT_EQ(place("/inference.GRPCInferenceService/ModelInfer", grpc), SeedPlace::kGrpc);
  EXPECT_EQ(place("/inference.GRPCInferenceService/ModelReady", grpc), SeedPlace::kNone);
  EXPECT_EQ(place("/v2/models/a/ready"), SeedPlace::kNone);
  EXPECT_EQ(place("/v1/models/a:predict"), SeedPlace::kNone);
  EXPECT_EQ(place("/v1/videos", {{"content-type", "multipart/form-data"}}), SeedPlace::kNone);
  net::RequestHead get = post("/generate");
  get.method = "GET";
  EXPECT_EQ(seed_place(get, "/generate"), SeedPlace::kNone);
}

std::optional<std::string> in_parameters(std::string_view body) {
  return seeded(body, *scan_body(body), SeedPlace::kParameters, 42);
}

TEST(Seeded, GoesIntoTheParametersOfABody) {
  EXPECT_EQ(in_parameters("{}"), R"({"parameters":{"seed":42}})");
  EXPECT_EQ(in_parameters(R"({"id":"1"})"), R"({"parameters":{"seed":42},"id":"1"})");
  EXPECT_EQ(in_parameters(R"({"parameters": null, "id":"1"})"),
            R"({"parameters": {"seed":42}, "id":"1"})");
  EXPECT_EQ(in_parameters(R"({"parameters":{},"id":"1"})"),
            R"({"parameters":{"seed":42},"id":"1"})");
  EXPECT_EQ(in_parameters(R"({"id":"1","parameters":{"max_tokens":2}} rest)"),
            R"({"id":"1","parameters":{"seed":42,"max_tokens":2}} rest)");
  EXPECT_EQ(in_parameters(R"({"parameters":{"seed":null}})"), R"({"parameters":{"seed":42}})");
}

TEST(Seeded, LeavesABodyThatHasOneOrIsMalformed) {
  EXPECT_FALSE(in_parameters(R"({"parameters":{"seed":0}})"));
  EXPECT_FALSE(in_parameters(R"({"parameters":"none"})"));
  EXPECT_FALSE(in_parameters(R"({"parameters":[1]})"));
  const std::string_view body = R"({"seed":1})";
  EXPECT_FALSE(seeded(body, *scan_body(body), SeedPlace::kTop, 42));
  EXPECT_FALSE(seeded("{}", *scan_body("{}"), SeedPlace::kNone, 42));
}

std::string field(int number, std::string_view bytes) {
  std::string made(1, static_cast<char>(number << 3 | 2));
  return made.append(1, static_cast<char>(bytes.size())).append(bytes);
}

// The int64 parameters of a ModelInferRequest.
std::vector<std::pair<std::string, std::int64_t>> parameters_of(std::string_view body) {
  net::grpc::Deframer frames(1 << 20);
  frames.feed(body);
  const std::string message = **frames.next();
  std::vector<std::pair<std::string, std::int64_t>> found;
  protozero::pbf_reader fields(message);
  while (fields.next(4)) {
    protozero::pbf_reader entry = fields.get_message();
    auto& one = found.emplace_back();
    while (entry.next()) {
      if (entry.tag() == 1) {
        one.first = entry.get_string();
        continue;
      }
      protozero::pbf_reader value = entry.get_message();
      if (value.next(2)) one.second = value.get_int64();
    }
  }
  return found;
}

TEST(SeededGrpc, IsOneMoreParameterOfTheMessage) {
  const std::string steps = field(4, field(1, "steps") + field(2, "\x10\x07"));
  const auto made = seeded_grpc(net::grpc::frame(field(1, "a") + steps + field(3, "id")), 1 << 20);
  ASSERT_TRUE(made);
  EXPECT_THAT(parameters_of(*made),
              testing::ElementsAre(std::pair("steps", 7), std::pair("seed", 1 << 20)));
}

TEST(SeededGrpc, LeavesAMessageThatHasOneOrIsNotUnderstood) {
  const std::string seed = field(4, field(1, "seed") + field(2, "\x10\x07"));
  EXPECT_FALSE(seeded_grpc(net::grpc::frame(field(1, "a") + seed), 42));
  std::string compressed = net::grpc::frame(field(1, "a"));
  compressed[0] = 1;
  EXPECT_FALSE(seeded_grpc(compressed, 42));
  EXPECT_FALSE(seeded_grpc("", 42));
  const std::string whole = net::grpc::frame(field(1, "a") + field(3, "id"));
  EXPECT_FALSE(seeded_grpc(whole.substr(0, whole.size() - 4), 42)) << "a part is missing";
  EXPECT_FALSE(seeded_grpc(whole + whole, 42)) << "it is two messages";
  EXPECT_FALSE(seeded_grpc(net::grpc::frame("\x22\x7f"), 42)) << "it is cut off";
  EXPECT_FALSE(seeded_grpc(net::grpc::frame("\x22\x02\x0a\x7f"), 42));
}

TEST(JsonLength, GrowsWithTheJson) {
  const auto grown = [](std::string value) {
    return json_length({{"inference-header-content-length", std::move(value)}}, 12);
  };
  EXPECT_EQ(grown("30"), "42");
  EXPECT_EQ(grown("30x"), "");
  EXPECT_EQ(json_length({}, 12), "");
}

}  // namespace
}  // namespace serin::gateway
