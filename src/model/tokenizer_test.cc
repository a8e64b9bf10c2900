// SPDX-License-Identifier: Apache-2.0
// The expectations are Hugging Face's own: testdata/make_fixtures.py wrote them.
#include "model/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/files.h"

namespace serin::model {
namespace {

const std::filesystem::path kTestdata = SERIN_MODEL_TESTDATA;

json::value read_json(const std::string& name) {
  return parse_json(read_file(kTestdata / name).value()).value();
}

std::vector<std::int64_t> ids_of(const json::value& array) {
  return json::value_to<std::vector<std::int64_t>>(array);
}

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

std::shared_ptr<const Tokenizer> load(const std::string& name) {
  auto loaded = Tokenizer::load(kTestdata / (name + ".json"));
  if (!loaded) ADD_FAILURE() << loaded.error().message;
  return loaded.value();
}

Result<std::shared_ptr<const Tokenizer>> load_text(std::string_view content) {
  const auto folder = TemporaryDirectory::create().value();
  EXPECT_TRUE(write_file(folder.path() / "tokenizer.json", content));
  return Tokenizer::load(folder.path() / "tokenizer.json");
}

Result<std::shared_ptr<const ChatTemplate>> template_of(std::string_view source,
                                                        const Clock& clock = Clock::real()) {
  const auto folder = TemporaryDirectory::create().value();
  EXPECT_TRUE(write_file(folder.path() / "chat.jinja", source));
  return ChatTemplate::load(folder.path() / "chat.jinja", clock);
}

// What a stream gives for all ids, one after the other, and at the end.
std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int64_t>& ids,
                     bool skip_special) {
  const auto stream = tokenizer.stream(skip_special);
  std::string text;
  for (const std::int64_t id : ids) text += stream->push(id).value();
  return text + stream->finish().value();
}

class OfEveryKind : public testing::TestWithParam<std::string> {};

TEST_P(OfEveryKind, EncodesAsTheReferenceDoes) {
  const auto tokenizer = load(GetParam());
  const json::value expected = read_json(GetParam() + ".expected.json");
  for (const auto& row : expected.at("rows").as_array()) {
    EXPECT_EQ(tokenizer->encode(text_of(row.at("text")), false).value(), ids_of(row.at("plain")))
        << row.at("text");
    EXPECT_EQ(tokenizer->encode(text_of(row.at("text")), true).value(), ids_of(row.at("special")))
        << row.at("text");
  }
}

TEST_P(OfEveryKind, DecodesAsTheReferenceDoes) {
  const auto tokenizer = load(GetParam());
  const json::value expected = read_json(GetParam() + ".expected.json");
  for (const auto& row : expected.at("rows").as_array()) {
    const auto ids = ids_of(row.at("special"));
    EXPECT_EQ(tokenizer->decode(ids, false).value(), text_of(row.at("decoded")));
    EXPECT_EQ(tokenizer->decode(ids, true).value(), text_of(row.at("skipped")));
  }
}

TEST_P(OfEveryKind, StreamsWhatItDecodes) {
  const auto tokenizer = load(GetParam());
  const json::value expected = read_json(GetParam() + ".expected.json");
  for (const auto& row : expected.at("rows").as_array()) {
    const auto ids = ids_of(row.at("special"));
    EXPECT_EQ(streamed(*tokenizer, ids, false), text_of(row.at("decoded")));
    EXPECT_EQ(streamed(*tokenizer, ids, true), text_of(row.at("skipped")));
  }
}

TEST_P(OfEveryKind, KnowsItsVocabulary) {
  const auto tokenizer = load(GetParam());
  EXPECT_EQ(tokenizer->vocabulary(),
            read_json(GetParam() + ".expected.json").at("vocabulary").as_int64());
  EXPECT_NE(tokenizer->token(0), "");
  EXPECT_NE(tokenizer->token(tokenizer->vocabulary() - 1), "");
  EXPECT_EQ(tokenizer->token(tokenizer->vocabulary()), "");
  EXPECT_EQ(tokenizer->token(-1), "");
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, OfEveryKind,
                         testing::Values("byte_level", "split_bytes", "word_piece", "unigram",
                                         "byte_fallback"),
                         [](const auto& tested) { return tested.param; });

TEST(Tokenizer, StreamsOnlyWholeCharacters) {
  for (const std::string name : {"byte_level", "split_bytes", "byte_fallback"}) {
    const auto tokenizer = load(name);
    const std::string text = "𝔘𝔫𝔦 🦜 日 é";
    const auto ids = tokenizer->encode(text, false).value();
    const auto stream = tokenizer->stream(true);
    std::string so_far;
    int held = 0;
    for (const std::int64_t id : ids) {
      const std::string piece = stream->push(id).value();
      held += piece.empty() ? 1 : 0;
      so_far += piece;
      EXPECT_EQ(so_far.find("\uFFFD"), std::string::npos) << name;
      const auto whole = so_far.size();
      EXPECT_TRUE(whole == text.size() || (static_cast<unsigned char>(text[whole]) & 0xC0) != 0x80)
          << name << " gave half a character: " << so_far;
    }
    EXPECT_EQ(so_far, text) << name;
    EXPECT_GT(held, 0) << name;
    EXPECT_EQ(stream->finish().value(), "") << name;
  }
}

TEST(Tokenizer, StreamEndsWithAReplacementForAnIncompleteCharacter) {
  const auto tokenizer = load("byte_level");
  auto ids = tokenizer->encode("ok🦜", false).value();
  ids.pop_back();
  const auto stream = tokenizer->stream(true);
  std::string text;
  for (const std::int64_t id : ids) text += stream->push(id).value();
  EXPECT_EQ(text, "ok");
  EXPECT_EQ(stream->finish().value(), "\uFFFD");
  EXPECT_EQ(stream->finish().value(), "");
}

TEST(Tokenizer, StreamNeverHoldsBackForLong) {
  // Lone continuation bytes never become a character; they come out as replacements instead of
  // piling up.
  const auto tokenizer = load("byte_fallback");
  const auto stream = tokenizer->stream(true);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += stream->push(3 + 0x80).value();
  EXPECT_GT(text.size(), 3u * 900);
}

TEST(Tokenizer, StreamGoesOnAfterAByteThatDoesNotFit) {
  const auto tokenizer = load("byte_fallback");
  const auto stream = tokenizer->stream(true);
  std::string text;
  // 日 in three bytes, then a lone 0xFF, then a letter.
  for (const std::int64_t byte : {0xE6, 0x97, 0xA5, 0xFF}) text += stream->push(3 + byte).value();
  EXPECT_EQ(text, "日");
  const std::int64_t letter = tokenizer->encode("a", false)->back();
  text += stream->push(letter).value();
  EXPECT_TRUE(text.starts_with("日\uFFFD")) << text;
  EXPECT_TRUE(text.ends_with("a")) << text;
}

TEST(Tokenizer, LeavesOutIdsBeyondTheVocabularyAndRefusesNegativeOnes) {
  const auto tokenizer = load("byte_level");
  auto ids = tokenizer->encode("abc", false).value();
  ids.push_back(1'000'000);
  EXPECT_EQ(tokenizer->decode(ids, true).value(), "abc");
  EXPECT_EQ(tokenizer->stream(true)->push(1'000'000).value(), "");
  ids.push_back(-1);
  EXPECT_EQ(tokenizer->decode(ids, true).error().code, Code::kInvalidArgument);
  EXPECT_EQ(tokenizer->stream(true)->push(-1).error().code, Code::kInvalidArgument);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  const auto encoded = load("byte_level")->encode("ab\xFF", false);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, Code::kInvalidArgument);
  EXPECT_NE(encoded.error().message.find("UTF-8"), std::string::npos) << encoded.error().message;
}

TEST(Tokenizer, RefusesFilesThatAreNotTokenizers) {
  EXPECT_EQ(Tokenizer::load("/nonexistent/tokenizer.json").error().code, Code::kNotFound);
  const std::string good = read_file(kTestdata / "byte_level.json").value();
  const std::string deep(100'000, '[');
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string("null"), deep,
        good.substr(0, good.size() / 2),
        std::string(R"({"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":["b c"]}})"),
        std::string(R"({"version":"1.0","model":{"type":"Nothing"}})"),
        std::string("\xFF\xFE\0\0", 4)}) {
    const auto loaded = load_text(bad);
    ASSERT_FALSE(loaded) << bad.substr(0, 80);
    EXPECT_EQ(loaded.error().code, Code::kInvalidArgument);
    EXPECT_NE(loaded.error().message.find("is not a tokenizer in the form of"), std::string::npos);
  }
}

TEST(Tokenizer, SurvivesEveryDamagedByteOfItsFile) {
  const std::string good = read_file(kTestdata / "unigram.json").value();
  for (std::size_t i = 0; i < good.size(); i += 101) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x15);
    const auto loaded = load_text(damaged);
    if (loaded) static_cast<void>((*loaded)->encode("Hello wörld 日本", true));
  }
}

TEST(Tokenizer, MayBeUsedByManyThreads) {
  const auto tokenizer = load("split_bytes");
  const auto expected = tokenizer->encode("The quick brown fox", true).value();
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n)
        EXPECT_EQ(tokenizer->encode("The quick brown fox", true).value(), expected);
    });
}

// 5 March 2026, as make_fixtures.py assumes.
class FixedClock final : public Clock {
 public:
  Instant now() const override { return {}; }
  std::chrono::system_clock::time_point wall() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'772'668'800));
  }
};

TEST(ChatTemplate, RendersAsJinjaDoes) {
  const FixedClock clock;
  const json::value expected = read_json("templates.expected.json");
  for (const auto& row : expected.as_array()) {
    const auto loaded = ChatTemplate::load(
        kTestdata / "templates" / (text_of(row.at("template")) + ".jinja"), clock);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto rendered =
        (*loaded)->render(row.at("messages").as_array(), row.at("variables").as_object(),
                          row.at("add_generation_prompt").as_bool());
    if (const auto* raised = row.as_object().if_contains("raised")) {
      ASSERT_FALSE(rendered);
      EXPECT_EQ(rendered.error().code, Code::kInvalidArgument);
      EXPECT_NE(rendered.error().message.find(text_of(*raised)), std::string::npos)
          << rendered.error().message;
      continue;
    }
    ASSERT_TRUE(rendered) << rendered.error().message;
    EXPECT_EQ(*rendered, text_of(row.at("rendered")));
  }
}

TEST(ChatTemplate, RendersWhatIsMarkedAsGeneration) {
  const auto loaded = template_of(
      "{% for m in messages %}{%- generation -%}{{ m.content }}{%- endgeneration %}{% endfor %}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->render({{{"role", "user"}, {"content", "hi"}}}, {}, false).value(), "hi");
}

TEST(ChatTemplate, SaysWhereItsSourceIsWrong) {
  const auto loaded = template_of("one\ntwo {% if %}\n");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Code::kInvalidArgument);
  EXPECT_NE(loaded.error().message.find("line 2"), std::string::npos) << loaded.error().message;
  EXPECT_EQ(template_of("\xFF\xFE").error().code, Code::kInvalidArgument);
}

TEST(ChatTemplate, EndsInTime) {
  const auto loaded = template_of(
      "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}"
      "{% endfor %}{% endfor %}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto rendered = (*loaded)->render({}, {}, false);
  ASSERT_FALSE(rendered);
  EXPECT_NE(rendered.error().message.find("too many steps"), std::string::npos)
      << rendered.error().message;
}

TEST(ChatTemplate, LimitsItsOutput) {
  const auto loaded = template_of("{{ 'x' * 50000000 }}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto rendered = (*loaded)->render({}, {}, false);
  ASSERT_FALSE(rendered);
  EXPECT_NE(rendered.error().message.find("more than 16777216 bytes"), std::string::npos)
      << rendered.error().message;
  const auto raw =
      template_of("{% for i in range(1000) %}" + std::string(100'000, 'x') + "{% endfor %}");
  ASSERT_TRUE(raw) << raw.error().message;
  EXPECT_FALSE((*raw)->render({}, {}, false));
}

TEST(ChatTemplate, LimitsWhatItMakesOnTheWay) {
  const std::string loop = "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}";
  for (const char* step :
       {"{% set ns.x = ns.x ~ ns.x %}", "{% set ns.x = ns.x + ns.x %}", "{% set ns.x = ns.x * 9 %}",
        "{% set ns.x = ns.x.replace('x', 'xx') %}", "{% set ns.x = ns.x|replace('x', 'xx') %}",
        "{% set ns.x = [ns.x, ns.x]|join %}", "{% set ns.x = ns.x.join(['a', 'b', 'c']) %}",
        "{% set ns.x = ns.x|indent(50000000, true) %}", "{% set ns.x = [ns.x, ns.x] %}",
        "{% set ns.x = [ns.x, ns.x]|tojson %}", "{% set ns.x = ns.x|list + ns.x|list %}",
        "{% set ns.x = 2 * ns.x|list %}", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"}) {
    const auto loaded = template_of(loop + step + "{% endfor %}{{ ns.x }}");
    ASSERT_TRUE(loaded) << step << loaded.error().message;
    const auto rendered = (*loaded)->render({}, {}, false);
    ASSERT_FALSE(rendered) << step;
    EXPECT_EQ(rendered.error().code, Code::kInvalidArgument);
  }
}

TEST(ChatTemplate, AddsAndRepeatsAsPythonDoes) {
  const auto loaded = template_of(
      "{{ 1 + 2 }} {{ 0.5 + 1 }} {{ 2 * 3 }} {{ 'a' + 'b' }} {{ 'ab' * 2 }} {{ [1] + ['x'] }} "
      "{{ [0] * 3 }} {{ 'n' ~ none ~ true ~ 7 }} {{ ['a', 'b'] | join('-') }} "
      "{{ '+'.join(['a', 'b']) }} {{ 'aba'.replace('a', 'cc') }}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->render({}, {}, false).value(),
            "3 1.5 6 ab abab [1, 'x'] [0, 0, 0] nNoneTrue7 a-b a+b ccbcc");
}

TEST(ChatTemplate, LimitsItsDepth) {
  const auto loaded = template_of("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_FALSE((*loaded)->render({}, {}, false));
  std::string nested;
  for (int i = 0; i < 20'000; ++i) nested += "{% if true %}";
  EXPECT_FALSE(template_of(nested));
  EXPECT_FALSE(template_of("{{ " + std::string(100'000, '(') + " }}"));
}

// What would end the process: a value of a million levels, written, compared or dropped.
TEST(ChatTemplate, LimitsHowValuesNest) {
  const std::string loop = "{% set ns = namespace(x=[], y=[]) %}{% for i in range(90000) %}";
  for (const char* step :
       {"{% set ns.x = [ns.x] %}", "{% set ns.x = {'a': ns.x} %}", "{% set ns.x = dict(a=ns.x) %}",
        "{% set ns.x = [[], ns.x]|list %}", "{% set ns.x = [ns.x]|batch(1) %}",
        "{% set ns.x = [ns.x]|groupby('a') %}", "{% set ns.x = {'a': ns.x}|items %}",
        "{% set ns.x = {'a': ns.x}.values() %}", "{% set ns.x = [ns.x] * 1 %}",
        "{% set ns.x = [] + [ns.x] %}", "{% set ns.x = [ns.x]|zip %}",
        "{% set ns.x = ns.x|chain([]) %}", "{% set ns.me = ns %}", "{% set ns.me = [ns] %}",
        "{% set ns = namespace(up=ns) %}", "{% set ns.me = {'a': ns}|default %}",
        "{% set f = ns.f %}{% macro m() %}{{ f }}{% endmacro %}{% set ns.f = m %}",
        "{% set ns.x = [ns.x, ns.x, ns.x] %}", "{% set ns.x = [loop] %}"}) {
    const auto loaded = template_of(loop + step + "{% endfor %}{{ ns.x }}{{ ns.x == ns.y }}");
    ASSERT_TRUE(loaded) << step << loaded.error().message;
    EXPECT_FALSE((*loaded)->render({}, {}, false)) << step;
  }
}

// A promise of a list that refers to another one nests without being seen.
TEST(ChatTemplate, MakesListsOfWhatIsOnlyPromised) {
  const std::string loop = "{% set ns = namespace(x=[1, 2]) %}{% for i in range(50000) %}";
  for (const char* step :
       {"{% set ns.x = ns.x[:] %}", "{% set ns.x = ns.x|reverse %}", "{% set ns.x = ns.x + [] %}",
        "{% set ns.x = [ns.x]|map('reverse')|first %}", "{% set ns.x = ns.x[::-1] %}"}) {
    const auto loaded = template_of(loop + step + "{% endfor %}{{ ns.x }}");
    ASSERT_TRUE(loaded) << step << loaded.error().message;
    const auto rendered = (*loaded)->render({}, {}, false);
    ASSERT_TRUE(rendered) << step << rendered.error().message;
    EXPECT_EQ(*rendered, "[1, 2]") << step;
  }
}

TEST(ChatTemplate, KeepsWhatTemplatesDoWithListsAndNamespaces) {
  const auto loaded = template_of(
      "{% set ns = namespace(turns=[], last=none) %}{% for m in messages[::-1] %}"
      "{% set ns.turns = ns.turns + [[m.role, m.content]] %}{% set ns.last = m %}{% endfor %}"
      "{{ ns.turns }} {{ ns.last.content }} {{ (ns|default(1)).last.role }} "
      "{% for g in messages|groupby('role') %}{{ g.grouper }}:{{ g.list|length }} {% endfor %}"
      "{{ messages|map(attribute='content')|list }} {{ {'a': [1]}.items()|list }} "
      "{{ 'aba'.count('') }}");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const json::array messages{{{"role", "user"}, {"content", "hi"}},
                             {{"role", "assistant"}, {"content", "ho"}}};
  const auto rendered = (*loaded)->render(messages, {}, false);
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(*rendered,
            "[['assistant', 'ho'], ['user', 'hi']] hi user assistant:1 user:1 ['hi', 'ho'] "
            "[['a', [1]]] 4");
}

TEST(ChatTemplate, LimitsRoomTakenInAdvance) {
  for (const char* step : {"{{ []|batch(1000000000000) }}", "{{ []|slice(1000000000000) }}",
                           "{{ ([ 'x' * 1000000 ] * 90000)|title }}"}) {
    const auto loaded = template_of(step);
    ASSERT_TRUE(loaded) << step << loaded.error().message;
    EXPECT_FALSE((*loaded)->render({}, {}, false)) << step;
  }
}

TEST(ChatTemplate, LimitsChainsOfItsSource) {
  const auto repeated = [](const std::string& what, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += what;
    return all;
  };
  const std::string elifs = "{% if x %}" + repeated("{% elif x %}", 60'000) + "{% endif %}";
  for (const std::string& source :
       {"{{ 1" + repeated(" + x", 200'000) + " }}", "{{ x" + repeated(".a", 400'000) + " }}",
        "{{ x" + repeated("|e", 400'000) + " }}", "{{ " + repeated("not ", 200'000) + "x }}",
        "{{ " + repeated("-", 900'000) + "1 }}", "{{ x" + repeated(" if x else x", 80'000) + " }}",
        "{% set " + repeated("(", 900'000) + "x", elifs}) {
    EXPECT_FALSE(template_of(source)) << source.substr(0, 20);
  }
  EXPECT_TRUE(template_of("{{ 1" + repeated(" + 1", 450) + " }}"));
}

TEST(ChatTemplate, ReadsNoOtherFile) {
  const auto loaded = template_of("{% include '/etc/passwd' %}");
  if (loaded) {
    EXPECT_FALSE((*loaded)->render({}, {}, false));
  }
}

TEST(ChatTemplate, ShowsTheTimeOfItsClock) {
  const FixedClock clock;
  const auto loaded = template_of("{{ strftime_now('%d %b %Y %H:%M') }}", clock);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->render({}, {}, false).value(), "05 Mar 2026 00:00");
  const auto wrong = template_of("{{ strftime_now('%Q') }}", clock);
  ASSERT_TRUE(wrong) << wrong.error().message;
  EXPECT_FALSE((*wrong)->render({}, {}, false));
}

}  // namespace
}  // namespace serin::model
