// SPDX-License-Identifier: Apache-2.0
#include "objects/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

#include "base/check.h"
#include "net/http/retry_after.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::size_t kMostHeaders = 200;
constexpr std::size_t kLongestHeader = 16 << 10;

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, CloseCurl>;
using List = std::unique_ptr<curl_slist, CloseCurl>;

// One request while libcurl works on it; its callbacks must not throw.
struct Transfer {
  const HttpRequest& request;
  const CancelToken& cancel;
  HttpAnswer answer;
  std::uint64_t sent = 0;
  bool accepted = false;
  std::optional<Error> problem;  // why a callback ended it

  std::size_t end(Error error) {
    if (!problem) problem = std::move(error);
    return 0;
  }

  void take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // of another answer: a redirect or 100 Continue went before
      answer = HttpAnswer{};
      const std::size_t space = line.find(' ');
      if (space != std::string_view::npos)
        answer.status = static_cast<int>(parse_number(line.substr(space + 1, 3)).value_or(0));
      return;
    }
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || answer.headers.size() >= kMostHeaders ||
        line.size() > kLongestHeader)
      return;
    answer.headers.emplace_back(lower_case(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
  }

  // Before the first byte of the body, or at the end of an answer without one.
  bool accept() {
    if (accepted || !answer.ok() || !request.accept) return true;
    accepted = true;
    if (auto status = request.accept(answer); !status) return end(std::move(status).error()) != 0;
    return true;
  }

  std::size_t take_body(std::string_view bytes) {
    if (!accept()) return 0;
    if (answer.ok() && request.sink) {
      if (auto status = request.sink(bytes); !status) return end(std::move(status).error());
      return bytes.size();
    }
    if (bytes.size() > request.answer_limit - answer.body.size()) {
      return end({Code::kOutOfRange,
                  "the answer is longer than " + std::to_string(request.answer_limit) + " bytes"});
    }
    answer.body += bytes;
    return bytes.size();
  }
};

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self) {
  static_cast<Transfer*>(self)->take_header(trimmed({bytes, size * count}));
  return size * count;
}

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  return static_cast<Transfer*>(self)->take_body({bytes, size * count});
}

std::size_t on_read(char* to, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  auto got = transfer.request.body->read(transfer.sent, to, size * count);
  if (!got) {
    transfer.end(std::move(got).error());
    return CURL_READFUNC_ABORT;
  }
  transfer.sent += *got;
  return *got;
}

int on_seek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(self)->sent = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(self)->cancel.cancelled() ? 1 : 0;
}

std::string where(const HttpRequest& request) {
  // A query may hold a signature.
  return request.url.substr(0, request.url.find('?'));
}

Error error_of_curl(CURLcode code, const char* detail, const HttpRequest& request) {
  const std::string message =
      where(request) + ": " + (*detail == '\0' ? curl_easy_strerror(code) : detail);
  switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
      return {Code::kCancelled, where(request) + ": cancelled"};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {Code::kInvalidArgument, message};
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_TOO_MANY_REDIRECTS:
      return {Code::kFailedPrecondition, message};
    default:
      return {Code::kUnavailable, message, "no_answer"};
  }
}

void set_body(CURL* handle, Transfer& transfer) {
  const HttpRequest& request = transfer.request;
  if (request.method == "HEAD") {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (request.body) {
    curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(handle, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(handle, CURLOPT_SEEKDATA, &transfer);
    curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE,
                     static_cast<curl_off_t>(request.body->size()));
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void set_limits(CURL* handle, const HttpOptions& options) {
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(options.stall_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "serin");
  if (!options.ca_file.empty()) curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
}

void set_target(CURL* handle, const HttpRequest& request) {
  const bool secure = request.url.starts_with("https:");
  curl_easy_setopt(handle, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);  // the path that was signed
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, request.follow ? 1L : 0L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, 5L);
  if (request.sign) {
    const std::string provider = "aws:amz:" + request.sign->region + ":s3";
    curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, provider.c_str());
    curl_easy_setopt(handle, CURLOPT_USERNAME, request.sign->access_key.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, request.sign->secret_key.c_str());
  }
}

void set_callbacks(CURL* handle, Transfer& transfer) {
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

std::string last_url(CURL* handle) {
  const char* url = nullptr;
  curl_easy_getinfo(handle, CURLINFO_EFFECTIVE_URL, &url);
  return url == nullptr ? "" : url;
}

List headers_of(const HttpRequest& request) {
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) {
    // libcurl drops "Name:"; "Name;" is how it sends an empty value.
    list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
  }
  return List(list);
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view lower_name) const {
  const auto found =
      std::ranges::find_if(headers, [&](const auto& one) { return one.first == lower_name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
}

HttpOptions http_options_from(const Environment& environment) {
  HttpOptions options;
  options.ca_file = environment("SSL_CERT_FILE").value_or("");
  return options;
}

// Handles that no request uses; each keeps its connections.
struct HttpClient::Handles {
  std::mutex mutex;
  std::vector<Handle> idle;

  Handle take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }
  void give(Handle handle) {
    constexpr std::size_t kMostIdle = 8;
    curl_easy_reset(handle.get());
    const std::lock_guard lock(mutex);
    if (idle.size() < kMostIdle) idle.push_back(std::move(handle));
  }
};

HttpClient::HttpClient(const HttpOptions& options)
    : options_(options), handles_(std::make_unique<Handles>()) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::create(const HttpOptions& options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) return fail(Code::kInternal, curl_easy_strerror(started));
  return std::unique_ptr<HttpClient>(new HttpClient(options));
}

Result<HttpAnswer> HttpClient::send(const HttpRequest& request, const CancelToken& cancel) {
  if (cancel.cancelled()) return fail(Code::kCancelled, where(request) + ": cancelled");
  Handle handle = handles_->take();
  SERIN_CHECK(handle != nullptr);
  Transfer transfer{request, cancel, {}, 0, false, {}};
  const List headers = headers_of(request);
  std::array<char, CURL_ERROR_SIZE> detail{};
  set_limits(handle.get(), options_);
  set_target(handle.get(), request);
  set_callbacks(handle.get(), transfer);
  set_body(handle.get(), transfer);
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, detail.data());
  const CURLcode code = curl_easy_perform(handle.get());
  transfer.answer.url = last_url(handle.get());
  handles_->give(std::move(handle));
  if (code == CURLE_OK) transfer.accept();
  if (transfer.problem) return fail(std::move(*transfer.problem));
  if (code != CURLE_OK) return fail(error_of_curl(code, detail.data(), request));
  return std::move(transfer.answer);
}

Error error_of_answer(const HttpAnswer& answer, std::string message) {
  Error error{Code::kUnknown, std::move(message) + " (HTTP " + std::to_string(answer.status) + ")"};
  error.retry_after = net::parse_retry_after(answer.header("retry-after"));
  switch (answer.status) {
    case 400:
      error.code = Code::kInvalidArgument;
      break;
    case 401:
      error.code = Code::kUnauthenticated;
      break;
    case 403:
      error.code = Code::kPermissionDenied;
      break;
    case 404:
      error.code = Code::kNotFound;
      break;
    case 412:
      error.code = Code::kAborted;
      break;
    case 413:
    case 507:
      error.code = Code::kResourceExhausted;
      break;
    case 416:
      error.code = Code::kOutOfRange;
      break;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      error.code = Code::kUnavailable;
      break;
    default:
      break;
  }
  return error;
}

}  // namespace serin::objects
