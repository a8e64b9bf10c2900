// SPDX-License-Identifier: Apache-2.0
// /v1/videos (https://platform.openai.com/docs/api-reference/videos): jobs that outlive their
// client and this process. The package's own inputs may stand beside OpenAI's fields.
#include <charconv>

#include "net/http/error_body.h"
#include "worker/api/medium.h"
#include "worker/api/multipart.h"
#include "worker/api/openai/openai.h"
#include "worker/api/openai/text.h"
#include "worker/api/openai/video_request.h"
#include "worker/jobs/clip.h"
#include "worker/jobs/video_runner.h"

namespace serin::worker::api {
namespace {

constexpr std::size_t kMostListed = 100;

json::value or_null(const std::optional<std::int64_t>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::object video_json(const Context& context, const VideoJob& job) {
  const bool completed = job.status == VideoStatus::kCompleted;
  json::object body{{"id", job.id},
                    {"object", "video"},
                    {"model", context.service()},
                    {"status", name_of(job.status)},
                    {"progress", job.progress},
                    {"created_at", job.created},
                    {"completed_at", completed ? or_null(job.finished) : json::value(nullptr)},
                    {"expires_at", or_null(job.expires)},
                    {"prompt", job.prompt},
                    {"size", std::to_string(job.width) + "x" + std::to_string(job.height)},
                    {"seconds", seconds_of(job.frames, job.frame_rate)},
                    {"seed", static_cast<std::int64_t>(job.seed)},
                    {"remixed_from_video_id", nullptr},
                    {"error", nullptr}};
  if (job.error) {
    const json::object error = net::error_object(*job.error).at("error").as_object();
    body["error"] = json::object{{"code", error.at("code")}, {"message", error.at("message")}};
  }
  return body;
}

// Answered here when this package makes no videos.
bool makes_videos(const std::shared_ptr<Call>& call) {
  if (call->context().videos != nullptr) return true;
  call->fail({Code::kNotFound, call->context().service() + " makes no videos; see /openapi.json",
              "unsupported_task"});
  return false;
}

std::optional<VideoJob> find(const std::shared_ptr<Call>& call,
                             const net::PathParameters& parameters) {
  if (!makes_videos(call)) return std::nullopt;
  const std::string& id = parameters.at("video_id");
  auto job = call->context().videos->find(id);
  if (!job) call->fail({Code::kNotFound, "there is no video " + id, "video_not_found", "video_id"});
  return job;
}

void add_job(const std::shared_ptr<Call>& call, VideoRequest request) {
  request.job.id = new_id("video_");
  auto keep = [call, request = std::move(request)] {
    auto added = call->context().videos->add(request.job, request.fields);
    if (added) call->context().video_runner->wake();
    return added;
  };
  call->compute(Pool::Work::kNew, std::move(keep), [call](const VideoJob& job) {
    call->respond_json(video_json(call->context(), job));
  });
}

struct Listing {
  std::string after;
  std::size_t limit = 20;
  bool newest_first = true;
};

Result<Listing> read_listing(const net::RequestHead& head) {
  Listing listing;
  listing.after = head.query_parameter("after").value_or("");
  if (const auto limit = head.query_parameter("limit")) {
    const char* end = limit->data() + limit->size();
    const auto [rest, failed] = std::from_chars(limit->data(), end, listing.limit);
    if (failed != std::errc{} || rest != end || listing.limit < 1 || listing.limit > kMostListed) {
      return wrong_field("limit", "a number from 1 to " + std::to_string(kMostListed));
    }
  }
  const std::string order = head.query_parameter("order").value_or("desc");
  if (order != "asc" && order != "desc") return wrong_field("order", "asc or desc");
  listing.newest_first = order == "desc";
  return listing;
}

// The media type of an answer; nothing when the client takes none that there is. OpenAI's clients
// ask for application/binary.
std::optional<std::string> content_type(const Context& context, std::string_view accept) {
  const model::Output& output = *video_output(context.package.manifest);
  auto type = acceptable(output, accept, {"application/binary", "application/octet-stream"});
  const bool any = type == "application/binary" || type == "application/octet-stream";
  return any ? std::string(media::media_type(media::VideoFormat::kMp4)) : type;
}

Result<std::string> content(const VideoStore& store, const VideoJob& job, std::string_view type) {
  SERIN_TRY_ASSIGN(std::string packed, store.clip(job.id));
  if (type == "application/x-npy") return packed;
  SERIN_TRY_ASSIGN(media::Video video, unpack_clip(packed, job.frame_rate));
  for (media::Image& frame : video.frames) {
    const bool other_size = frame.width != job.width || frame.height != job.height;
    if (other_size) frame = media::resize(frame, job.width, job.height);
  }
  using media::VideoFormat;
  for (const VideoFormat format : {VideoFormat::kMp4, VideoFormat::kWebm, VideoFormat::kGif}) {
    if (media::media_type(format) == type) return media::encode(video, format);
  }
  return invalid("a video cannot be given as " + std::string(type));
}

}  // namespace

void create_video(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  if (!makes_videos(call)) return;
  const std::string type(call->head().headers.get("content-type"));
  auto add = [call](VideoRequest request) { add_job(call, std::move(request)); };
  if (!is_multipart(type)) {
    auto understand = [call](const json::object& fields) {
      return read_video_request(call->context(), fields);
    };
    return call->read_object(understand, add);
  }
  auto understand = [call, type](const std::string& body) -> Result<VideoRequest> {
    SERIN_TRY_ASSIGN(const auto fields, read_form(call->context().package.manifest, type, body));
    return read_video_request(call->context(), fields);
  };
  call->read_body(understand, add);
}

void list_videos(const std::shared_ptr<Call>& call, const net::PathParameters&) {
  if (!makes_videos(call)) return;
  const auto listing = read_listing(call->head());
  if (!listing) return call->fail(listing.error());
  const auto page =
      call->context().videos->list(listing->after, listing->limit, listing->newest_first);
  if (!page) return call->fail(page.error());
  json::array data;
  for (const VideoJob& job : page->jobs) data.push_back(video_json(call->context(), job));
  const bool any = !page->jobs.empty();
  call->respond_json({{"object", "list"},
                      {"data", std::move(data)},
                      {"first_id", any ? json::value(page->jobs.front().id) : json::value(nullptr)},
                      {"last_id", any ? json::value(page->jobs.back().id) : json::value(nullptr)},
                      {"has_more", page->more}});
}

void get_video(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  const auto job = find(call, parameters);
  if (!job) return;
  net::Response response{200,
                         {{"content-type", "application/json"}},
                         json::serialize(video_json(call->context(), *job))};
  // OpenAI's clients poll at this pace.
  if (!job->is_over()) response.headers.add("openai-poll-after-ms", "250");
  call->respond(std::move(response));
}

void delete_video(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  const auto job = find(call, parameters);
  if (!job) return;
  auto remove = [call, id = job->id]() -> Result<std::string> {
    SERIN_TRY(call->context().videos->remove(id));
    call->context().video_runner->cancel(id);
    return id;
  };
  call->compute(Pool::Work::kNew, remove, [call](const std::string& id) {
    call->respond_json({{"id", id}, {"object", "video.deleted"}, {"deleted", true}});
  });
}

void get_video_content(const std::shared_ptr<Call>& call, const net::PathParameters& parameters) {
  const auto job = find(call, parameters);
  if (!job) return;
  if (call->head().query_parameter("variant").value_or("video") != "video") {
    return call->fail({Code::kInvalidArgument, "variant must be video: there are no thumbnails",
                       "invalid_value", "variant"});
  }
  if (job->status != VideoStatus::kCompleted) {
    return call->fail({Code::kFailedPrecondition,
                       "the video is " + std::string(name_of(job->status)) + ", not completed",
                       "video_not_completed", "video_id"});
  }
  const auto type = content_type(call->context(), call->head().headers.get("accept"));
  if (!type) {
    net::Response refused =
        net::error_response({Code::kInvalidArgument,
                             "videos are given as video/mp4, video/webm, image/gif "
                             "or application/x-npy",
                             "not_acceptable", "Accept"});
    refused.status = 406;
    return call->respond(std::move(refused));
  }
  auto encode = [call, job = *job, type = *type] {
    return content(*call->context().videos, job, type);
  };
  call->compute(Pool::Work::kNew, encode, [call, type = *type](std::string bytes) {
    call->respond({200, {{"content-type", type}}, std::move(bytes)});
  });
}

}  // namespace serin::worker::api
