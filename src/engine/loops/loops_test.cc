// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "engine/fake_model.h"
#include "engine/loaded_package.h"
#include "engine/loops/diffusion_math.h"

namespace serin::engine {
namespace {

using namespace fake;

LoadedPackage loaded_with(const model::Package& package, FakeModel::Function function) {
  auto loaded =
      load_package_with(package, parser_of(package),
                        std::make_unique<FakeModel>(std::move(function)), Clock::real(), nullptr);
  EXPECT_TRUE(loaded);
  return *std::move(loaded);
}

std::vector<Result<Outcome>> run(LoadedPackage& loaded, const std::vector<json::object>& all) {
  std::vector<Request> requests;
  for (const auto& fields : all) {
    auto parsed = loaded.parser->parse(fields);
    EXPECT_TRUE(parsed) << parsed.error().message;
    requests.push_back(*parsed);
  }
  return run_together(*loaded.loop, std::move(requests));
}

float number_in(const Result<Outcome>& outcome) {
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome ? outcome->finished.outputs.at("y").values<float>()[0] : NAN;
}

TEST(OnceLoop, GivesEveryRequestItsOwnRow) {
  const auto package = number_package({4});
  auto loaded = loaded_with(package, by_row([](float x) { return x * x; }));
  const auto outcomes = run(loaded, {{{"x", 2}}, {{"x", 3}}, {{"x", 5}}});
  EXPECT_EQ(number_in(outcomes[0]), 4);
  EXPECT_EQ(number_in(outcomes[1]), 9);
  EXPECT_EQ(number_in(outcomes[2]), 25);
}

TEST(OnceLoop, PadsToTheNextSizeAndSplitsAtTheLargest) {
  const auto package = number_package({1, 4});
  std::vector<std::int64_t> batches;
  auto loaded = loaded_with(package, [&](std::span<const Tensor> arguments, auto& state) {
    batches.push_back(arguments[0].shape()[0]);
    return by_row([](float x) { return x; })(arguments, state);
  });
  run(loaded, {{}});
  run(loaded, {{}, {}});
  run(loaded, {{}, {}, {}, {}, {}});
  EXPECT_EQ(batches, (std::vector<std::int64_t>{1, 4, 4, 1}));
}

TEST(OnceLoop, AValueThatIsNotFiniteFailsOnlyItsRequest) {
  const auto package = number_package({4});
  auto loaded = loaded_with(package, by_row([](float x) { return std::log(x); }));
  const auto outcomes = run(loaded, {{{"x", 1}}, {{"x", -1}}, {{"x", 0}}});
  EXPECT_EQ(number_in(outcomes[0]), 0);
  ASSERT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[1].error().code, Code::kDataLoss);
  EXPECT_NE(outcomes[1].error().message.find("y at index 0"), std::string::npos);
  EXPECT_FALSE(outcomes[2]);
}

TEST(OnceLoop, RunsEachRequestOfAFailedBatchOnceMoreAlone) {
  const auto package = number_package({4});
  int calls = 0;
  auto loaded = loaded_with(
      package, [&](std::span<const Tensor> arguments, auto& state) -> Result<std::vector<Tensor>> {
        ++calls;
        for (const float x : arguments[0].values<float>()) {
          if (x == 13) throw std::runtime_error("unlucky");
        }
        return by_row([](float x) { return x; })(arguments, state);
      });
  const auto outcomes = run(loaded, {{{"x", 1}}, {{"x", 13}}, {{"x", 2}}});
  EXPECT_EQ(number_in(outcomes[0]), 1);
  ASSERT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[1].error().code, Code::kInternal);
  EXPECT_NE(outcomes[1].error().message.find("unlucky"), std::string::npos);
  EXPECT_EQ(number_in(outcomes[2]), 2);
  EXPECT_EQ(calls, 4);
}

TEST(OnceLoop, DoesNotTryAgainAloneWhatNoRowIsToBlameFor) {
  const auto package = number_package({4});
  int calls = 0;
  auto loaded = loaded_with(package, [&](auto, auto&) -> Result<std::vector<Tensor>> {
    ++calls;
    return fail(Code::kUnavailable, "nobody is there");
  });
  for (const auto& outcome : run(loaded, {{}, {}, {}}))
    EXPECT_EQ(outcome.error().code, Code::kUnavailable);
  EXPECT_EQ(calls, 1);
}

TEST(OnceLoop, TellsTheModelWhenNobodyWaitsForItsCallAnyMore) {
  const auto package = number_package({1, 2});
  std::vector<CancelToken> clients;
  std::vector<bool> gone;
  const auto look = [&](const Abandoned& abandoned) {
    for (const CancelToken& client : clients) {
      gone.push_back(abandoned());
      client.cancel();
    }
    gone.push_back(abandoned());
  };
  auto loaded = *load_package_with(package, parser_of(package),
                                   std::make_unique<FakeModel>(
                                       [](auto, auto&) -> Result<std::vector<Tensor>> {
                                         return fail(Code::kCancelled, "given up");
                                       },
                                       1, look),
                                   Clock::real(), nullptr);
  std::vector<Request> requests;
  for (int i = 0; i < 2; ++i) {
    requests.push_back(*loaded.parser->parse({}));
    clients.push_back(requests.back().cancel);
  }
  for (const auto& outcome : run_together(*loaded.loop, std::move(requests)))
    EXPECT_EQ(outcome.error().code, Code::kCancelled);
  EXPECT_EQ(gone, (std::vector<bool>{false, false, true}));
}

TEST(OnceLoop, RefusesResultsThatTheManifestDoesNotDeclare) {
  const auto package = number_package({2});
  auto loaded =
      loaded_with(package, [](std::span<const Tensor>, auto&) -> Result<std::vector<Tensor>> {
        return std::vector<Tensor>{Tensor(DType::kFloat32, {2, 3})};
      });
  const auto outcomes = run(loaded, {{}});
  ASSERT_FALSE(outcomes[0]);
  EXPECT_NE(outcomes[0].error().message.find("[2, 3]"), std::string::npos);
}

// A diffusion whose data is known: 3 for the label "three", 0 for "none", moved by noise. The model
// sees the state and the time and predicts what is right for them.
using Predicts = model::DiffusionLoop::Predicts;
using Schedule = model::DiffusionLoop::Schedule;

model::Package diffusion_package(Predicts predicts, Schedule schedule, bool guided) {
  const Shape state{model::kBatchDimension, 5};
  model::Package package;
  auto& m = package.manifest;
  model::LabelInput label;
  label.labels = {"none", "three"};
  label.default_label = "three";
  model::NoiseInput noise;
  noise.shape = {5};
  m.inputs = {{"noise", "", noise}, {"label", "", label}};
  m.call.arguments = {{"x", "noise", DType::kFloat32, state},
                      {"t", "", DType::kFloat32, {model::kBatchDimension}},
                      {"label", "label", DType::kInt64, {model::kBatchDimension}}};
  m.call.results = {{"p", DType::kFloat32, state}};
  model::DiffusionLoop loop;
  loop.state = "x";
  loop.timestep = "t";
  loop.prediction = "p";
  loop.predicts = predicts;
  loop.schedule = schedule;
  if (guided) loop.guidance = model::DiffusionLoop::Guidance{2, 0, 10, "label", "none"};
  m.loop = loop;
  m.outputs = {{"y", "state", model::TensorOutput{}}};
  m.batching.sizes = {4};
  return package;
}

double predicted(Predicts predicts, Schedule schedule, double x, double t, double data) {
  const double angle = std::numbers::pi / 2 * t;
  const double signal = schedule == Schedule::kLinear ? 1 - t : std::cos(angle);
  const double sigma = schedule == Schedule::kLinear ? t : std::sin(angle);
  const double noise = (x - signal * data) / sigma;
  return predicts == Predicts::kSample    ? data
         : predicts == Predicts::kEpsilon ? noise
                                          : noise - data;
}

FakeModel::Function predicting(Predicts predicts, Schedule schedule) {
  return [=](std::span<const Tensor> arguments, auto&) -> Result<std::vector<Tensor>> {
    Tensor p(DType::kFloat32, arguments[0].shape());
    for (std::size_t i = 0; i < static_cast<std::size_t>(p.elements()); ++i) {
      const double data = arguments[2].values<std::int64_t>()[i / 5] == 1 ? 3 : 0;
      store(p, i,
            predicted(predicts, schedule, load(arguments[0], i), load(arguments[1], i / 5), data));
    }
    return std::vector<Tensor>{p};
  };
}

TEST(DiffusionLoop, EveryScheduleAndPredictionArrivesAtTheData) {
  for (const auto& [predicts, schedule] : {std::pair{Predicts::kVelocity, Schedule::kLinear},
                                           {Predicts::kVelocity, Schedule::kCosine},
                                           {Predicts::kSample, Schedule::kCosine}}) {
    const auto package = diffusion_package(predicts, schedule, false);
    auto loaded = loaded_with(package, predicting(predicts, schedule));
    for (const int steps : {1, 2, 7, 50}) {
      const auto outcomes = run(loaded, {{{"seed", 5}, {"steps", steps}}});
      EXPECT_NEAR(number_in(outcomes[0]), 3, 1e-4) << static_cast<int>(predicts) << " " << steps;
    }
  }
}

TEST(DiffusionLoop, EpsilonTakesTheDataAsZeroAtPureNoise) {
  model::DiffusionLoop loop;
  loop.predicts = Predicts::kEpsilon;
  loop.schedule = Schedule::kCosine;
  std::vector<float> state{2}, prediction{-7};
  diffusion_step(loop, 0, 2, prediction, state);
  EXPECT_FLOAT_EQ(state[0], 2 * std::sqrt(0.5f));
  diffusion_step(loop, 1, 2, prediction, state);
  EXPECT_NEAR(state[0], 2 + 7, 1e-5) << "(x − sigma·epsilon) / signal";
}

// Vectors made by examples/sampling.py: cosine_step and linear_step.
TEST(DiffusionLoop, StepsAsThePythonReferenceDoes) {
  model::DiffusionLoop loop;
  loop.predicts = Predicts::kSample;
  loop.schedule = Schedule::kCosine;
  std::vector<float> state{0.5f, -1.25f}, prediction{0.25f, 2.0f};
  diffusion_step(loop, 3, 10, prediction, state);
  EXPECT_FLOAT_EQ(state[0], 0.4978831112f);
  EXPECT_FLOAT_EQ(state[1], -0.7838352323f);
  loop.schedule = Schedule::kLinear;
  state = {0.5f, -1.25f};
  diffusion_step(loop, 3, 10, prediction, state);
  EXPECT_FLOAT_EQ(state[0], 0.475f);
  EXPECT_FLOAT_EQ(state[1], -1.45f);
}

TEST(DiffusionLoop, GuidanceMovesAwayFromTheUnconditionalPrediction) {
  const auto package = diffusion_package(Predicts::kVelocity, Schedule::kLinear, true);
  auto loaded = loaded_with(package, predicting(Predicts::kVelocity, Schedule::kLinear));
  // The data is 3 or 0, so with a guidance of g it is 3 g, whatever the noise.
  for (const double guidance : {0.0, 1.0, 2.5}) {
    const auto outcomes = run(loaded, {{{"seed", 5}, {"steps", 1}, {"guidance", guidance}}});
    EXPECT_NEAR(number_in(outcomes[0]), 3 * guidance, 1e-4);
  }
}

TEST(DiffusionLoop, RequestsOfDifferentStepsShareTheirCalls) {
  const auto package = diffusion_package(Predicts::kVelocity, Schedule::kLinear, false);
  int calls = 0;
  auto loaded = loaded_with(package, [&](std::span<const Tensor> arguments, auto& state) {
    ++calls;
    return predicting(Predicts::kVelocity, Schedule::kLinear)(arguments, state);
  });
  const json::object three{{"seed", 1}, {"steps", 3}}, seven{{"seed", 2}, {"steps", 7}};
  const float alone = number_in(run(loaded, {three})[0]);
  calls = 0;
  const auto outcomes = run(loaded, {three, seven});
  EXPECT_EQ(calls, 7);
  EXPECT_EQ(number_in(outcomes[0]), alone);
}

TEST(DiffusionLoop, AGuidedRequestTakesTwoPlaces) {
  const auto plain = diffusion_package(Predicts::kVelocity, Schedule::kLinear, false);
  const auto guided = diffusion_package(Predicts::kVelocity, Schedule::kLinear, true);
  const auto function = predicting(Predicts::kVelocity, Schedule::kLinear);
  EXPECT_EQ(loaded_with(plain, function).loop->places(), 4u);
  EXPECT_EQ(loaded_with(guided, function).loop->places(), 2u);
}

TEST(DiffusionLoop, TellsItsProgressWithPreviewsOfTheStateSoFar) {
  const auto package = diffusion_package(Predicts::kVelocity, Schedule::kLinear, false);
  auto loaded = loaded_with(package, predicting(Predicts::kVelocity, Schedule::kLinear));
  auto job = std::make_unique<Job>();
  job->request = *loaded.parser->parse({{"seed", 5}, {"steps", 3}});
  job->request.previews = true;
  const Tensor noise = job->request.inputs.at("noise");
  const std::vector<float> drawn(noise.values<float>().begin(), noise.values<float>().end());
  std::vector<Progress> seen;
  job->sink = [&](const Event& event) {
    if (const auto* progress = std::get_if<Progress>(&event)) seen.push_back(*progress);
  };
  std::vector<JobPtr> jobs;
  jobs.push_back(std::move(job));
  loaded.loop->start(std::move(jobs));
  while (loaded.loop->running() > 0) loaded.loop->step();
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].step, 1);
  EXPECT_EQ(seen[2].steps, 3);
  ASSERT_TRUE(seen[0].preview && seen[1].preview);
  EXPECT_NEAR(seen[0].preview->values<float>()[0], drawn[0] * 2 / 3 + 1, 1e-5);
  EXPECT_NEAR(seen[1].preview->values<float>()[0], drawn[0] / 3 + 2, 1e-5);
  EXPECT_EQ(noise.values<float>()[0], drawn[0]) << "the request's noise is left as it was";
}

TEST(DiffusionLoop, OneThatLeavesDoesNotDisturbTheOthers) {
  const auto package = diffusion_package(Predicts::kVelocity, Schedule::kLinear, false);
  auto loaded = loaded_with(package, predicting(Predicts::kVelocity, Schedule::kLinear));
  const json::object fields{{"seed", 9}, {"steps", 6}};
  const float alone = number_in(run(loaded, {fields})[0]);
  std::vector<JobPtr> jobs;
  std::optional<Finished> finished;
  std::optional<Error> failed;
  for (int i = 0; i < 2; ++i) {
    auto job = std::make_unique<Job>();
    job->request = *loaded.parser->parse(fields);
    job->sink = [&](Event event) {
      if (auto* end = std::get_if<Finished>(&event)) finished = *end;
      if (auto* error = std::get_if<Failed>(&event)) failed = error->error;
    };
    jobs.push_back(std::move(job));
  }
  const CancelToken cancel = jobs[0]->request.cancel;
  loaded.loop->start(std::move(jobs));
  loaded.loop->step();
  cancel.cancel();
  loaded.loop->step();
  EXPECT_EQ(loaded.loop->running(), 1u);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, Code::kCancelled);
  while (loaded.loop->running() > 0) loaded.loop->step();
  ASSERT_TRUE(finished);
  EXPECT_EQ(finished->outputs.at("y").values<float>()[0], alone);
}

}  // namespace
}  // namespace serin::engine
