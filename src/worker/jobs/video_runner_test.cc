// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/video_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <stdexcept>

#include "base/files.h"

namespace serin::worker {
namespace {

// An engine whose events the test sends by hand.
class HandEngine final : public engine::Engine {
 public:
  struct Submitted {
    engine::Request request;
    engine::Sink sink;
  };

  Status submit(engine::Request request, engine::Sink sink) override {
    const std::lock_guard lock(mutex_);
    ++asked_;
    changed_.notify_all();
    if (std::exchange(throws_, false)) throw std::runtime_error("broken");
    if (refusal_) return fail(*refusal_);
    submitted_.push_back({std::move(request), std::move(sink)});
    return {};
  }
  engine::EngineState state() const override { return {}; }
  bool drain(std::chrono::milliseconds) override { return true; }
  std::string profile() const override { return "hand"; }

  // Waits for the next submission.
  std::optional<Submitted> next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kLong, [&] { return !submitted_.empty(); })) return std::nullopt;
    Submitted first = std::move(submitted_.front());
    submitted_.pop_front();
    return first;
  }
  bool is_asked(std::size_t times) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kLong, [&] { return asked_ >= times; });
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return submitted_.size();
  }
  void throw_once() { throws_ = true; }
  void refuse(std::optional<Error> refusal) {
    const std::lock_guard lock(mutex_);
    refusal_ = std::move(refusal);
  }

  static constexpr std::chrono::seconds kLong{60};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Submitted> submitted_;
  std::optional<Error> refusal_;
  std::size_t asked_ = 0;
  bool throws_ = false;
};

class VideoRunnerTest : public testing::Test {
 protected:
  VideoRunnerTest() {
    package_.digest = "sha256:1";
    auto& m = package_.manifest;
    model::NumberInput x;
    m.inputs = {{"x", "", x}};
    m.call.results = {{"clip", DType::kFloat32, {model::kBatchDimension, 2, 4, 4}}};
    model::VideoOutput video;
    video.layout = model::Layout::kTHW;
    video.frame_rate = 10;
    m.outputs = {{"clip", "clip", video}};
    m.batching.sizes = {1, 2};
    parser_.emplace(*engine::RequestParser::create(package_));
    store_ = *VideoStore::open(temporary_.path(), {}, clock_);
  }

  void add(const std::string& id, const std::string& package = "sha256:1") {
    VideoJob job;
    job.id = id;
    job.seed = 7;
    job.package = package;
    job.width = job.height = 4;
    job.frames = 2;
    job.frame_rate = 10;
    job.bytes = 100;
    ASSERT_TRUE(store_->add(job, {{"seed", 7}, {"x", 2}}));
    if (runner_) runner_->wake();
  }
  void start() { runner_ = std::make_unique<VideoRunner>(package_, *parser_, engine_, *store_); }
  static engine::Finished clip(float value) {
    engine::Finished finished;
    Tensor tensor(DType::kFloat32, {2, 4, 4});
    std::ranges::fill(tensor.mutable_values<float>(), value);
    finished.outputs["clip"] = tensor;
    return finished;
  }
  // The runner's thread is on its way there.
  bool becomes(const std::string& id, VideoStatus status, int progress) {
    const auto until = std::chrono::steady_clock::now() + HandEngine::kLong;
    while (std::chrono::steady_clock::now() < until) {
      const auto job = store_->find(id);
      if (job && job->status == status && job->progress == progress) return true;
      std::this_thread::yield();
    }
    return false;
  }

  TemporaryDirectory temporary_ = *TemporaryDirectory::create();
  ManualClock clock_;
  model::Package package_;
  std::optional<engine::RequestParser> parser_;
  std::unique_ptr<VideoStore> store_;
  HandEngine engine_;
  std::unique_ptr<VideoRunner> runner_;
};

TEST_F(VideoRunnerTest, AJobGoesThroughTheEngineToItsClip) {
  start();
  add("a");
  const auto submitted = engine_.next();
  ASSERT_TRUE(submitted);
  EXPECT_EQ(submitted->request.seed, 7u);
  submitted->sink(engine::Started{});
  EXPECT_TRUE(becomes("a", VideoStatus::kInProgress, 0));
  submitted->sink(engine::Progress{3, 4, std::nullopt});
  EXPECT_TRUE(becomes("a", VideoStatus::kInProgress, 75));
  submitted->sink(engine::Progress{4, 4, std::nullopt});
  EXPECT_TRUE(becomes("a", VideoStatus::kInProgress, 99));
  submitted->sink(clip(1));
  ASSERT_TRUE(becomes("a", VideoStatus::kCompleted, 100));
  const auto video = unpack_clip(*store_->clip("a"), 10);
  ASSERT_TRUE(video);
  EXPECT_EQ(video->frames[1].samples, std::vector<std::uint8_t>(16, 255));
}

TEST_F(VideoRunnerTest, JobsOfAnEarlierLifeAreTakenUp) {
  add("a");
  start();
  EXPECT_TRUE(engine_.next());
}

TEST_F(VideoRunnerTest, NoMoreThanABatchIsInTheEngineAtOnce) {
  for (const char* id : {"a", "b", "c"}) add(id);
  start();
  const auto first = engine_.next();
  const auto second = engine_.next();
  ASSERT_TRUE(first && second);
  runner_->wake();
  EXPECT_EQ(engine_.waiting(), 0u);
  first->sink(clip(0));
  EXPECT_TRUE(engine_.next());
}

TEST_F(VideoRunnerTest, AFailureIsKeptWithItsReason) {
  start();
  add("a");
  engine_.next()->sink(engine::Failed{{Code::kInternal, "the model broke"}});
  ASSERT_TRUE(becomes("a", VideoStatus::kFailed, 0));
  EXPECT_EQ(store_->find("a")->error->message, "the model broke");
}

TEST_F(VideoRunnerTest, AClipThatIsNotFiniteFailsTheJob) {
  start();
  add("a");
  engine_.next()->sink(clip(std::numeric_limits<float>::infinity()));
  ASSERT_TRUE(becomes("a", VideoStatus::kFailed, 0));
  EXPECT_EQ(store_->find("a")->error->code, Code::kDataLoss);
}

TEST_F(VideoRunnerTest, AnEngineThatEndsLeavesTheJobForTheNext) {
  start();
  add("a");
  const auto submitted = engine_.next();
  ASSERT_TRUE(submitted);
  engine_.refuse(Error{Code::kUnavailable, "draining"});
  submitted->sink(engine::Started{});
  ASSERT_TRUE(becomes("a", VideoStatus::kInProgress, 0));
  submitted->sink(engine::Failed{{Code::kUnavailable, "draining"}});
  EXPECT_TRUE(becomes("a", VideoStatus::kQueued, 0));
}

TEST_F(VideoRunnerTest, AFullQueueIsTriedAgain) {
  engine_.refuse(Error{Code::kResourceExhausted, "full"});
  start();
  add("a");
  ASSERT_TRUE(engine_.is_asked(1));
  engine_.refuse(std::nullopt);
  EXPECT_TRUE(engine_.next());
}

TEST_F(VideoRunnerTest, AnEngineThatThrowsFailsTheJobAndTheNextIsRun) {
  engine_.throw_once();
  start();
  add("a");
  ASSERT_TRUE(becomes("a", VideoStatus::kFailed, 0));
  EXPECT_EQ(store_->find("a")->error->code, Code::kInternal);
  add("b");
  const auto submitted = engine_.next();
  ASSERT_TRUE(submitted);
  submitted->sink(engine::Finished{});  // without the clip that it should have
  ASSERT_TRUE(becomes("b", VideoStatus::kFailed, 0));
  add("c");
  EXPECT_TRUE(engine_.next());
}

TEST_F(VideoRunnerTest, AJobOfAnotherPackageFails) {
  start();
  add("a", "sha256:2");
  ASSERT_TRUE(becomes("a", VideoStatus::kFailed, 0));
  EXPECT_EQ(store_->find("a")->error->reason, "package_changed");
}

TEST_F(VideoRunnerTest, ARemovedJobIsCancelledAndStaysGone) {
  start();
  add("a");
  const auto submitted = engine_.next();
  ASSERT_TRUE(submitted);
  ASSERT_TRUE(store_->remove("a"));
  runner_->cancel("a");
  EXPECT_TRUE(submitted->request.cancel.cancelled());
  submitted->sink(engine::Failed{{Code::kCancelled, "cancelled"}});
  add("b");
  EXPECT_TRUE(engine_.next());
  EXPECT_FALSE(store_->find("a"));
}

TEST_F(VideoRunnerTest, WhatWasFinishedBeforeTheEndIsKept) {
  start();
  add("a");
  const auto submitted = engine_.next();
  ASSERT_TRUE(submitted);
  submitted->sink(clip(1));
  runner_.reset();
  EXPECT_EQ(store_->find("a")->status, VideoStatus::kCompleted);
  submitted->sink(clip(1));  // a late one finds nobody, and harms nobody
}

}  // namespace
}  // namespace serin::worker
