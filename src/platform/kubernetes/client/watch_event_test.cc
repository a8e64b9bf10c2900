// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/watch_event.h"

#include <gmock/gmock.h>

#include "platform/kubernetes/client/object.h"

namespace serin::platform::kubernetes {
namespace {

using Kind = WatchEvent::Kind;
using testing::ElementsAre;

std::string event(const std::string& type, const std::string& metadata) {
  return R"({"type":")" + type + R"(","object":{"metadata":)" + metadata + "}}";
}

TEST(WatchEvents, AreReadByTheirType) {
  const std::string whole = R"({"name":"a","namespace":"n","resourceVersion":"7"})";
  for (const auto& [type, kind] : {std::pair<std::string, Kind>{"ADDED", Kind::kPut},
                                   {"MODIFIED", Kind::kPut},
                                   {"DELETED", Kind::kGone},
                                   {"BOOKMARK", Kind::kBookmark}}) {
    const auto read = parse_watch_event(event(type, whole));
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->kind, kind);
    EXPECT_EQ(version_of(read->object), "7");
  }
  EXPECT_TRUE(parse_watch_event(event("BOOKMARK", R"({"resourceVersion":"7"})")).has_value());
}

// The schema of a custom resource, in a definition that is watched.
TEST(WatchEvents, AreAsDeepAsWhatIsListed) {
  const auto of_depth = [](int depth) {
    return event("ADDED", R"({"name":"a","resourceVersion":"7","deep":)" + std::string(depth, '[') +
                              std::string(depth, ']') + "}");
  };
  EXPECT_TRUE(parse_watch_event(of_depth(100)).has_value());
  EXPECT_EQ(parse_watch_event(of_depth(200)).error().code, Code::kInvalidArgument);
}

TEST(WatchEvents, OfAnErrorAreThatError) {
  const auto read = parse_watch_event(
      R"({"type":"ERROR","object":{"kind":"Status","reason":"Expired","code":410}})");
  EXPECT_EQ(read.error().code, Code::kOutOfRange);
}

TEST(WatchEvents, ThatAreNoneAreRefused) {
  for (const std::string& wrong :
       {std::string("{"), std::string("[]"), std::string("null"),
        std::string(R"({"type":"ADDED"})"), std::string(R"({"type":"ADDED","object":[]})"),
        std::string(R"({"type":7,"object":{}})"),
        event("MOVED", R"({"name":"a","resourceVersion":"7"})"), event("ADDED", R"({"name":"a"})"),
        event("ADDED", R"({"resourceVersion":"7"})"),
        event("ADDED", R"({"name":"a","resourceVersion":7})"), event("BOOKMARK", "{}")})
    EXPECT_EQ(parse_watch_event(wrong).error().code, Code::kInvalidArgument) << wrong;
}

std::vector<std::string> lines_of(const std::vector<std::string>& pieces, Lines& lines) {
  std::vector<std::string> got;
  for (const std::string& piece : pieces) {
    const Status fed = lines.feed(piece, [&](std::string_view line) -> Status {
      got.emplace_back(line);
      return {};
    });
    if (!fed) got.push_back("!" + fed.error().message);
  }
  return got;
}

TEST(WatchLines, ComeWholeHoweverTheirBytesCome) {
  Lines lines(100);
  EXPECT_THAT(lines_of({"a\nb", "c", "\n\n", "d\ne\n"}, lines), ElementsAre("a", "bc", "d", "e"));
  EXPECT_FALSE(lines.in_line());
  lines_of({"half"}, lines);
  EXPECT_TRUE(lines.in_line());
}

TEST(WatchLines, HaveALength) {
  Lines lines(4);
  EXPECT_THAT(lines_of({"abcd\n", "ab", "cd", "e"}, lines),
              ElementsAre("abcd", "!a watch's event is longer than 4 bytes"));
}

TEST(WatchLines, EndAtTheFirstErrorOfTheirReader) {
  Lines lines(100);
  int read = 0;
  const Status fed = lines.feed("a\nb\n", [&](std::string_view) -> Status {
    ++read;
    return fail(Code::kUnknown, "enough");
  });
  EXPECT_EQ(fed.error().message, "enough");
  EXPECT_EQ(read, 1);
}

}  // namespace
}  // namespace serin::platform::kubernetes
