// SPDX-License-Identifier: Apache-2.0
#include "worker/jobs/video_store.h"

#include <algorithm>

#include "base/files.h"
#include "base/log.h"

namespace serin::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kJobSuffix = ".json";
constexpr std::string_view kClipSuffix = ".npy";

Error no_such_job(const std::string& id) {
  return {Code::kNotFound, "there is no video " + id, "video_not_found", "video_id"};
}

void remove_file(const fs::path& path) {
  std::error_code failed;
  fs::remove(path, failed);
  if (failed) log::warning("a file stays", {{"path", path.string()}, {"why", failed.message()}});
}

Result<json::value> read_job_file(const fs::path& path, std::uint64_t most) {
  SERIN_TRY_ASSIGN(const std::string text, read_file(path, most));
  return parse_json(text);
}

Result<VideoJob> read_job(const fs::path& path, std::uint64_t most) {
  SERIN_TRY_ASSIGN(const json::value value, read_job_file(path, most));
  SERIN_TRY_ASSIGN(VideoJob job, video_job_from(value));
  if (path.stem() != job.id) return serin::fail(Code::kDataLoss, "it names another job");
  std::error_code failed;
  job.file_bytes = fs::file_size(path, failed);
  return job;
}

}  // namespace

Result<std::unique_ptr<VideoStore>> VideoStore::open(fs::path folder, Limits limits,
                                                     const Clock& clock) {
  std::unique_ptr<VideoStore> store(new VideoStore(std::move(folder), limits, clock));
  SERIN_TRY(store->load());
  return store;
}

Status VideoStore::load() {
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) return serin::fail(error_of_errno(failed.value(), "cannot make " + folder_.string()));
  std::vector<fs::path> others;
  for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const fs::path& path = entry->path();
    if (path.extension() != kJobSuffix) {
      others.push_back(path);
      continue;
    }
    auto job = read_job(path, limits_.request_bytes);
    const bool whole = job && !numbers_.contains(job->id) && !jobs_.contains(job->number) &&
                       (job->status != VideoStatus::kCompleted || fs::exists(clip_file(job->id)));
    if (!whole) {
      log::warning("a video job cannot be read and is removed", {{"path", path.string()}});
      others.push_back(path);
      continue;
    }
    if (!job->is_over()) job->status = VideoStatus::kQueued;
    next_ = std::max(next_, job->number + 1);
    numbers_[job->id] = job->number;
    jobs_[job->number] = *std::move(job);
  }
  if (failed) return serin::fail(error_of_errno(failed.value(), "cannot read " + folder_.string()));
  // What a crash left behind: half-written files, and clips whose job does not know of them.
  for (const fs::path& path : others) {
    const auto found = numbers_.find(path.stem().string());
    const bool kept = path.extension() == kClipSuffix && found != numbers_.end() &&
                      jobs_.at(found->second).status == VideoStatus::kCompleted;
    if (!kept) remove_file(path);
  }
  expire_locked();
  return {};
}

fs::path VideoStore::job_file(const std::string& id) const {
  return folder_ / (id + std::string(kJobSuffix));
}
fs::path VideoStore::clip_file(const std::string& id) const {
  return folder_ / (id + std::string(kClipSuffix));
}

// A job that is over needs no request any more.
Status VideoStore::write_over(VideoJob& job) const {
  const std::string text = json::serialize(to_json(job, nullptr));
  job.file_bytes = text.size();
  return write_file(job_file(job.id), text);
}

VideoJob* VideoStore::find_locked(const std::string& id) {
  const auto found = numbers_.find(id);
  return found == numbers_.end() ? nullptr : &jobs_.at(found->second);
}

Result<VideoJob> VideoStore::add(VideoJob job, const json::object& request) {
  {
    const std::lock_guard lock(mutex_);
    expire_locked();
    job.number = next_++;
  }
  job.status = VideoStatus::kQueued;
  const std::string text = json::serialize(to_json(job, request));
  job.file_bytes = text.size();
  if (job.file_bytes > limits_.request_bytes) {
    return serin::fail(Error{Code::kInvalidArgument,
                             "a video's request may take at most " +
                                 std::to_string(limits_.request_bytes) + " bytes, not " +
                                 std::to_string(job.file_bytes),
                             "request_above_max_size"});
  }
  const std::uint64_t bytes = job.bytes + job.file_bytes;
  {
    const std::lock_guard lock(mutex_);
    if (auto refused = refusal(job)) return serin::fail(*std::move(refused));
    ++coming_jobs_;
    coming_bytes_ += bytes;
  }
  const Status written = write_file(job_file(job.id), text);
  const std::lock_guard lock(mutex_);
  --coming_jobs_;
  coming_bytes_ -= bytes;
  SERIN_TRY(written);
  numbers_[job.id] = job.number;
  jobs_[job.number] = job;
  return job;
}

std::optional<Error> VideoStore::refusal(const VideoJob& job) const {
  std::uint64_t bytes = coming_bytes_;
  std::optional<std::int64_t> next_expiry;
  for (const auto& [number, other] : jobs_) {
    bytes += other.bytes + other.file_bytes;
    if (other.expires) next_expiry = std::min(next_expiry.value_or(INT64_MAX), *other.expires);
  }
  const std::uint64_t left = limits_.bytes - std::min(bytes, limits_.bytes);
  if (jobs_.size() + coming_jobs_ < limits_.jobs && job.bytes + job.file_bytes <= left)
    return std::nullopt;
  Error error{Code::kResourceExhausted,
              "this worker keeps " + std::to_string(limits_.jobs) + " videos and " +
                  std::to_string(limits_.bytes) + " bytes of them; delete some or wait",
              "too_many_videos"};
  const std::int64_t wait =
      next_expiry ? std::max<std::int64_t>(1, *next_expiry - unix_seconds(clock_)) : 1;
  error.retry_after = std::chrono::seconds(wait);
  return error;
}

Result<json::object> VideoStore::request(const std::string& id) const {
  const auto job = find(id);
  if (!job || job->is_over()) return serin::fail(no_such_job(id));
  SERIN_TRY_ASSIGN(json::value value, read_job_file(job_file(id), limits_.request_bytes));
  json::value* request = value.is_object() ? value.get_object().if_contains("request") : nullptr;
  if (request == nullptr || !request->is_object())
    return serin::fail(Code::kDataLoss, "the file of video " + id + " has lost its request");
  return std::move(request->get_object());
}

std::optional<VideoJob> VideoStore::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = numbers_.find(id);
  if (found == numbers_.end()) return std::nullopt;
  return jobs_.at(found->second);
}

Result<VideoStore::Page> VideoStore::list(const std::string& after, std::size_t limit,
                                          bool newest_first) const {
  const std::lock_guard lock(mutex_);
  std::vector<const VideoJob*> ordered;
  for (const auto& [number, job] : jobs_) ordered.push_back(&job);
  if (newest_first) std::ranges::reverse(ordered);
  auto from = ordered.begin();
  if (!after.empty()) {
    from = std::ranges::find(ordered, after, &VideoJob::id);
    if (from == ordered.end()) return invalid("there is no video " + after, "after");
    ++from;
  }
  Page page;
  for (; from != ordered.end() && page.jobs.size() < limit; ++from) page.jobs.push_back(**from);
  page.more = from != ordered.end();
  return page;
}

std::vector<std::string> VideoStore::queued() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> found;
  for (const auto& [number, job] : jobs_) {
    if (job.status == VideoStatus::kQueued) found.push_back(job.id);
  }
  return found;
}

void VideoStore::set_queued(const std::string& id) {
  const std::lock_guard lock(mutex_);
  VideoJob* job = find_locked(id);
  if (job == nullptr || job->is_over()) return;
  job->status = VideoStatus::kQueued;
  job->progress = 0;
}

void VideoStore::set_progress(const std::string& id, int percent) {
  const std::lock_guard lock(mutex_);
  VideoJob* job = find_locked(id);
  if (job == nullptr || job->is_over()) return;
  job->status = VideoStatus::kInProgress;
  job->progress = percent;
}

Status VideoStore::complete(const std::string& id, std::string_view clip) {
  // The clip first: a job that says it is completed has one.
  if (!find(id)) return {};
  SERIN_TRY(write_file(clip_file(id), clip));
  const std::lock_guard lock(mutex_);
  VideoJob* job = find_locked(id);
  if (job == nullptr) {
    remove_file(clip_file(id));
    return {};
  }
  VideoJob over = *job;
  over.status = VideoStatus::kCompleted;
  over.progress = 100;
  over.finished = unix_seconds(clock_);
  over.expires = unix_seconds(clock_) + limits_.keep.count();
  over.bytes = clip.size();
  SERIN_TRY(write_over(over));
  *job = std::move(over);
  return {};
}

Status VideoStore::fail(const std::string& id, const Error& error) {
  const std::lock_guard lock(mutex_);
  VideoJob* job = find_locked(id);
  if (job == nullptr) return {};
  job->status = VideoStatus::kFailed;
  job->finished = unix_seconds(clock_);
  job->expires = unix_seconds(clock_) + limits_.keep.count();
  job->bytes = 0;
  job->error = error;
  return write_over(*job);
}

Result<std::string> VideoStore::clip(const std::string& id) const {
  const auto job = find(id);
  if (!job || job->status != VideoStatus::kCompleted) return serin::fail(no_such_job(id));
  auto bytes = read_file(clip_file(id), limits_.bytes);
  if (!bytes && bytes.error().code == Code::kNotFound) return serin::fail(no_such_job(id));
  return bytes;
}

void VideoStore::forget(std::uint64_t number) {
  const std::string id = jobs_.at(number).id;
  // The job first: a clip without a job is removed at the next start.
  remove_file(job_file(id));
  remove_file(clip_file(id));
  numbers_.erase(id);
  jobs_.erase(number);
}

Status VideoStore::remove(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = numbers_.find(id);
  if (found == numbers_.end()) return serin::fail(no_such_job(id));
  forget(found->second);
  return {};
}

void VideoStore::expire() {
  const std::lock_guard lock(mutex_);
  expire_locked();
}

void VideoStore::expire_locked() {
  std::vector<std::uint64_t> expired;
  for (const auto& [number, job] : jobs_) {
    if (job.expires && *job.expires <= unix_seconds(clock_)) expired.push_back(number);
  }
  for (const std::uint64_t number : expired) forget(number);
}

}  // namespace serin::worker
