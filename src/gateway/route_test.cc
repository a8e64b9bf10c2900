// SPDX-License-Identifier: Apache-2.0
#include "gateway/route.h"

#include <gtest/gtest.h>

#include "net/grpc/frame.h"

namespace serin::gateway {
namespace {

net::RequestHead head_of(std::string target, std::string method = "POST") {
  net::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  head.path = head.target.substr(0, head.target.find('?'));
  return head;
}

std::string named(const HeadRoute& route) {
  if (!route.name) return "-";
  return route.name->service + (route.name->version.empty() ? "" : "@" + route.name->version);
}

TEST(Route, TakesTheServiceFromThePathAndShowsTheWorkerTheRest) {
  const HeadRoute route = route_by_head(head_of("/services/prose/v1/chat/completions?a=b"));
  EXPECT_EQ(named(route), "prose");
  EXPECT_EQ(route.target, "/v1/chat/completions?a=b");
  EXPECT_EQ(route_by_head(head_of("/services/prose")).target, "/");
  EXPECT_EQ(route_by_head(head_of("/services/prose?a=b")).target, "/?a=b");
  EXPECT_EQ(named(route_by_head(head_of("/services/prose:v2/generate"))), "prose@v2");
}

TEST(Route, TakesTheServiceFromTheModelsPath) {
  const std::pair<const char*, const char*> cases[] = {
      {"/v2/models/glyphs/infer", "glyphs"},
      {"/v2/models/glyphs", "glyphs"},
      {"/v2/models/glyphs/versions/v2/infer", "glyphs@v2"},
      {"/v1/models/glyphs", "glyphs"},
      {"/v1/models/glyphs:predict", "glyphs"},
      {"/v1/models/glyphs:v2:predict", "glyphs@v2"},
      {"/v1/models/glyphs:v2", "glyphs@v2"},
      {"/v1/chat/completions", "-"},
      {"/v1/models", "-"},
      {"/v2/models/", "-"},
      {"/generate", "-"},
  };
  for (const auto& [target, wanted] : cases) {
    const HeadRoute route = route_by_head(head_of(target));
    EXPECT_EQ(named(route), wanted) << target;
    EXPECT_EQ(route.target, target);
  }
}

TEST(Route, BelievesTheHeaderBeforeThePath) {
  net::RequestHead head = head_of("/services/prose/generate");
  head.headers.add("serin-service", "glyphs:v3");
  const HeadRoute route = route_by_head(head);
  EXPECT_EQ(named(route), "glyphs@v3");
  EXPECT_EQ(route.target, "/generate");
}

// Protobuf by hand: field 1 the name, field 2 the version, then others.
std::string message(std::string_view name, std::string_view version, std::string_view rest = "") {
  std::string bytes;
  const auto put = [&](char tag, std::string_view text) {
    if (!text.empty())
      bytes += std::string{tag, static_cast<char>(text.size())} + std::string(text);
  };
  put('\x0a', name);
  put('\x12', version);
  return bytes + std::string(rest);
}

TEST(GrpcName, IsTheFirstFieldOfTheFirstMessage) {
  const GrpcName found = grpc_name(net::grpc::frame(message("prose", "v2", "\x1a\x01x")), false);
  EXPECT_TRUE(found.known);
  EXPECT_EQ(found.name.service, "prose");
  EXPECT_EQ(found.name.version, "v2");
  EXPECT_EQ(grpc_name(net::grpc::frame(message("prose:v3", "")), true).name.version, "v3");
}

TEST(GrpcName, WaitsForBytesThatAreStillToCome) {
  const std::string whole = net::grpc::frame(message("prose", "v2", "\x1a\x01x"));
  const std::size_t enough = 5 + 7 + 4 + 2;  // prefix, name, version, the next field's beginning
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const GrpcName found = grpc_name(std::string_view(whole).substr(0, size), false);
    EXPECT_EQ(found.known, size >= enough) << size;
    if (found.known) EXPECT_EQ(found.name.service, "prose");
  }
  EXPECT_TRUE(grpc_name("", true).known);
}

TEST(GrpcName, IsEmptyWhereTheMessageHasNone) {
  EXPECT_TRUE(grpc_name(net::grpc::frame(""), false).known);
  EXPECT_EQ(grpc_name(net::grpc::frame("\x1a\x01x"), false).name.service, "");
  EXPECT_EQ(grpc_name(std::string(80'000, '\xff'), false).name.service, "");
}

TEST(Repeatable, IsAllButWhatMakesOrRemovesAJob) {
  EXPECT_TRUE(repeatable(head_of("/v1/chat/completions"), "/v1/chat/completions"));
  EXPECT_TRUE(repeatable(head_of("/v1/videos/7", "GET"), "/v1/videos/7"));
  EXPECT_FALSE(repeatable(head_of("/v1/videos"), "/v1/videos"));
  EXPECT_FALSE(repeatable(head_of("/v1/videos/7", "DELETE"), "/v1/videos/7"));
}

TEST(Templates, LeaveNamesOut) {
  EXPECT_EQ(route_template("/generate"), "/generate");
  EXPECT_EQ(route_template("/v1/videos/video_7/content?x=1"), "/v1/videos/{id}/content");
  EXPECT_EQ(route_template("/v1/videos"), "/v1/videos");
  EXPECT_EQ(route_template("/v1/models/prose:predict"), "/v1/models/{model}:predict");
  EXPECT_EQ(route_template("/v1/models/prose/versions/2:predict"),
            "/v1/models/{model}/versions/{version}:predict");
  EXPECT_EQ(route_template("/v2/models/prose/versions/v1/infer"),
            "/v2/models/{model}/versions/{version}/infer");
  for (const char* other : {"/", "/generate/", "/v1/videos/", "/v1/videos/a/b", "/v2/models//infer",
                            "/v1/models/a/b:predict", "/x", ""})
    EXPECT_EQ(route_template(other), "") << other;
}

}  // namespace
}  // namespace serin::gateway
