// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/video_store.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/files.h"

namespace serin::worker {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class VideoStoreTest : public testing::Test {
 protected:
  std::unique_ptr<VideoStore> open(VideoStore::Limits limits = {}) {
    auto store = VideoStore::open(folder(), limits, clock_);
    EXPECT_TRUE(store) << store.error().message;
    return *std::move(store);
  }
  fs::path folder() const { return temporary_.path() / "videos"; }

  static VideoJob job(const std::string& id) {
    VideoJob made;
    made.id = id;
    made.created = 100;
    made.prompt = "a \"circle\"";
    made.seed = 7;
    made.package = "sha256:1";
    made.width = 8;
    made.height = 6;
    made.frames = 4;
    made.frame_rate = 12.5;
    made.bytes = 10;
    return made;
  }
  static json::object request() { return {{"seed", 7}, {"shape", "circle"}}; }
  static std::vector<std::string> ids(const std::vector<VideoJob>& jobs) {
    std::vector<std::string> found;
    for (const VideoJob& one : jobs) found.push_back(one.id);
    return found;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder()), fs::directory_iterator()));
  }

  TemporaryDirectory temporary_ = *TemporaryDirectory::create();
  ManualClock clock_;
};

TEST_F(VideoStoreTest, AJobsFileReadsBackAsTheSame) {
  VideoJob made = job("a");
  made.number = 3;
  made.status = VideoStatus::kFailed;
  made.finished = 5;
  made.expires = 6;
  made.error = Error{Code::kDataLoss, "not finite", "why"};
  const json::object written = to_json(made, request());
  const auto read = video_job_from(written);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_json(*read, request()), written);
  EXPECT_EQ(read->error->code, Code::kDataLoss);
}

TEST_F(VideoStoreTest, EveryMissingOrWrongMemberOfAFileIsRefused) {
  VideoJob made = job("a");
  made.number = 1;
  const json::object good = to_json(made, request());
  ASSERT_TRUE(video_job_from(good));
  for (const auto& [name, value] : good) {
    if (value.is_null()) continue;
    json::object without = good;
    without.erase(name);
    EXPECT_FALSE(video_job_from(without)) << name;
    json::object wrong = good;
    wrong[name] = json::array{1};
    EXPECT_FALSE(video_job_from(wrong)) << name;
  }
  json::object unknown = good;
  unknown["status"] = "lost";
  EXPECT_FALSE(video_job_from(unknown));
  EXPECT_FALSE(video_job_from(json::value(3)));
}

TEST_F(VideoStoreTest, WhatWasAddedIsThereAfterARestart) {
  {
    auto store = open();
    ASSERT_TRUE(store->add(job("a"), request()));
    ASSERT_TRUE(store->add(job("b"), request()));
    store->set_progress("b", 40);
    EXPECT_EQ(store->find("b")->status, VideoStatus::kInProgress);
  }
  auto store = open();
  EXPECT_THAT(store->queued(), ElementsAre("a", "b"));
  EXPECT_EQ(store->find("b")->progress, 0);
  EXPECT_EQ(store->request("a"), request());
  EXPECT_GT(store->add(job("c"), request())->number, store->find("b")->number);
}

TEST_F(VideoStoreTest, ACompletedJobKeepsItsClipOverARestart) {
  {
    auto store = open();
    ASSERT_TRUE(store->add(job("a"), request()));
    EXPECT_EQ(store->clip("a").error().code, Code::kNotFound);
    ASSERT_TRUE(store->complete("a", "frames"));
  }
  auto store = open();
  EXPECT_EQ(store->find("a")->status, VideoStatus::kCompleted);
  EXPECT_EQ(store->find("a")->progress, 100);
  EXPECT_EQ(store->clip("a"), "frames");
  EXPECT_TRUE(store->queued().empty());
}

TEST_F(VideoStoreTest, AFailedJobSaysWhyAfterARestart) {
  {
    auto store = open();
    ASSERT_TRUE(store->add(job("a"), request()));
    ASSERT_TRUE(store->fail("a", {Code::kInternal, "the model broke"}));
  }
  auto store = open();
  EXPECT_EQ(store->find("a")->error->message, "the model broke");
  EXPECT_TRUE(store->queued().empty());
}

TEST_F(VideoStoreTest, WhatIsOverDoesNotChangeAnyMore) {
  auto store = open();
  ASSERT_TRUE(store->add(job("a"), request()));
  ASSERT_TRUE(store->complete("a", "frames"));
  store->set_progress("a", 3);
  store->set_queued("a");
  EXPECT_EQ(store->find("a")->status, VideoStatus::kCompleted);
}

TEST_F(VideoStoreTest, AFurtherJobOverTheCountIsRefusedWithATimeToWait) {
  auto store = open({.jobs = 2, .keep = std::chrono::seconds(60)});
  ASSERT_TRUE(store->add(job("a"), request()));
  ASSERT_TRUE(store->add(job("b"), request()));
  ASSERT_TRUE(store->complete("a", "x"));
  clock_.advance(std::chrono::seconds(20));
  const auto refused = store->add(job("c"), request());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "too_many_videos");
  EXPECT_EQ(refused.error().retry_after, std::chrono::seconds(40));
  ASSERT_TRUE(store->remove("b"));
  EXPECT_TRUE(store->add(job("c"), request()));
}

TEST_F(VideoStoreTest, BytesOfRequestsAndOfClipsToComeAreBoundedTogether) {
  const std::uint64_t one = open()->add(job("x"), request())->file_bytes + job("x").bytes;
  fs::remove_all(folder());
  auto store = open({.bytes = 2 * one + 5});
  ASSERT_TRUE(store->add(job("a"), request()));
  ASSERT_TRUE(store->add(job("b"), request()));
  EXPECT_EQ(store->add(job("c"), request()).error().reason, "too_many_videos");
  ASSERT_TRUE(store->remove("a"));
  json::object larger = request();
  larger["picture"] = std::string(100, 'x');
  EXPECT_EQ(store->add(job("c"), larger).error().reason, "too_many_videos");
  EXPECT_TRUE(store->add(job("c"), request()));
}

TEST_F(VideoStoreTest, ARequestThatIsTooLargeAloneIsTheClientsMistake) {
  auto store = open({.request_bytes = 1000});
  json::object larger = request();
  larger["picture"] = std::string(1000, 'x');
  const auto refused = store->add(job("a"), larger);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_EQ(refused.error().reason, "request_above_max_size");
  EXPECT_EQ(files(), 0u);
}

TEST_F(VideoStoreTest, AJobThatIsOverKeepsNothingOfItsRequest) {
  auto store = open();
  json::object larger = request();
  larger["picture"] = std::string(5000, 'x');
  ASSERT_TRUE(store->add(job("a"), larger));
  EXPECT_EQ(store->request("a"), larger);
  EXPECT_GT(fs::file_size(folder() / "a.json"), 5000u);
  ASSERT_TRUE(store->complete("a", "frames"));
  EXPECT_LT(fs::file_size(folder() / "a.json"), 1000u);
  EXPECT_EQ(store->find("a")->file_bytes, fs::file_size(folder() / "a.json"));
  EXPECT_EQ(store->request("a").error().code, Code::kNotFound);
  EXPECT_EQ(open()->find("a")->seed, 7u);
}

TEST_F(VideoStoreTest, WhatIsOverExpiresAndWhatWaitsDoesNot) {
  auto store = open({.keep = std::chrono::seconds(60)});
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(store->add(job(id), request()));
  ASSERT_TRUE(store->complete("a", "x"));
  ASSERT_TRUE(store->fail("b", {Code::kInternal, "x"}));
  EXPECT_EQ(store->find("a")->expires, *store->find("a")->finished + 60);
  clock_.advance(std::chrono::seconds(59));
  store->expire();
  EXPECT_TRUE(store->find("a"));
  clock_.advance(std::chrono::seconds(1));
  store->expire();
  EXPECT_FALSE(store->find("a"));
  EXPECT_FALSE(store->find("b"));
  EXPECT_TRUE(store->find("c"));
  EXPECT_EQ(files(), 1u);
}

TEST_F(VideoStoreTest, RemovedIsGoneFromTheDiskToo) {
  auto store = open();
  ASSERT_TRUE(store->add(job("a"), request()));
  ASSERT_TRUE(store->complete("a", "x"));
  EXPECT_EQ(files(), 2u);
  ASSERT_TRUE(store->remove("a"));
  EXPECT_EQ(files(), 0u);
  EXPECT_EQ(store->remove("a").error().code, Code::kNotFound);
  EXPECT_TRUE(store->complete("a", "late"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(VideoStoreTest, ListsPagesInBothOrders) {
  auto store = open();
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(store->add(job(id), request()));
  const auto newest = store->list("", 2, true);
  EXPECT_THAT(ids(newest->jobs), ElementsAre("c", "b"));
  EXPECT_TRUE(newest->more);
  const auto rest = store->list("b", 2, true);
  EXPECT_THAT(ids(rest->jobs), ElementsAre("a"));
  EXPECT_FALSE(rest->more);
  EXPECT_THAT(ids(store->list("", 3, false)->jobs), ElementsAre("a", "b", "c"));
  EXPECT_THAT(store->list("x", 3, false).error().message, HasSubstr("no video x"));
}

TEST_F(VideoStoreTest, LeftoversOfACrashAreRemovedAndTheRestServed) {
  {
    auto store = open();
    ASSERT_TRUE(store->add(job("a"), request()));
    ASSERT_TRUE(store->add(job("b"), request()));
    ASSERT_TRUE(store->complete("b", "x"));
  }
  std::ofstream(folder() / "a.npy") << "a clip whose job was not told";
  std::ofstream(folder() / "c.json.tmp.1.2") << "{";
  std::ofstream(folder() / "d.json") << R"({"id": "d"})";
  std::ofstream(folder() / "e.json") << "not JSON";
  fs::copy_file(folder() / "a.json", folder() / "f.json");
  auto store = open();
  EXPECT_THAT(ids(store->list("", 9, false)->jobs), ElementsAre("a", "b"));
  EXPECT_EQ(files(), 3u);
  fs::remove(folder() / "b.npy");
  EXPECT_EQ(store->clip("b").error().code, Code::kNotFound);
  EXPECT_FALSE(open()->find("b"));
}

TEST_F(VideoStoreTest, AFolderThatCannotBeMadeIsAnError) {
  std::ofstream(folder()) << "a file";
  EXPECT_FALSE(VideoStore::open(folder(), {}, clock_));
}

}  // namespace
}  // namespace serin::worker
