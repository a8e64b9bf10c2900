// SPDX-License-Identifier: Apache-2.0
#include "base/yaml.h"

#include <gtest/gtest.h>

namespace serin {
namespace {

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  const Result<YamlNode> tree = parse_yaml(text, limits);
  return tree ? "accepted" : tree.error().message;
}

std::string as_json(std::string_view text) {
  const Result<YamlNode> tree = parse_yaml(text);
  if (!tree) return tree.error().message;
  const Result<json::value> value = tree->to_json();
  return value ? json::serialize(*value) : value.error().message;
}

TEST(ParseYaml, KnowsLineAndColumnOfKeysAndValues) {
  const Result<YamlNode> tree = parse_yaml("name: glyphs\ncall:\n  shape: [N, 32]\n  empty:\n");
  ASSERT_TRUE(tree.has_value());
  const YamlNode* call = tree->find("call");
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(to_string(tree->entries[1].mark), "2:1");
  EXPECT_EQ(to_string(call->mark), "3:3");
  const YamlNode* shape = call->find("shape");
  ASSERT_NE(shape, nullptr);
  ASSERT_EQ(shape->items.size(), 2u);
  EXPECT_EQ(to_string(shape->items[1].mark), "3:14");
  EXPECT_EQ(to_string(call->find("empty")->mark), "4:3");
  EXPECT_TRUE(call->find("empty")->is_null());
  EXPECT_EQ(call->find("nothing"), nullptr);
}

TEST(ParseYaml, ResolvesScalarsByTheCoreSchema) {
  EXPECT_EQ(as_json("[1, -7, +3, 0x1f, 0o17, 1.0, .5, 1e3, -2.5E-1, 007]"),
            "[1,-7,3,31,15,1E0,5E-1,1E3,-2.5E-1,7]");
  EXPECT_EQ(as_json("[true, False, TRUE, ~, null, ]"), "[true,false,true,null,null]");
  EXPECT_EQ(as_json("[yes, no, on, 1_000, 1.2.3, 0x, e5, ., -]"),
            R"(["yes","no","on","1_000","1.2.3","0x","e5",".","-"])");
  EXPECT_EQ(as_json("['1', \"true\", !!str 5, '']"), R"(["1","true","5",""])");
  EXPECT_EQ(as_json("a: |\n  1\nb: >-\n  2\n"), R"({"a":"1\n","b":"2"})");
  EXPECT_EQ(as_json(""), "null");
  EXPECT_EQ(as_json("18446744073709551615"), "18446744073709551615");
}

TEST(ParseYaml, RefusesNumbersThatDoNotFit) {
  EXPECT_NE(as_json("a: 99999999999999999999").find("1:4: the integer"), std::string::npos);
  EXPECT_NE(as_json("a: .inf").find("1:4: the number .inf is not finite"), std::string::npos);
  EXPECT_NE(as_json("- -.NaN").find("not finite"), std::string::npos);
  EXPECT_NE(as_json("a: 1e999").find("does not fit a double"), std::string::npos);
}

TEST(ParseYaml, SaysWhereTheMistakeIs) {
  EXPECT_EQ(error_of("a: 1\nb: [1, 2\nc: 3\n"), "2:4: [ is not closed");
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"), "3:1: the key \"a\" stands twice; first at 1:1");
}

TEST(ParseYaml, RefusesWhatItDoesNotSupport) {
  EXPECT_NE(error_of("a: 1\n---\nb: 2\n").find("a second document"), std::string::npos);
  EXPECT_NE(error_of("? [a, b]\n: 1\n").find("a key must be a string"), std::string::npos);
  EXPECT_NE(error_of("a: !!python/object:os.system 1").find("is not supported"), std::string::npos);
  EXPECT_NE(error_of("a: !Thing {}").find("is not supported"), std::string::npos);
  EXPECT_NE(error_of("x: &x {a: 1}\ny: {<<: *x}\n").find("merge keys"), std::string::npos);
  EXPECT_NE(error_of("a: *nothing").find("1:"), std::string::npos);
}

TEST(ParseYaml, CopiesWhatAnAliasNames) {
  EXPECT_EQ(as_json("a: &x [1, {b: 2}]\nc: *x\nd: &y 5\ne: [*y, *x]\n"),
            R"({"a":[1,{"b":2}],"c":[1,{"b":2}],"d":5,"e":[5,[1,{"b":2}]]})");
}

TEST(ParseYaml, RefusesAnAliasBombBeforeItGrows) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += previous + (j < 9 ? ", " : "]\n");
  }
  EXPECT_NE(error_of(bomb).find("aliases counted as often as used"), std::string::npos);
}

TEST(ParseYaml, RefusesAValueThatContainsItself) {
  EXPECT_NE(error_of("a: &x [1, *x]").find("contains it"), std::string::npos);
}

TEST(WriteYaml, LooksLikeWhatKubernetesToolsPrint) {
  const auto value = parse_json(
      R"({"kind":"Service","metadata":{"labels":{"a/b":"c"},"annotations":{}},"list":[],)"
      R"("spec":{"ports":[{"name":"http","port":80},{"port":5000}],"ip":null,"cpu":0.5,)"
      R"("nested":[["a",[]],[{"b":true}]]}})");
  EXPECT_EQ(write_yaml(*value), R"(kind: Service
metadata:
  labels:
    a/b: c
  annotations: {}
list: []
spec:
  ports:
  - name: http
    port: 80
  - port: 5000
  ip: null
  cpu: 0.5
  nested:
  - - a
    - []
  - - b: true
)");
}

TEST(WriteYaml, QuotesWhatAnyReaderWouldTakeForSomethingElse) {
  const std::pair<std::string, std::string> kRows[] = {
      {"on", "\"on\""},
      {"No", "\"No\""},
      {"null", "\"null\""},
      {"", "\"\""},
      {"2", "\"2\""},
      {"1e3", "\"1e3\""},
      {"0x1F", "\"0x1F\""},
      {"12:30:45", "\"12:30:45\""},
      {"20%", "\"20%\""},
      {"~", "\"~\""},
      {"-", "\"-\""},
      {"*.a", "\"*.a\""},
      {"a: b", "\"a: b\""},
      {"a #b", "\"a #b\""},
      {"a:", "\"a:\""},
      {"a ", "\"a \""},
      {"a\nb", "\"a\\nb\""},
      {"\x01", "\"\\x01\""},
      {"\xc2\x85", "\"\\u0085\""},
      {"\xe2\x80\xa8", "\"\\u2028\""},
      {"say \"a\"", "say \"a\""},
      {"--port=1", "--port=1"},
      {"---", "\"---\""},
      {"60s", "60s"},
      {"4Gi", "4Gi"},
      {"sha256:0f", "sha256:0f"},
      {"/health/live", "/health/live"},
      {"^a$", "^a$"},
      {"it's [a] {b}, c", "it's [a] {b}, c"},
      {std::string(2000, 'k'), std::string(2000, 'k')}};
  for (const auto& [text, written] : kRows) {
    EXPECT_EQ(write_yaml(json::value(text)), written + "\n");
    const auto read = parse_yaml(write_yaml(json::object{{text, text}}));
    ASSERT_TRUE(read) << text << ": " << read.error().message;
    EXPECT_EQ(canonical_json(*read->to_json()), canonical_json(json::object{{text, text}}));
  }
}

TEST(WriteYaml, WritesNumbersThatAnyReaderTakesForNumbers) {
  const std::pair<double, std::string_view> kRows[] = {{1e-7, "1.0e-7"},
                                                       {-1e-9, "-1.0e-9"},
                                                       {1.5e-7, "1.5e-7"},
                                                       {1e21, "1.0e+21"},
                                                       {1e20, "100000000000000000000.0"},
                                                       {0.5, "0.5"}};
  for (const auto& [number, written] : kRows) {
    EXPECT_EQ(write_yaml(json::value(number)), std::string(written) + "\n");
    const auto read = parse_yaml(write_yaml(json::value(number)))->to_json();
    ASSERT_TRUE(read) << written;
    EXPECT_EQ(canonical_json(*read), canonical_json(json::value(number)));
  }
}

TEST(ParseYaml, HoldsItsLimits) {
  EXPECT_NE(error_of(std::string(5000, '[') + std::string(5000, ']')).find("deeper than 64 levels"),
            std::string::npos);
  EXPECT_NE(error_of("[a, b, c, d]", {.nodes = 4}).find("more than 4 values"), std::string::npos);
  EXPECT_EQ(error_of("[a, b, c]", {.nodes = 4}), "accepted");
  EXPECT_NE(error_of("[a, b]", {.bytes = 3}).find("at most 3"), std::string::npos);
  EXPECT_NE(error_of("a: &x [[1]]\nb: [[*x]]", {.depth = 4}).find("deeper than 4"),
            std::string::npos);
  EXPECT_EQ(error_of("a: &x [[1]]\nb: [*x]", {.depth = 5}), "accepted");
}

}  // namespace
}  // namespace serin
