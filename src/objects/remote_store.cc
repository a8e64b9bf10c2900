// SPDX-License-Identifier: Apache-2.0
#include "objects/remote_store.h"

#include <algorithm>

#include "base/digest.h"
#include "net/http/uri.h"
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
  Download(std::string_view key, HttpRequest request, std::string_view digest_header,
           const GetOptions& options, const Sink& sink)
      : key_(key),
        request_(std::move(request)),
        digest_header_(digest_header),
        sink_(sink),
        at_(options.offset),
        end_(options.length > kEnd - options.offset ? kEnd : options.offset + options.length),
        etag_(options.if_etag),
        whole_(options.offset == 0 && options.length == kEnd) {}

  HttpRequest request() {
    HttpRequest request = request_;
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
                  "'" + key_ + "' is not what was put: its SHA-256 is not " + digest_);
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
    SERIN_TRY_ASSIGN(ObjectInfo info, info_of(key_, answer, range.total));
    if (!etag_.empty() && info.etag != etag_) return fail(object_changed(key_));
    etag_ = info.etag;
    info_ = std::move(info);
    digest_ = answer.header(digest_header_);
    return {};
  }

  Status take(std::string_view bytes) {
    if (bytes.size() > stop() - at_)
      return fail(Code::kDataLoss, "the store sent more bytes than it announced");
    if (whole_) hash_.update(bytes);
    at_ += bytes.size();
    return sink_(bytes);
  }

  const std::string key_;
  const HttpRequest request_;
  const std::string_view digest_header_;
  const Sink& sink_;
  std::uint64_t at_, end_;
  std::string etag_, digest_;
  bool whole_;
  ObjectInfo info_;
  Sha256 hash_;
};

Error condition_lost(std::string_view key, std::string_view said) {
  return {Code::kAborted,
          "'" + std::string(key) +
              "' is not what the condition of the put asks for: " + std::string(said),
          "condition_lost"};
}

}  // namespace

std::string RemoteStore::url(std::string_view key) const {
  return base() + "/" + net::percent_encode(prefix_ + std::string(key), true);
}

HttpRequest RemoteStore::request_for(std::string_view key, const char* method) const {
  HttpRequest request;
  request.method = method;
  request.url = url(key);
  return request;
}

Result<ObjectInfo> RemoteStore::get(std::string_view key, const GetOptions& options,
                                    const Sink& sink, const CancelToken& cancel) {
  SERIN_TRY(check_key(key));
  if (options.length == 0) return get_nothing(key, options, cancel);
  Download download(key, request_for(key, "GET"), service_.digest, options, sink);
  Retry retry(retry_, cancel);
  for (std::uint64_t counted = options.offset;;) {
    auto answer = send(download.request(), cancel);
    if (answer && download.complete()) return download.finish();
    Error error = answer ? Error{Code::kUnavailable, "the store sent less than it announced"}
                         : std::move(answer).error();
    if (error.code == Code::kOutOfRange && download.at() == options.offset)
      return get_nothing(key, options, cancel);
    if (error.code == Code::kAborted) return fail(object_changed(key));
    if (download.at() - counted >= kWorthAnAttempt) {
      counted = download.at();
      retry.progressed();
    }
    if (!retry.again(error)) return fail(std::move(error));
  }
}

// Ranges of no bytes cannot be asked for.
Result<ObjectInfo> RemoteStore::get_nothing(std::string_view key, const GetOptions& options,
                                            const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(ObjectInfo info, head(key, cancel));
  if (!options.if_etag.empty() && info.etag != options.if_etag) return fail(object_changed(key));
  if (options.offset > info.size) {
    return fail(Code::kOutOfRange, "'" + std::string(key) + "' ends at " +
                                       std::to_string(info.size) + ", before " +
                                       std::to_string(options.offset));
  }
  return info;
}

Result<ObjectInfo> RemoteStore::head(std::string_view key, const CancelToken& cancel) {
  SERIN_TRY(check_key(key));
  auto answer = send_with_retries(request_for(key, "HEAD"), cancel);
  if (!answer && answer.error().code == Code::kNotFound) {  // the answer to HEAD says no more
    return fail(Code::kNotFound, "there is no object '" + std::string(key) +
                                     "', or not the place it is " +
                                     "to be in: " + answer.error().message);
  }
  if (!answer) return fail(std::move(answer).error());
  const auto size = parse_number(answer->header("content-length"));
  if (!size) return fail(Code::kDataLoss, "the store does not say how long the object is");
  return info_of(key, *answer, *size);
}

Result<ObjectInfo> RemoteStore::put(std::string_view key, const Body& body,
                                    const Condition& condition, const CancelToken& cancel) {
  SERIN_TRY(check_key(key));
  if (body.size() > service_.largest_object)
    return fail(Code::kResourceExhausted, std::string(service_.too_large));
  SERIN_TRY_ASSIGN(std::string digest, body.sha256());
  const auto answer = put_object({key, body, condition, std::move(digest), random_id()}, cancel);
  if (!answer) {
    const Error& error = answer.error();
    const bool absent = condition.is_matches() && error.code == Code::kNotFound &&
                        error.message.find(service_.no_object) != std::string::npos;
    const bool lost = absent || error.code == Code::kAborted;
    return fail(lost ? condition_lost(key, error.message) : error);
  }
  // The answer to the end of an upload in parts may name the etag in its body alone: ask for it.
  if (answer->header("etag").empty()) return head(key, cancel);
  auto modified = parse_http_date(answer->header("last-modified"));
  if (!modified) modified = parse_http_date(answer->header("date"));
  return ObjectInfo{std::string(key), body.size(), std::string(answer->header("etag")),
                    modified.value_or(std::chrono::system_clock::now())};
}

Result<Page> RemoteStore::list(std::string_view prefix, std::string_view from,
                               const CancelToken& cancel) {
  HttpRequest request;
  request.url = listing_url(prefix_ + std::string(prefix), from);
  SERIN_TRY_ASSIGN(const HttpAnswer answer, send_with_retries(request, cancel));
  SERIN_TRY_ASSIGN(Page page, parse_listing(answer.body));
  std::erase_if(page.objects, [&](const ObjectInfo& object) {
    return !object.key.starts_with(prefix_) || object.key.size() == prefix_.size();
  });
  for (ObjectInfo& object : page.objects) object.key.erase(0, prefix_.size());
  return page;
}

Status RemoteStore::remove(std::string_view key, const CancelToken& cancel) {
  SERIN_TRY(check_key(key));
  const auto answer = send_with_retries(request_for(key, "DELETE"), cancel);
  if (!answer && answer.error().code != Code::kNotFound) return fail(answer.error());
  return {};
}

void RemoteStore::add_marks(HttpRequest& request, const Put& put) const {
  request.headers.emplace_back(service_.digest, put.digest);
  request.headers.emplace_back(service_.mark, put.mark);
}

Result<HttpAnswer> RemoteStore::send_with_retries(const HttpRequest& request,
                                                  const CancelToken& cancel) {
  for (Retry retry(retry_, cancel);;) {
    auto answer = send(request, cancel);
    if (answer || !retry.again(answer.error())) return answer;
  }
}

Result<HttpAnswer> RemoteStore::make_visible(const Put& put, HttpRequest request,
                                             const CancelToken& cancel) {
  if (put.condition.is_absent()) request.headers.emplace_back("If-None-Match", "*");
  if (put.condition.is_matches()) request.headers.emplace_back("If-Match", put.condition.etag());
  bool lost_an_answer = false;
  for (Retry retry(retry_, cancel);;) {
    auto answer = send(request, cancel);
    if (answer) return answer;
    if (lost_an_answer && answer.error().code != Code::kUnavailable) {
      auto settled = find_mark(put, cancel);
      if (settled) return settled;
      return answer;
    }
    lost_an_answer = true;
    if (!retry.again(answer.error())) return answer;
  }
}

// The head of the object that is there, if it was put by this call.
Result<HttpAnswer> RemoteStore::find_mark(const Put& put, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(HttpAnswer answer, send_with_retries(request_for(put.key, "HEAD"), cancel));
  if (answer.header(service_.mark) != put.mark)
    return fail(condition_lost(put.key, "another put was quicker"));
  return answer;
}

}  // namespace serin::objects
