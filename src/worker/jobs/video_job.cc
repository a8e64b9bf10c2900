// SPDX-License-Identifier: Apache-2.0
// A job's file: what may be in it, strictly read, since a file on disk is input like any other.
#include <algorithm>
#include <array>

#include "worker/jobs/video_store.h"

namespace serin::worker {
namespace {

constexpr std::array kNames = {"queued", "in_progress", "completed", "failed"};
constexpr std::int64_t kLargestSide = 1 << 16;
constexpr std::int64_t kMostFrames = 1 << 20;

json::value or_null(const std::optional<std::int64_t>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::value error_json(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return json::object{{"code", static_cast<int>(error->code)},
                      {"reason", error->reason},
                      {"message", error->message}};
}

// Reads members one by one; once something is wrong it stays so.
class Reader {
 public:
  explicit Reader(const json::value& value) : object_(value.if_object()) {}
  bool good() const { return object_ != nullptr; }

  std::string string(std::string_view name) {
    const json::value* value = get(name);
    if (value != nullptr && value->is_string()) return std::string(value->get_string());
    return bad(std::string());
  }
  std::int64_t integer(std::string_view name, std::int64_t least, std::int64_t most) {
    const json::value* value = get(name);
    if (value != nullptr && value->is_int64() && value->get_int64() >= least &&
        value->get_int64() <= most) {
      return value->get_int64();
    }
    return bad(least);
  }
  std::optional<std::int64_t> time(std::string_view name) {
    const json::value* value = get(name);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return integer(name, 0, INT64_MAX);
  }
  double number(std::string_view name) {
    const json::value* value = get(name);
    return value != nullptr && value->is_number() ? value->to_number<double>() : bad(0.0);
  }
  const json::value* get(std::string_view name) const {
    return object_ == nullptr ? nullptr : object_->if_contains(name);
  }

 private:
  template <class T>
  T bad(T fallback) {
    object_ = nullptr;
    return fallback;
  }
  const json::object* object_;
};

std::optional<Error> error_from(Reader& reader) {
  const json::value* value = reader.get("error");
  if (value == nullptr || value->is_null()) return std::nullopt;
  Reader inner(*value);
  const auto code = static_cast<Code>(inner.integer("code", 1, 16));
  std::string reason = inner.string("reason");
  return Error{code, inner.string("message"), std::move(reason)};
}

}  // namespace

std::string_view name_of(VideoStatus status) { return kNames[static_cast<std::size_t>(status)]; }

json::object to_json(const VideoJob& job, json::value request) {
  return {{"id", job.id},
          {"number", static_cast<std::int64_t>(job.number)},
          {"status", name_of(job.status)},
          {"created", job.created},
          {"finished", or_null(job.finished)},
          {"expires", or_null(job.expires)},
          {"prompt", job.prompt},
          {"seed", static_cast<std::int64_t>(job.seed)},
          {"request", std::move(request)},
          {"package", job.package},
          {"width", job.width},
          {"height", job.height},
          {"frames", job.frames},
          {"frame_rate", job.frame_rate},
          {"bytes", static_cast<std::int64_t>(job.bytes)},
          {"error", error_json(job.error)}};
}

Result<VideoJob> video_job_from(const json::value& value) {
  Reader reader(value);
  VideoJob job;
  job.id = reader.string("id");
  job.number = static_cast<std::uint64_t>(reader.integer("number", 1, INT64_MAX));
  const std::string status = reader.string("status");
  const auto place = std::ranges::find(kNames, status) - kNames.begin();
  job.status = static_cast<VideoStatus>(place);
  job.created = reader.integer("created", 0, INT64_MAX);
  job.finished = reader.time("finished");
  job.expires = reader.time("expires");
  job.prompt = reader.string("prompt");
  job.seed = static_cast<std::uint64_t>(reader.integer("seed", 0, INT64_MAX));
  job.package = reader.string("package");
  job.width = reader.integer("width", 1, kLargestSide);
  job.height = reader.integer("height", 1, kLargestSide);
  job.frames = reader.integer("frames", 1, kMostFrames);
  job.frame_rate = reader.number("frame_rate");
  job.bytes = static_cast<std::uint64_t>(reader.integer("bytes", 0, INT64_MAX));
  job.error = error_from(reader);
  const json::value* request = reader.get("request");
  const bool asks = request != nullptr && (request->is_object() || job.is_over());
  const bool known = place != static_cast<std::ptrdiff_t>(kNames.size());
  if (!reader.good() || !known || !asks || !(job.frame_rate > 0)) {
    return serin::fail(Code::kDataLoss, "this is not a video job's file");
  }
  job.progress = job.status == VideoStatus::kCompleted ? 100 : 0;
  return job;
}

}  // namespace serin::worker
