// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <new>
#include <thread>

#include "base/files.h"
#include "engine/fake_model.h"
#include "engine/job.h"
#include "engine/profile.h"

namespace serin::engine {
namespace {

using namespace fake;
using std::chrono::milliseconds;

// What a request was told, for a test to wait on.
class Answer {
 public:
  Sink sink() {
    return [this](Event event) {
      const std::lock_guard lock(mutex_);
      if (std::holds_alternative<Token>(event)) ++tokens_;
      if (std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event)) {
        EXPECT_FALSE(end_) << "a request ends once";
        end_ = std::move(event);
      }
      changed_.notify_all();
    };
  }
  Event end() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return end_.has_value(); }));
    return end_ ? *end_ : Event(Failed{});
  }
  void wait_tokens(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return tokens_ >= count; }));
  }
  float number() {
    const Event event = end();
    const auto* finished = std::get_if<Finished>(&event);
    return finished ? finished->outputs.at("y").values<float>()[0] : NAN;
  }
  Code code() {
    const Event event = end();
    const auto* failed = std::get_if<Failed>(&event);
    return failed ? failed->error.code : Code::kUnknown;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Event> end_;
  int tokens_ = 0;
};

// A model's call waits here until the test lets it through.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void wait_arrived(int count = 1) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return arrived_ >= count; }));
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

struct Running {
  Running(model::Package made, FakeModel::Function function, EngineOptions options = {},
          Observer* observer = nullptr, std::size_t calls_at_once = 1)
      : package(std::move(made)), parser(parser_of(package)) {
    auto created = Engine::create_with(
        package, parser, std::make_unique<FakeModel>(std::move(function), calls_at_once), options,
        Clock::real(), observer);
    EXPECT_TRUE(created) << created.error().message;
    engine = *std::move(created);
  }
  Status submit(const json::object& fields, Answer& answer) {
    return engine->submit(*parser.parse(fields), answer.sink());
  }
  model::Package package;
  RequestParser parser;
  std::unique_ptr<Engine> engine;
};

FakeModel::Function gated(Gate& gate, FakeModel::Function function) {
  return [&gate, function](std::span<const Tensor> arguments, auto& state) {
    gate.pass();
    return function(arguments, state);
  };
}

const auto kSquare = by_row([](float x) { return x * x; });

TEST(EngineTest, AnswersRequestsFromManyThreadsEachWithItsOwn) {
  EngineOptions options;
  options.queue_requests = 10'000;
  Running running(number_package({1, 4, 8}), kSquare, options);
  constexpr int kThreads = 4, kEach = 200;
  std::vector<Answer> answers(kThreads * kEach);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          const int x = t * kEach + i;
          EXPECT_TRUE(running.submit({{"x", x}}, answers[static_cast<std::size_t>(x)]));
        }
      });
    }
  }
  for (std::size_t x = 0; x < answers.size(); ++x) {
    EXPECT_EQ(answers[x].number(), static_cast<float>(x * x));
  }
}

TEST(EngineTest, RunsTogetherWhatCameWhileItWasBusy) {
  struct Batches final : Observer {
    void batch_ran(std::int64_t rows, std::int64_t padded, Duration) override {
      ran.emplace_back(rows, padded);
    }
    void left_queue(Duration waited) override {
      EXPECT_GE(waited.count(), 0);
      ++left;
    }
    std::vector<std::pair<std::int64_t, std::int64_t>> ran;
    int left = 0;
  } batches;
  Gate gate;
  Answer first, others[3];
  {
    Running running(number_package({1, 4}), gated(gate, kSquare), {}, &batches);
    ASSERT_TRUE(running.submit({{"x", 2}}, first));
    gate.wait_arrived();
    for (auto& other : others) ASSERT_TRUE(running.submit({{"x", 3}}, other));
    gate.open();
    EXPECT_EQ(first.number(), 4);
    for (auto& other : others) EXPECT_EQ(other.number(), 9);
  }
  const std::vector<std::pair<std::int64_t, std::int64_t>> expected{{1, 1}, {3, 4}};
  EXPECT_EQ(batches.ran, expected);
  EXPECT_EQ(batches.left, 4);
}

TEST(EngineTest, RefusesWhenTheQueueIsFullAndTellsItsState) {
  Gate gate;
  EngineOptions options;
  options.queue_requests = 2;
  Answer answers[4];
  Running running(number_package({1}), gated(gate, kSquare), options);
  ASSERT_TRUE(running.submit({}, answers[0]));
  gate.wait_arrived();
  EXPECT_TRUE(running.submit({}, answers[1]));
  EXPECT_TRUE(running.submit({}, answers[2]));
  const auto refused = running.submit({}, answers[3]);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_TRUE(refused.error().retry_after);
  const EngineState state = running.engine->state();
  EXPECT_EQ(state.waiting, 2u);
  EXPECT_EQ(state.running, 1u);
  EXPECT_EQ(state.waiting_cost, 2);
  EXPECT_TRUE(state.in_call);
  EXPECT_GE(state.call_started, state.last_advance);
  EXPECT_EQ(state.device_memory_bytes, 1234u);
  gate.open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answers[i].number(), 1);
  EXPECT_TRUE(running.engine->drain(milliseconds(60'000)));
  EXPECT_FALSE(running.engine->state().in_call);
}

TEST(EngineTest, RunsAsManyCallsAtOnceAsTheModelTakes) {
  Gate gate;
  std::deque<Answer> answers(7);
  Running running(number_package({1}), gated(gate, kSquare), {}, nullptr, 3);
  for (std::size_t x = 0; x < answers.size(); ++x)
    ASSERT_TRUE(running.submit({{"x", x}}, answers[x]));
  gate.wait_arrived(3);
  const EngineState state = running.engine->state();
  EXPECT_EQ(state.running, 3u);
  EXPECT_EQ(state.waiting, 4u);
  EXPECT_TRUE(state.in_call);
  gate.open();
  for (std::size_t x = 0; x < answers.size(); ++x)
    EXPECT_EQ(answers[x].number(), static_cast<float>(x * x));
  EXPECT_TRUE(running.engine->drain(milliseconds(60'000)));
  EXPECT_EQ(running.engine->state().running, 0u);
}

TEST(EngineTest, EachOfSeveralTextsAtOnceIsWhatItIsAlone) {
  const auto text_of = [](Answer& answer) {
    const Event end = answer.end();
    const auto* finished = std::get_if<Finished>(&end);
    return finished ? finished->text : "failed";
  };
  Running alone(text_package(1, 40, 4), text_function(random_letters, true));
  Running together(text_package(2, 40, 4), text_function(random_letters, true), {}, nullptr, 3);
  std::deque<Answer> one(24), another(24);
  for (std::size_t i = 0; i < one.size(); ++i) {
    const json::object fields{{"seed", i}, {"max_tokens", 20}};
    ASSERT_TRUE(alone.submit(fields, one[i]));
    ASSERT_TRUE(together.submit(fields, another[i]));
  }
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_EQ(text_of(another[i]), text_of(one[i]));
}

TEST(EngineTest, OneCallThatHangsIsNoStandstillWhileOthersAdvanceBesideIt) {
  Gate gate;
  Running running(number_package({1}), by_row([&](float x) {
                    if (x == 0) gate.pass();
                    return x;
                  }),
                  {}, nullptr, 2);
  Answer hangs, passes;
  ASSERT_TRUE(running.submit({{"x", 0}}, hangs));
  gate.wait_arrived();
  const Instant before = Clock::real().now();
  EXPECT_LE(running.engine->state().call_started, before);
  ASSERT_TRUE(running.submit({{"x", 5}}, passes));
  EXPECT_EQ(passes.number(), 5);
  const EngineState state = running.engine->state();
  EXPECT_TRUE(state.in_call);
  EXPECT_GE(state.call_started, before);
  gate.open();
  EXPECT_EQ(hangs.number(), 0);
}

TEST(EngineTest, DrainsWhatItHasAndRefusesWhatIsNew) {
  Gate gate;
  Answer first, second, late;
  Running running(number_package({1}), gated(gate, kSquare));
  ASSERT_TRUE(running.submit({{"x", 3}}, first));
  ASSERT_TRUE(running.submit({{"x", 4}}, second));
  gate.wait_arrived();
  auto drained =
      std::async(std::launch::async, [&] { return running.engine->drain(milliseconds(60'000)); });
  gate.open();
  EXPECT_TRUE(drained.get());
  EXPECT_EQ(first.number(), 9);
  EXPECT_EQ(second.number(), 16);
  const auto refused = running.submit({}, late);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
}

TEST(EngineTest, FailsWhatADrainDidNotSeeFinish) {
  Gate gate;
  Answer in_call, waiting;
  Running running(number_package({1}), gated(gate, kSquare));
  ASSERT_TRUE(running.submit({{"x", 3}}, in_call));
  gate.wait_arrived();
  ASSERT_TRUE(running.submit({{"x", 4}}, waiting));
  EXPECT_FALSE(running.engine->drain(milliseconds(1)));
  gate.open();
  EXPECT_EQ(in_call.number(), 9) << "its call was the last";
  EXPECT_EQ(waiting.code(), Code::kUnavailable);
}

TEST(EngineTest, FailsWhatIsStillThereWhenItEnds) {
  Gate gate;
  Answer in_call, waiting;
  std::jthread opener;
  {
    Running running(number_package({1}), gated(gate, kSquare));
    ASSERT_TRUE(running.submit({}, in_call));
    gate.wait_arrived();
    ASSERT_TRUE(running.submit({}, waiting));
    opener = std::jthread([&] {
      std::this_thread::sleep_for(
          milliseconds(20));  // the engine's end has begun by then, or soon does
      gate.open();
    });
  }
  in_call.end();
  waiting.end();
}

TEST(EngineTest, DropsWhatIsCancelledOrLateInTheQueueUnrun) {
  Gate gate;
  std::atomic<int> rows = 0;
  Answer first, cancelled, late;
  Running running(number_package({1}), gated(gate, by_row([&](float x) {
                                               ++rows;
                                               return x;
                                             })));
  ASSERT_TRUE(running.submit({}, first));
  gate.wait_arrived();
  Request gone = *running.parser.parse({}), expired = *running.parser.parse({});
  const CancelToken token = gone.cancel;
  expired.deadline = Clock::real().now();
  ASSERT_TRUE(running.engine->submit(std::move(gone), cancelled.sink()));
  ASSERT_TRUE(running.engine->submit(std::move(expired), late.sink()));
  token.cancel();
  gate.open();
  EXPECT_EQ(cancelled.code(), Code::kCancelled);
  EXPECT_EQ(late.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(first.number(), 1);
  EXPECT_EQ(rows, 1);
}

TEST(EngineTest, NewSequencesJoinWhileOthersRun) {
  Gate gate;
  const auto letters =
      text_function([](std::uint64_t, std::span<float> logits) { logits['k'] = 50; }, true);
  Answer answer, second;
  Running running(text_package(2, 4000, 4), gated(gate, letters));
  ASSERT_TRUE(running.submit({{"max_tokens", 3000}}, answer));
  gate.wait_arrived();
  ASSERT_TRUE(running.submit({{"max_tokens", 5}}, second));
  gate.open();
  const Event end = second.end();
  ASSERT_TRUE(std::holds_alternative<Finished>(end));
  EXPECT_EQ(std::get<Finished>(end).text, "kkkkk");
}

TEST(EngineTest, ACancelledSequenceEndsWhileItRuns) {
  const auto letters =
      text_function([](std::uint64_t, std::span<float> logits) { logits['k'] = 50; }, true);
  Answer answer;
  Running running(text_package(1, 4000, 4), letters);
  Request request = *running.parser.parse({{"max_tokens", 3900}});
  const CancelToken token = request.cancel;
  ASSERT_TRUE(running.engine->submit(std::move(request), answer.sink()));
  answer.wait_tokens(3);
  token.cancel();
  const Event end = answer.end();
  EXPECT_TRUE(std::holds_alternative<Failed>(end) ||
              std::get<Finished>(end).completion_tokens == 3900);
}

TEST(EngineTest, AnIdleEngineRunsItsSmallestGoldenRequest) {
  std::atomic<int> calls = 0;
  EngineOptions options;
  options.idle_probe_interval = milliseconds(5);
  Running running(number_package({1}), by_row([&](float x) {
                    ++calls;
                    return x;
                  }),
                  options);
  const Instant start = running.engine->state().last_advance;
  const Instant give_up = Clock::real().now() + std::chrono::seconds(60);
  while (calls < 3 && Clock::real().now() < give_up) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_GE(calls, 3);
  EXPECT_GT(running.engine->state().last_advance, start);
}

TEST(EngineTest, AProbeThatFailsDoesNotCountAsAdvance) {
  std::atomic<int> calls = 0;
  EngineOptions options;
  options.idle_probe_interval = milliseconds(2);
  Running running(
      number_package({1}),
      [&](std::span<const Tensor>, auto&) -> Result<std::vector<Tensor>> {
        ++calls;
        return fail(Code::kInternal, "broken");
      },
      options);
  const Instant start = running.engine->state().last_advance;
  const Instant give_up = Clock::real().now() + std::chrono::seconds(60);
  while (calls < 2 && Clock::real().now() < give_up) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_GE(calls, 2);
  EXPECT_EQ(running.engine->state().last_advance, start);
}

// Throws once, where it is told to.
class Thrower final : public Observer {
 public:
  explicit Thrower(bool in_queue) : in_queue_(in_queue) {}
  void batch_ran(std::int64_t, std::int64_t, Duration) override {
    if (!in_queue_ && !std::exchange(thrown_, true)) throw std::bad_alloc();
  }
  void left_queue(Duration) override {
    if (in_queue_ && !std::exchange(thrown_, true)) throw 42;
  }

 private:
  const bool in_queue_;
  bool thrown_ = false;
};

TEST(EngineTest, WhateverThrowsInTheDeviceThreadEveryRequestEndsOnce) {
  for (const bool in_queue : {true, false}) {
    Gate gate;
    Thrower observer(in_queue);
    EngineOptions options;
    options.idle_probe_interval = std::chrono::hours(1);
    auto package = number_package({1, 2, 4});
    Running running(package, gated(gate, kSquare), options, &observer);
    std::deque<Answer> answers(4);
    for (Answer& answer : answers) ASSERT_TRUE(running.submit({{"x", 3}}, answer));
    gate.open();
    int failed = 0;
    for (Answer& answer : answers) failed += std::holds_alternative<Failed>(answer.end()) ? 1 : 0;
    EXPECT_GE(failed, 1) << in_queue;
    Answer after;
    ASSERT_TRUE(running.submit({{"x", 5}}, after));
    EXPECT_EQ(after.number(), 25) << "the engine lives on";
  }
}

TEST(EngineTest, AModelThatThrowsWhatIsNoExceptionFailsItsRequestAlone) {
  Running running(number_package({1}), by_row([](float x) {
                    if (x < 0) throw 42;
                    return x;
                  }));
  Answer bad;
  Answer good;
  ASSERT_TRUE(running.submit({{"x", -1}}, bad));
  ASSERT_TRUE(running.submit({{"x", 1}}, good));
  EXPECT_EQ(bad.code(), Code::kInternal);
  EXPECT_EQ(good.number(), 1);
}

TEST(EngineTest, ASinkThatThrowsFailsItsOwnRequestAlone) {
  Running running(text_package(2, 60, 4), text_function(random_letters, true));
  std::atomic<int> ends = 0;
  std::atomic<int> tokens = 0;
  std::promise<Error> error;
  auto sink = [&](Event event) {
    if (std::holds_alternative<Token>(event) && ++tokens == 2) throw std::bad_alloc();
    if (std::holds_alternative<Finished>(event)) ++ends;
    if (const auto* failed = std::get_if<Failed>(&event)) {
      ++ends;
      error.set_value(failed->error);
    }
  };
  Answer neighbour;
  const json::object fields{{"max_tokens", 20}, {"logit_bias", {{"0", -100}}}};
  ASSERT_TRUE(running.engine->submit(*running.parser.parse(fields), sink));
  ASSERT_TRUE(running.submit(fields, neighbour));
  EXPECT_EQ(error.get_future().get().reason, "event_lost");
  EXPECT_TRUE(std::holds_alternative<Finished>(neighbour.end()));
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(tokens, 2) << "nothing comes after the end";
}

TEST(JobTest, OneThatGoesWithoutAnEndSaysFailedOnItsWay) {
  std::vector<Event> events;
  {
    Job job;
    job.sink = [&](Event event) { events.push_back(std::move(event)); };
    job.send(Started{});
  }
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::get<Failed>(events[1]).error.reason, "request_lost");
}

TEST(JobTest, OneThatHasEndedOrWasRefusedSaysNothingMore) {
  int events = 0;
  {
    Job finished;
    finished.sink = [&](const Event&) { ++events; };
    finished.finish({});
    finished.fail({Code::kInternal, "late"});
    Job refused;
    refused.sink = [&](const Event&) { ++events; };
    refused.withdraw();
  }
  EXPECT_EQ(events, 1);
}

// Golden requests with files in a temporary folder.
struct Golden {
  Golden(float expected) : directory(*TemporaryDirectory::create()), package(number_package({2})) {
    package.root = directory.path();
    const Tensor tensor = floats({}, {expected});
    EXPECT_TRUE(write_file(package.root / "0.y.npy", *to_npy(tensor)));
    package.manifest.golden = {{json::object{{"x", 3}, {"seed", 0}}, {{"y", "0.y.npy"}}, 1e-3}};
  }
  Result<std::unique_ptr<Engine>> start(FakeModel::Function function) {
    return Engine::create_with(package, parser_of(package),
                               std::make_unique<FakeModel>(std::move(function)), {}, Clock::real(),
                               nullptr);
  }
  TemporaryDirectory directory;
  model::Package package;
};

TEST(EngineTest, StartsOnlyWhenItsGoldenRequestsGiveWhatTheyMust) {
  Golden right(9.0005f), wrong(9.5f);
  EXPECT_TRUE(right.start(kSquare));
  const auto refused = wrong.start(kSquare);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kFailedPrecondition);
  EXPECT_NE(refused.error().message.find("golden request 0: y differs by 0.5 at index 0"),
            std::string::npos)
      << refused.error().message;
  EXPECT_FALSE(right.start(by_row([](float) { return NAN; })));
}

TEST(EngineTest, ComparesGoldenTextExactly) {
  auto package = text_package(1, 30, 4);
  package.manifest.golden = {{json::object{{"seed", 1}, {"max_tokens", 3}}, {{"text", "kkk"}}, 0}};
  const auto letters =
      text_function([](std::uint64_t, std::span<float> logits) { logits['k'] = 50; }, true);
  const auto start = [&] {
    return Engine::create_with(package, parser_of(package), std::make_unique<FakeModel>(letters),
                               {}, Clock::real(), nullptr);
  };
  EXPECT_TRUE(start());
  package.manifest.golden[0].expect[0].second = "kkx";
  const auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("part at byte 2"), std::string::npos)
      << refused.error().message;
}

TEST(Profile, NamesDeviceInstructionsAndThreads) {
  EXPECT_EQ(profile_of({}, "x86-64-v4+amx", 2), "cpu/x86-64-v4+amx/threads=2");
  EXPECT_EQ(profile_of({Device::Kind::kCuda, 1}, "x86-64-v3", 1), "cuda/x86-64-v3/threads=1");
  EXPECT_FALSE(instruction_set().empty());
}

}  // namespace
}  // namespace serin::engine
