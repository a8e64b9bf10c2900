// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/fake_model.h"
#include "engine/loaded_package.h"

namespace serin::engine {
namespace {

using namespace fake;

// A text package with its loop, driven by hand.
struct Text {
  explicit Text(std::int64_t slots, std::int64_t chunk, NextLogits next = random_letters,
                std::int64_t context = 64)
      : package(text_package(slots, context, chunk)) {
    use(text_function(std::move(next), chunk > 0));
  }
  void use(FakeModel::Function function) {
    auto counted = [this, function](auto arguments, auto& state) {
      ++calls;
      return function(arguments, state);
    };
    loaded = *load_package_with(package, parser_of(package), std::make_unique<FakeModel>(counted),
                                Clock::real(), nullptr);
  }
  Request request(const json::object& fields) const {
    auto parsed = loaded.parser->parse(fields);
    EXPECT_TRUE(parsed) << parsed.error().message;
    return *parsed;
  }
  Outcome run(Request one) {
    std::vector<Request> requests;
    requests.push_back(std::move(one));
    auto outcome = std::move(run_together(*loaded.loop, std::move(requests)).front());
    EXPECT_TRUE(outcome) << outcome.error().message;
    return *std::move(outcome);
  }
  Outcome run(const json::object& fields) { return run(request(fields)); }

  model::Package package;
  LoadedPackage loaded;
  int calls = 0;
};

// Says `text`, whatever was asked, by counting nothing but its own calls: for one sequence.
NextLogits saying(const std::string& text) {
  auto place = std::make_shared<std::size_t>(0);
  return [text, place](std::uint64_t, std::span<float> logits) {
    std::ranges::fill(logits, -30.0f);
    const std::size_t at = (*place)++;
    logits[at < text.size() ? static_cast<unsigned char>(text[at]) : kEnd] = 30;
  };
}

std::string joined(const Outcome& outcome) {
  std::string text;
  for (const auto& token : outcome.tokens) text += token.text;
  return text;
}

std::vector<std::int64_t> ids_of(const Outcome& outcome) {
  std::vector<std::int64_t> ids;
  for (const auto& token : outcome.tokens) ids.push_back(token.id);
  return ids;
}

const json::object kStory{{"prompt", "once upon a time"}, {"seed", 7}, {"max_tokens", 30}};

TEST(TextLoop, GivesTheSameWithAndWithoutACache) {
  Text cached(3, 4), whole(3, 0), narrow(3, 1);
  const Outcome outcome = cached.run(kStory);
  EXPECT_GT(outcome.tokens.size(), 5u);
  EXPECT_EQ(outcome.finished.text, whole.run(kStory).finished.text);
  EXPECT_EQ(outcome.finished.text, narrow.run(kStory).finished.text);
}

TEST(TextLoop, ATokenDoesNotDependOnTheNeighbours) {
  for (const std::int64_t chunk : {0, 1, 5}) {
    Text text(3, chunk);
    const auto alone = text.run(kStory).finished.text;
    for (std::size_t place = 0; place < 3; ++place) {
      std::vector<Request> requests;
      for (std::size_t i = 0; i < 3; ++i) {
        requests.push_back(text.request(i == place
                                            ? kStory
                                            : json::object{{"prompt", std::string(2 + i * 5, 'z')},
                                                           {"seed", i},
                                                           {"max_tokens", 9}}));
      }
      const auto outcomes = run_together(*text.loaded.loop, std::move(requests));
      EXPECT_EQ(outcomes[place]->finished.text, alone) << chunk << " " << place;
    }
  }
}

TEST(TextLoop, MoreRequestsThanSlotsAllGetTheirAnswers) {
  Text text(2, 4);
  std::vector<Request> requests;
  std::vector<std::string> alone;
  for (int i = 0; i < 7; ++i) {
    const json::object fields{{"prompt", std::string(static_cast<std::size_t>(1 + i), 'q')},
                              {"seed", i}};
    alone.push_back(text.run(fields).finished.text);
    requests.push_back(text.request(fields));
  }
  const auto outcomes = run_together(*text.loaded.loop, std::move(requests));
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(outcomes[i]->finished.text, alone[i]);
}

TEST(TextLoop, GoesOnFromEveryTokenExactlyAsItWouldHave) {
  for (const std::int64_t chunk : {0, 1, 4}) {
    Text text(2, chunk);
    json::object fields = kStory;
    fields["presence_penalty"] = 1.5;
    const Outcome whole = text.run(fields);
    const auto ids = ids_of(whole);
    for (std::size_t cut = 0; cut <= ids.size(); ++cut) {
      Request request = text.request(fields);
      ASSERT_TRUE(text.loaded.parser->resume(
          request, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(cut)}));
      const Outcome rest = text.run(request);
      std::string left;
      for (std::size_t i = cut; i < ids.size(); ++i) left += whole.tokens[i].text;
      EXPECT_EQ(rest.finished.text, left) << chunk << " " << cut;
      EXPECT_EQ(rest.finished.completion_tokens, whole.finished.completion_tokens);
      ASSERT_EQ(rest.tokens.size(), ids.size() - cut);
      for (std::size_t i = 0; i < rest.tokens.size(); ++i) {
        EXPECT_EQ(rest.tokens[i].id, ids[cut + i]);
        EXPECT_EQ(rest.tokens[i].text, whole.tokens[cut + i].text);
        EXPECT_EQ(rest.tokens[i].index, static_cast<std::int64_t>(cut + i));
      }
    }
  }
}

TEST(TextLoop, ReadsAPromptInChunksAndWritesOneTokenACall) {
  Text text(2, 4);
  text.run(json::object{{"prompt", std::string(10, 'x')}, {"seed", 1}, {"max_tokens", 1}});
  EXPECT_EQ(text.calls, 3);
  text.calls = 0;
  const Outcome outcome =
      text.run(json::object{{"prompt", "x"}, {"max_tokens", 5}, {"logit_bias", {{"0", -100}}}});
  EXPECT_EQ(outcome.tokens.size(), 5u);
  EXPECT_EQ(text.calls, 5);
}

TEST(TextLoop, StopsAtAnEndTokenThatAddsNoText) {
  Text text(1, 4, saying("hello"));
  const Outcome outcome = text.run(json::object{{"max_tokens", 30}});
  EXPECT_EQ(outcome.finished.text, "hello");
  EXPECT_EQ(outcome.finished.reason, FinishReason::kStop);
  EXPECT_EQ(outcome.finished.completion_tokens, 6);
  EXPECT_EQ(outcome.finished.prompt_tokens, 1);
  EXPECT_EQ(outcome.tokens.back().id, kEnd);
  EXPECT_EQ(outcome.tokens.back().text, "");
}

TEST(TextLoop, GoesPastTheEndTokenWhenToldTo) {
  Text text(1, 4, saying("hi"));
  Request request = text.request({{"max_tokens", 5}});
  request.sampling.ignore_end = true;
  const Outcome outcome = text.run(request);
  EXPECT_EQ(outcome.tokens.size(), 5u);
  EXPECT_EQ(outcome.finished.reason, FinishReason::kLength);
}

TEST(TextLoop, CutsAStopStringThatCameInSeveralTokens) {
  Text text(1, 4, saying("one two three"));
  const Outcome outcome = text.run(json::object{{"max_tokens", 30}, {"stop", "two"}});
  EXPECT_EQ(outcome.finished.text, "one ");
  EXPECT_EQ(joined(outcome), "one ");
  EXPECT_EQ(outcome.finished.reason, FinishReason::kStop);
  EXPECT_EQ(outcome.finished.completion_tokens, 7);
}

TEST(TextLoop, GivesHeldBackTextWhenTheAnswerEndsBeforeTheStopString) {
  Text cut(1, 4, saying("abSTnever")), ended(1, 4, saying("abST"));
  const Outcome length = cut.run(json::object{{"max_tokens", 4}, {"stop", json::array{"STOP"}}});
  EXPECT_EQ(length.finished.text, "abST");
  EXPECT_EQ(joined(length), "abST");
  EXPECT_EQ(length.finished.reason, FinishReason::kLength);
  const Outcome end = ended.run(json::object{{"max_tokens", 9}, {"stop", json::array{"STOP"}}});
  EXPECT_EQ(joined(end), "abST");
  EXPECT_EQ(end.finished.reason, FinishReason::kStop);
}

TEST(TextLoop, StreamsOnlyWholeCharacters) {
  Text text(1, 4, saying("\u00e9\u20ac"));
  const Outcome outcome = text.run(json::object{{"max_tokens", 30}});
  EXPECT_EQ(outcome.tokens[0].text, "");
  EXPECT_EQ(outcome.tokens[1].text, "\u00e9");
  EXPECT_EQ(outcome.finished.text, "\u00e9\u20ac");
  Text broken(1, 4, saying("a\xE2\x82"));
  EXPECT_EQ(broken.run(json::object{{"max_tokens", 30}}).finished.text, "a\uFFFD");
}

TEST(TextLoop, EndsAtMaxTokensAndAtTheContext) {
  Text text(1, 4, saying(std::string(100, 'k')), 20);
  EXPECT_EQ(text.run(json::object{{"prompt", "12345"}, {"max_tokens", 3}}).finished.text, "kkk");
  const Outcome full = text.run(json::object{{"prompt", "12345"}, {"max_tokens", 1000}});
  EXPECT_EQ(full.finished.completion_tokens, 15);
  EXPECT_EQ(full.finished.reason, FinishReason::kLength);
}

TEST(TextLoop, GivesLogProbabilitiesWhenAsked) {
  Text text(1, 4);
  const Outcome outcome = text.run(json::object{{"max_tokens", 3}, {"logprobs", 2}, {"seed", 3}});
  for (const auto& token : outcome.tokens) {
    EXPECT_LT(token.logprob, 0);
    ASSERT_EQ(token.top.size(), 2u);
    EXPECT_GE(token.top[0].second, token.top[1].second);
  }
}

// Submits by hand, to look between steps.
struct Watched {
  explicit Watched(Request request) {
    job = std::make_unique<Job>();
    job->request = std::move(request);
    job->sink = [this](Event event) { events.push_back(std::move(event)); };
  }
  template <class T>
  int count() const {
    return static_cast<int>(
        std::ranges::count_if(events, [](const Event& e) { return std::holds_alternative<T>(e); }));
  }
  const Error& error() const { return std::get<Failed>(events.back()).error; }
  JobPtr job;
  std::vector<Event> events;
};

void start(Loop& loop, std::vector<Watched*> watched) {
  std::vector<JobPtr> jobs;
  for (auto* one : watched) jobs.push_back(std::move(one->job));
  loop.start(std::move(jobs));
}

TEST(TextLoop, ACancelledSequenceFreesItsSlotWithinOneStep) {
  Text text(2, 4, saying(std::string(50, 'k')));
  Watched one(text.request({{"max_tokens", 40}})), two(text.request({{"max_tokens", 40}}));
  const CancelToken cancel = one.job->request.cancel;
  start(*text.loaded.loop, {&one, &two});
  text.loaded.loop->step();
  EXPECT_EQ(text.loaded.loop->running(), 2u);
  cancel.cancel();
  text.loaded.loop->step();
  EXPECT_EQ(text.loaded.loop->running(), 1u);
  EXPECT_EQ(one.error().code, Code::kCancelled);
  EXPECT_EQ(one.count<Token>(), 1);
  EXPECT_EQ(two.count<Token>(), 2);
  text.loaded.loop->abandon({Code::kUnavailable, "over"});
  EXPECT_EQ(two.error().code, Code::kUnavailable);
}

TEST(TextLoop, ADeadlineThatPassesEndsTheSequence) {
  ManualClock clock;
  Text text(1, 4);
  text.loaded = *load_package_with(
      text.package, parser_of(text.package),
      std::make_unique<FakeModel>(text_function(saying("aaaaaaa"), true)), clock, nullptr);
  Watched one(text.request({{"max_tokens", 6}}));
  one.job->request.deadline = clock.now() + std::chrono::seconds(1);
  start(*text.loaded.loop, {&one});
  text.loaded.loop->step();
  clock.advance(std::chrono::seconds(2));
  text.loaded.loop->step();
  EXPECT_EQ(text.loaded.loop->running(), 0u);
  EXPECT_EQ(one.error().code, Code::kDeadlineExceeded);
}

TEST(TextLoop, OneBadSequenceDoesNotFailItsNeighbours) {
  for (const std::int64_t chunk : {0, 4}) {
    Text text(3, chunk);
    const auto alone = text.run(kStory).finished.text;
    // Refuses every call in which a row's first counted token is '!', as a framework would: the
    // whole call.
    const auto honest = text_function(random_letters, chunk > 0);
    text.use([honest, chunk](auto arguments, auto& seen) -> Result<std::vector<Tensor>> {
      const auto width = arguments[0].shape()[1];
      for (std::int64_t row = 0; row < arguments[0].shape()[0]; ++row) {
        const bool counts = chunk == 0 || load(arguments[2], static_cast<std::size_t>(row)) > 0;
        if (counts && load(arguments[0], static_cast<std::size_t>(row * width)) == '!')
          return fail(Code::kInternal, "boom");
      }
      return honest(arguments, seen);
    });
    std::vector<Request> requests;
    requests.push_back(text.request({{"prompt", "!"}}));
    requests.push_back(text.request(kStory));
    const auto outcomes = run_together(*text.loaded.loop, std::move(requests));
    ASSERT_FALSE(outcomes[0]);
    EXPECT_EQ(outcomes[0].error().message, "boom");
    ASSERT_TRUE(outcomes[1]) << outcomes[1].error().message;
    EXPECT_EQ(outcomes[1]->finished.text, alone);
  }
}

TEST(TextLoop, LogitsThatAreNotNumbersFailOnlyTheirSequence) {
  Text text(2, 4, [](std::uint64_t seen, std::span<float> logits) {
    random_letters(seen, logits);
    if (seen == saw(0, '!')) logits[3] = std::nanf("");
  });
  std::vector<Request> requests;
  requests.push_back(text.request({{"prompt", "!"}}));
  requests.push_back(text.request(kStory));
  const auto outcomes = run_together(*text.loaded.loop, std::move(requests));
  ASSERT_FALSE(outcomes[0]);
  EXPECT_EQ(outcomes[0].error().code, Code::kDataLoss);
  EXPECT_TRUE(outcomes[1]);
}

TEST(TextLoop, NeedsATokenizer) {
  const auto package = text_package(1, 8, 0);
  ModelCaller caller(std::make_unique<FakeModel>(text_function(random_letters, false)),
                     Clock::real(), nullptr);
  EXPECT_FALSE(make_loop(package.manifest, caller, nullptr));
}

}  // namespace
}  // namespace serin::engine
