// SPDX-License-Identifier: Apache-2.0
// The mistakes that people make in YAML, as parse_yaml tells them.
#include "base/yaml_mistake.h"

#include <gtest/gtest.h>

#include <string_view>

namespace serin {
namespace {

std::string told(std::string_view text) {
  const Result<YamlNode> tree = parse_yaml(text);
  return tree ? "accepted" : tree.error().message;
}

struct Case {
  std::string_view text, told;
};

void all_are_told(std::initializer_list<Case> cases) {
  for (const Case& one : cases) EXPECT_EQ(told(one.text), one.told) << one.text;
}

TEST(YamlMistakes, TabsDoNotIndent) {
  constexpr std::string_view kTab = "2:1: a tab, which cannot indent YAML; use spaces";
  all_are_told({
      {"a:\n\tb: 1\n", kTab},
      {"a:\n\t- 1\n", kTab},
      {"a: 1\n\tb: 2\n", kTab},
      {"a:\n  \tb: 1\n", "2:3: a tab, which cannot indent YAML; use spaces"},
  });
}

TEST(YamlMistakes, AKeyHasAColonAndASpace) {
  all_are_told({
      {"name glyphs\ntask: x\n", R"(1:1: "name" has no colon; a key is written as "name: ")"},
      {"name: glyphs\ntask image\nengine: torch\n",
       R"(2:1: "task" has no colon; a key is written as "task: ")"},
      {"name: glyphs\ntask image\n", R"(2:1: "task" has no colon; a key is written as "task: ")"},
      {"a:\n  b: 1\n  c 2\n  d: 3\n", R"(3:3: "c" has no colon; a key is written as "c: ")"},
      {"a\n  b: 1\n", R"(1:1: no colon here; a key is written as "key: ")"},
      {"name: x\ntask:image\nengine: torch\n",
       R"(2:5: there is no space after this colon; write "task: ")"},
      {"a:\n- b:1\n  c: 2\n", R"(2:4: there is no space after this colon; write "b: ")"},
      {"spec:\n  replicas: 1\n  model:x\n",
       R"(3:8: there is no space after this colon; write "model: ")"},
      {"a: 1\n\"b\" 2\n", R"(2:1: no colon here; a key is written as "key: ")"},
  });
}

TEST(YamlMistakes, ValuesAreNotRepeated) {
  for (const std::string_view text :
       {"a: 1\npassword hunter2\n", "a: 1\nhunter2\n", "key: |\n  begin\nhunter2hunter2==\nb: 1\n",
        "a: 1\nthe hunter2:x\n", "a: 1\n  hunter2\nb: c: d\n", "a: \"x\" hunter2\n"}) {
    const std::string said = told(text);
    EXPECT_NE(said, "accepted") << text;
    EXPECT_EQ(said.find("hunter2"), std::string::npos) << said;
  }
}

TEST(YamlMistakes, LongKeysAreCutBetweenCharacters) {
  const std::string key = std::string(59, 'x') + "日本";
  EXPECT_TRUE(told("a: 1\n  " + key + ": 2\n").find("\"" + std::string(59, 'x') + "…\"") !=
              std::string::npos);
}

TEST(YamlMistakes, AColonInAValueWantsQuotes) {
  all_are_told({
      {"doc: Note: do this\nb: 1\n", R"(1:10: ": " inside a value; put the whole value in quotes)"},
      {"- a: b: c\n", R"(1:7: ": " inside a value; put the whole value in quotes)"},
      {"a: [b, c: d: e]\n", R"(1:12: ": " inside a value; put the whole value in quotes)"},
      {"doc: some text\n  goes on\n  with: more\n",
       R"(3:7: ": " inside a value; put the whole value in quotes (it begins in line 1))"},
  });
}

TEST(YamlMistakes, QuotesAreClosed) {
  all_are_told({
      {"a: \"x\nb: 1\n", "1:4: the quote that opens here is not closed"},
      {"a: 'x\nb: 1\n", "1:4: the quote that opens here is not closed"},
      {"a: \"x\nb: \"y\"\n",
       "1:4: the quote that opens here is closed in line 2; is one missing at the end of its own "
       "line?"},
      {"a: 'it's'\nb: 1\n",
       "1:8: text after the closing quote; write '' for a quote inside single quotes"},
      {"a: \"x\" y\n",
       "1:8: text after the closing quote; write \\\" for a quote inside double quotes"},
      {"a: \"x\n---\n", "2:1: the document ends inside quotes; one is not closed"},
      {"a: 'it''s'\nb: \"say \\\"so\\\"\"\n", "accepted"},
  });
}

TEST(YamlMistakes, BracketsAreClosed) {
  all_are_told({
      {"a: 1\nb: [1, 2\nc: 3\n", "2:4: [ is not closed"},
      {"a: [1, 2\nb: [3]\n", "1:4: [ is not closed"},
      {"a: {x: 1, y: 2\n", "1:4: { is not closed"},
      {"a: [1, 2}\n", "1:9: } cannot close the [ of 1:4"},
      {"a: [1, 2]]\n", "1:10: ] closes nothing; put the value in quotes if it is a part of it"},
      {"a: {x: \"1\" y: 2}\n", "1:12: a comma, or a colon, is missing before this"},
      {"a: [\"x\" \"y\"]\n", "1:9: a comma, or a colon, is missing before this"},
  });
}

TEST(YamlMistakes, IndentationIsThatOfTheKeysAround) {
  all_are_told({
      {"a: 1\n  b: 2\n",
       R"(2:3: "b" is indented as if it belonged to "a", which has a value already; indent it by 0 spaces)"},
      {"inputs:\n- name: x\n   kind: text\n",
       R"(3:4: "kind" is indented as if it belonged to "name", which has a value already; indent it by 2 spaces)"},
      {"a:\n    b: 1\n  c: 2\n",
       "3:3: is indented by 2 spaces, which nothing above it is; the line above is by 4 spaces"},
      {"inputs:\n- name: x\n kind: text\n",
       "3:2: is indented by 1 space, which nothing above it is; the line above is by 0 spaces"},
      {"a:\n    - 1\n  - 2\n",
       "3:3: is indented by 2 spaces, which nothing above it is; the line above is by 4 spaces"},
      {"a: 1\n- b\n", "2:1: an item of a list (\"- \") among keys"},
      {"a:\n  - x\n  y: 1\n",
       "3:3: a key among the items of a list; begin it with \"- \", or indent it as the keys of an "
       "item are"},
      {"- a\nb: 1\n",
       R"(2:1: "b" is no part of what stands above it; indent it as that is, or begin it with "- " if it is an item of that list)"},
      {"a: - b\n", "1:4: a list with dashes begins in the line after its key; or write [a, b]"},
      {"a: [- b]\n", "1:5: items inside [ ] have commas between them and no dashes"},
  });
}

TEST(YamlMistakes, WhatYamlHasOtherUsesForStandsInQuotes) {
  all_are_told({
      {"a: @daily\n", "1:4: a value in YAML cannot begin with @ unless it is in quotes"},
      {"a: %x\n", "1:4: a value in YAML cannot begin with % unless it is in quotes"},
      {"a: , b\n", "1:4: a value in YAML cannot begin with , unless it is in quotes"},
      {"a: & b\n", "1:4: a value in YAML cannot begin with & unless it is in quotes"},
      {"events: [*]\n",
       "1:10: * at the beginning of a value stands for another one that has a name (&name), and "
       "none above has this; put the value in quotes"},
      {"a: *.py\n",
       "1:4: * at the beginning of a value stands for another one that has a name (&name), and "
       "none above has this; put the value in quotes"},
      {"a: \"C:\\data\"\n",
       "1:9: a backslash in double quotes begins an escape, and this is none; write \\\\, or use "
       "single quotes"},
      {"a: | b\n", "1:6: the text of | or > begins in the next line"},
  });
}

TEST(YamlMistakes, AreNoneInWhatIsGood) {
  all_are_told({
      {"a: don't\nb: it\"s\nc: x#y\nd: http://x:1/y\n", "accepted"},
      {"a: {b, c: 1}\n", "accepted"},
      {"? a\n", "accepted"},
      {"a:\nb :\n", "accepted"},
      {"a: |\n  b: \"c\n  d\n", "accepted"},
      {"\xEF\xBB\xBF"
       "a: \"b\"\nc:\n",
       "accepted"},
      {"a: &x \"y\"\nb: *x\n", "accepted"},
      {"a: >-\n  it's\nb: 'c\n  d'\n", "accepted"},
      {"---\na: 1\n---\nb: 2\n", "4:1: a second document; only one is read"},
  });
}

}  // namespace
}  // namespace serin
