// SPDX-License-Identifier: Apache-2.0
#include "objects/remote.h"

#include <algorithm>

#include "base/digest.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::uint64_t kWorthAnAttempt = std::uint64_t{1} << 20;
constexpr auto kEnd = std::numeric_limits<std::uint64_t>::max();

Error object_changed(std::string_view key) {
  return {Code::kAborted, "'" + std::string(key) + "' was replaced while it was read",
          "object_changed"};
}

Result<ObjectInfo> info_of(std::string_view key, const HttpAnswer& answer, std::uint64_t size) {
  const auto modified = parse_http_date(answer.header("last-modified"));
  const std::string_view etag = answer.header("etag");
  if (etag.empty() || !modified) {
    return fail(Code::kDataLoss,
                "the store names no etag or time of '" + std::string(key) + "': no object store?");
  }
  return ObjectInfo{std::string(key), size, std::string(etag), *modified};
}

// "bytes 5-9/20": where a piece begins and how large the whole is.
struct ContentRange {
  std::uint64_t begin = 0, total = 0;
};
std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-');
  const std::size_t slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos) return std::nullopt;
  const auto begin = parse_number(text.substr(0, dash));
  const auto total = parse_number(text.substr(slash + 1));
  if (!begin || !total) return std::nullopt;
  return ContentRange{*begin, *total};
}

// One get over as many requests as it takes.
class Download {
 public:
  Download(const RemoteObject& object, const GetOptions& options, const Sink& sink)
      : object_(object),
        sink_(sink),
        at_(options.offset),
        end_(options.length > kEnd - options.offset ? kEnd : options.offset + options.length),
        etag_(options.if_etag),
        whole_(options.offset == 0 && options.length == kEnd) {}

  HttpRequest request() {
    HttpRequest request = object_.request;
    if (at_ > 0 || end_ != kEnd) {
      std::string range = "bytes=" + std::to_string(at_) + "-";
      if (end_ != kEnd) range += std::to_string(end_ - 1);
      request.headers.emplace_back("Range", std::move(range));
    }
    if (!etag_.empty()) request.headers.emplace_back("If-Match", etag_);
    request.accept = [this](const HttpAnswer& answer) { return accept(answer); };
    request.sink = [this](std::string_view bytes) { return take(bytes); };
    return request;
  }

  bool complete() const { return at_ == stop(); }
  std::uint64_t at() const { return at_; }

  Result<ObjectInfo> finish() {
    if (whole_ && !digest_.empty() && hash_.hex() != digest_) {
      return fail(Code::kDataLoss,
                  "'" + object_.key + "' is not what was put: its SHA-256 is not " + digest_);
    }
    return info_;
  }

 private:
  std::uint64_t stop() const { return std::min(end_, info_.size); }

  Status accept(const HttpAnswer& answer) {
    ContentRange range;
    if (answer.status == 206) {
      const auto said = parse_content_range(answer.header("content-range"));
      if (!said) return fail(Code::kDataLoss, "the store sent a piece without saying which");
      range = *said;
    } else {
      const auto size = parse_number(answer.header("content-length"));
      if (!size) return fail(Code::kDataLoss, "the store does not say how long the object is");
      range = {0, *size};
    }
    if (range.begin != at_)
      return fail(Code::kDataLoss, "the store sent another piece than was asked for");
    SERIN_TRY_ASSIGN(ObjectInfo info, info_of(object_.key, answer, range.total));
    if (!etag_.empty() && info.etag != etag_) return fail(object_changed(object_.key));
    etag_ = info.etag;
    info_ = std::move(info);
    digest_ = answer.header(object_.digest_header);
    return {};
  }

  Status take(std::string_view bytes) {
    if (bytes.size() > stop() - at_)
      return fail(Code::kDataLoss, "the store sent more bytes than it announced");
    if (whole_) hash_.update(bytes);
    at_ += bytes.size();
    return sink_(bytes);
  }

  const RemoteObject& object_;
  const Sink& sink_;
  std::uint64_t at_, end_;
  std::string etag_, digest_;
  bool whole_;
  ObjectInfo info_;
  Sha256 hash_;
};

// Ranges of no bytes cannot be asked for.
Result<ObjectInfo> get_nothing(const Send& send, const RemoteObject& object,
                               const GetOptions& options, const RetryPolicy& policy,
                               const CancelToken& cancel) {
  RemoteObject head = object;
  head.request.method = "HEAD";
  SERIN_TRY_ASSIGN(ObjectInfo info, head_remote(send, head, policy, cancel));
  if (!options.if_etag.empty() && info.etag != options.if_etag)
    return fail(object_changed(object.key));
  if (options.offset > info.size) {
    return fail(Code::kOutOfRange, "'" + object.key + "' ends at " + std::to_string(info.size) +
                                       ", before " + std::to_string(options.offset));
  }
  return info;
}

}  // namespace

Error condition_lost(std::string_view key, std::string_view said) {
  return {Code::kAborted,
          "'" + std::string(key) +
              "' is not what the condition of the put asks for: " + std::string(said),
          "condition_lost"};
}

Result<ObjectInfo> get_remote(const Send& send, const RemoteObject& object,
                              const GetOptions& options, const Sink& sink,
                              const RetryPolicy& policy, const CancelToken& cancel) {
  if (options.length == 0) return get_nothing(send, object, options, policy, cancel);
  Download download(object, options, sink);
  Retry retry(policy, cancel);
  for (std::uint64_t counted = options.offset;;) {
    auto answer = send(download.request(), cancel);
    if (answer && download.complete()) return download.finish();
    Error error = answer ? Error{Code::kUnavailable, "the store sent less than it announced"}
                         : std::move(answer).error();
    if (error.code == Code::kOutOfRange && download.at() == options.offset)
      return get_nothing(send, object, options, policy, cancel);
    if (error.code == Code::kAborted) return fail(object_changed(object.key));
    if (download.at() - counted >= kWorthAnAttempt) {
      counted = download.at();
      retry.progressed();
    }
    if (!retry.again(error)) return fail(std::move(error));
  }
}

Result<ObjectInfo> head_remote(const Send& send, const RemoteObject& object,
                               const RetryPolicy& policy, const CancelToken& cancel) {
  auto answer = send_with_retries(send, object.request, policy, cancel);
  if (!answer && answer.error().code == Code::kNotFound) {  // the answer to HEAD says no more
    return fail(Code::kNotFound, "there is no object '" + object.key +
                                     "', or not the place it is " +
                                     "to be in: " + answer.error().message);
  }
  if (!answer) return fail(std::move(answer).error());
  const auto size = parse_number(answer->header("content-length"));
  if (!size) return fail(Code::kDataLoss, "the store does not say how long the object is");
  return info_of(object.key, *answer, *size);
}

Result<HttpAnswer> send_with_retries(const Send& send, const HttpRequest& request,
                                     const RetryPolicy& policy, const CancelToken& cancel) {
  for (Retry retry(policy, cancel);;) {
    auto answer = send(request, cancel);
    if (answer || !retry.again(answer.error())) return answer;
  }
}

Result<HttpAnswer> send_conditional(const Send& send, const HttpRequest& request,
                                    const std::function<Result<HttpAnswer>()>& is_ours,
                                    const RetryPolicy& policy, const CancelToken& cancel) {
  bool lost_an_answer = false;
  for (Retry retry(policy, cancel);;) {
    auto answer = send(request, cancel);
    if (answer) return answer;
    if (lost_an_answer && answer.error().code != Code::kUnavailable) {
      auto settled = is_ours();
      if (settled) return settled;
      return answer;
    }
    lost_an_answer = true;
    if (!retry.again(answer.error())) return answer;
  }
}

}  // namespace serin::objects
