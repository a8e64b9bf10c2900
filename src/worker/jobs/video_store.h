// SPDX-License-Identifier: Apache-2.0
// Video jobs on disk: one JSON file a job, with what was asked for until the job is over, and
// beside it the clip once it is made. What add() has answered survives a crash. Bounded by count
// and by bytes, those of requests and of clips, made or not, together; in memory a job is a few
// hundred bytes and its prompt. A job that is over is forgotten after a time. Knows nothing of HTTP
// or engines.
//
// Safe from any thread. add(), request(), clip(), complete(), fail(), remove() and expire() wait
// for the disk.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

namespace serin::worker {

enum class VideoStatus { kQueued, kInProgress, kCompleted, kFailed };
std::string_view name_of(VideoStatus status);  // "in_progress"

struct VideoJob {
  std::string id;
  std::uint64_t number = 0;  // the order of their coming; given by add()
  VideoStatus status = VideoStatus::kQueued;
  int progress = 0;                      // percent
  std::int64_t created = 0;              // Unix seconds, as are the others
  std::optional<std::int64_t> finished;  // completed or failed
  std::optional<std::int64_t> expires;
  std::string prompt;
  std::uint64_t seed = 0;  // that was drawn, below 2^63
  std::string package;     // its digest
  std::int64_t width = 0, height = 0, frames = 0;
  double frame_rate = 0;
  std::uint64_t bytes = 0;       // what the clip takes, known before it is made
  std::uint64_t file_bytes = 0;  // what the job's file takes; given by the store
  std::optional<Error> error;

  bool is_over() const {
    return status == VideoStatus::kCompleted || status == VideoStatus::kFailed;
  }
};

// A job as its file holds it, and back; `request` null once the job is over. kDataLoss for a file
// that is not one.
json::object to_json(const VideoJob& job, json::value request);
Result<VideoJob> video_job_from(const json::value& value);

class VideoStore {
 public:
  struct Limits {
    std::size_t jobs = 256;
    std::uint64_t bytes = std::uint64_t{1} << 30;
    std::uint64_t request_bytes = std::uint64_t{64} << 20;  // of one job's file
    std::chrono::seconds keep = std::chrono::hours(24);     // after completion or failure
  };

  // Makes the folder where need be and reads what is there; a job that was in progress is queued
  // again. Files that are no whole job are removed. `clock` must outlive the store.
  static Result<std::unique_ptr<VideoStore>> open(std::filesystem::path folder, Limits limits,
                                                  const Clock& clock);

  // `request`: the package's fields, with the seed. kResourceExhausted (too_many_videos) over a
  // limit, with when the next job expires; kInvalidArgument for a request that is too large alone.
  Result<VideoJob> add(VideoJob job, const json::object& request);
  std::optional<VideoJob> find(const std::string& id) const;
  // kNotFound when there is no such job or it is over.
  Result<json::object> request(const std::string& id) const;

  struct Page {
    std::vector<VideoJob> jobs;
    bool more = false;
  };
  // In the order of their coming, or against it. kInvalidArgument when `after` is no job.
  Result<Page> list(const std::string& after, std::size_t limit, bool newest_first) const;
  std::vector<std::string> queued() const;  // ids, oldest first

  // In memory alone: a job that a crash interrupts begins anew. Nothing for a job that is gone.
  void set_queued(const std::string& id);
  void set_progress(const std::string& id, int percent);

  // `clip` is kept as it is. A job that was removed meanwhile stays so.
  Status complete(const std::string& id, std::string_view clip);
  Status fail(const std::string& id, const Error& error);
  Result<std::string> clip(const std::string& id) const;
  // kNotFound when there is none.
  Status remove(const std::string& id);
  void expire();

 private:
  VideoStore(std::filesystem::path folder, Limits limits, const Clock& clock)
      : folder_(std::move(folder)), limits_(limits), clock_(clock) {}

  Status load();
  Status write_over(VideoJob& job) const;
  std::optional<Error> refusal(const VideoJob& job) const;
  void forget(std::uint64_t number);
  void expire_locked();
  VideoJob* find_locked(const std::string& id);
  std::filesystem::path job_file(const std::string& id) const;
  std::filesystem::path clip_file(const std::string& id) const;

  const std::filesystem::path folder_;
  const Limits limits_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, VideoJob> jobs_;  // by number
  std::map<std::string, std::uint64_t, std::less<>> numbers_;
  std::uint64_t next_ = 1;
  // Of jobs on their way to the disk.
  std::size_t coming_jobs_ = 0;
  std::uint64_t coming_bytes_ = 0;
};

}  // namespace serin::worker
