// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_registry.h"

#include <algorithm>

#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"
#include "net/http/uri.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::string_view kManifestType = "application/vnd.oci.image.manifest.v1+json";
constexpr std::uint64_t kChunk = std::uint64_t{16} << 20;
constexpr std::size_t kLargestManifest = std::size_t{4} << 20;
constexpr std::uint64_t kWorthAnAttempt = std::uint64_t{1} << 20;

// {"errors": [{"code": "NAME_UNKNOWN", "message": "…"}]}
std::string said_in(const HttpAnswer& answer) {
  const auto document = parse_json(answer.body);
  if (!document || !document->is_object()) return {};
  const json::value* errors = document->as_object().if_contains("errors");
  if (errors == nullptr || !errors->is_array() || errors->as_array().empty()) return {};
  const json::object* first = errors->as_array().front().if_object();
  if (first == nullptr) return {};
  std::string said;
  for (const char* key : {"code", "message"}) {
    const json::value* value = first->if_contains(key);
    if (value != nullptr && value->is_string()) said += ": " + printable(value->as_string());
  }
  return said;
}

class Repository final : public OciRegistry {
 public:
  Repository(OciReference reference, std::unique_ptr<HttpClient> http, std::string login,
             bool plain, const RetryPolicy& retry)
      : at_(std::move(reference)),
        http_(std::move(http)),
        login_(std::move(login)),
        scheme_(plain ? "http://" : "https://"),
        retry_(retry) {}

  Result<OciManifest> pull_manifest(const CancelToken& cancel) override {
    HttpRequest request;
    request.url = base() + "/manifests/" + at_.name();
    request.headers.emplace_back("Accept", kManifestType);
    request.answer_limit = kLargestManifest;
    request.follow = true;
    SERIN_TRY_ASSIGN(const HttpAnswer answer, send_again(request, cancel));
    if (!at_.digest.empty() && "sha256:" + sha256_hex(answer.body) != at_.digest) {
      return fail(Code::kDataLoss, where() +
                                       ": the registry sent a manifest with the digest sha256:" +
                                       sha256_hex(answer.body));
    }
    auto manifest = parse_oci_manifest(answer.body);
    if (!manifest) return fail(std::move(manifest).error().within(where()));
    return manifest;
  }

  Status pull_blob(const OciBlob& blob, std::uint64_t offset, const Sink& sink,
                   const CancelToken& cancel) override {
    Sha256 digest;
    std::uint64_t at = offset;
    Retry retry(retry_, cancel);
    for (std::uint64_t counted = offset; at < blob.size;) {
      const auto answer = send(blob_request(blob, at, sink, digest), cancel);
      if (answer && at == blob.size) break;
      const Error error = answer
                              ? Error{Code::kUnavailable, where() + ": the registry sent only " +
                                                              std::to_string(at) + " of " +
                                                              std::to_string(blob.size) + " bytes"}
                              : answer.error();
      if (at - counted >= kWorthAnAttempt) {
        counted = at;
        retry.progressed();
      }
      if (!retry.again(error)) return fail(error);
    }
    if (offset == 0 && "sha256:" + digest.hex() != blob.digest)
      return fail(Code::kDataLoss, where() + ": the registry sent other bytes than " + blob.digest);
    return {};
  }

  Status push_blob(const OciBlob& blob, const Body& body, const CancelToken& cancel) override {
    HttpRequest request;
    request.method = "HEAD";
    request.url = base() + "/blobs/" + blob.digest;
    request.follow = true;
    const auto there = send_again(request, cancel);
    if (there) return {};
    if (there.error().code != Code::kNotFound) return fail(there.error());
    return upload(blob, body, cancel);
  }

  Result<std::string> push_manifest(const OciManifest& manifest,
                                    const CancelToken& cancel) override {
    const std::string text = oci_manifest_json(manifest);
    const std::string digest = "sha256:" + sha256_hex(text);
    if (!at_.digest.empty() && at_.digest != digest)
      return invalid(where() + ": the manifest would have the digest " + digest);
    HttpRequest request;
    request.method = "PUT";
    request.url = base() + "/manifests/" + at_.name();
    request.headers.emplace_back("Content-Type", kManifestType);
    request.body = Body::bytes(text);
    SERIN_TRY(send_again(request, cancel));
    return digest;
  }

 private:
  std::string base() const { return scheme_ + at_.host + "/v2/" + at_.repository; }
  std::string where() const {
    return at_.host + "/" + at_.repository + (at_.digest.empty() ? ":" : "@") + at_.name();
  }

  Result<HttpAnswer> send_again(const HttpRequest& request, const CancelToken& cancel) {
    for (Retry retry(retry_, cancel);;) {
      auto answer = send(request, cancel);
      if (answer || !retry.again(answer.error())) return answer;
    }
  }

  // Once, but for a second time when the registry wants to know who we are.
  Result<HttpAnswer> send(const HttpRequest& request, const CancelToken& cancel) {
    SERIN_TRY_ASSIGN(HttpAnswer answer, send_as(request, cancel));
    if (answer.status == 401) {
      SERIN_TRY(authenticate(answer, cancel));
      SERIN_TRY_ASSIGN(answer, send_as(request, cancel));
    }
    if (answer.ok()) return answer;
    std::string message = where() + said_in(answer);
    if (answer.status == 401 || answer.status == 403) {
      message += login_.empty() ? "; no credentials for this registry were found"
                                : "; the registry does not accept the credentials for it";
    }
    return fail(error_of_answer(answer, std::move(message)));
  }

  Result<HttpAnswer> send_as(HttpRequest request, const CancelToken& cancel) {
    const std::string origin = scheme_ + at_.host + "/";
    if (scheme_ == "https://" && !request.url.starts_with("https://"))
      return fail(Code::kFailedPrecondition,
                  where() + ": the registry leads to a place without TLS");
    // A registry may send an upload elsewhere; our credentials stay here.
    if (!authorization_.empty() && request.url.starts_with(origin))
      request.headers.emplace_back("Authorization", authorization_);
    return http_->send(request, cancel);
  }

  Status authenticate(const HttpAnswer& answer, const CancelToken& cancel) {
    const std::string_view header = answer.header("www-authenticate");
    const auto challenge = parse_bearer_challenge(header);
    if (!challenge) {
      if (!login_.empty()) authorization_ = "Basic " + to_base64(login_);
      return {};
    }
    if (scheme_ == "https://" && !challenge->realm.starts_with("https://"))
      return fail(Code::kFailedPrecondition, where() + ": its token service is not behind TLS");
    HttpRequest request;
    request.url = challenge->realm;
    request.url += request.url.find('?') == std::string::npos ? "?" : "&";
    request.url += "service=" + net::percent_encode(challenge->service) +
                   "&scope=" + net::percent_encode(challenge->scope);
    if (!login_.empty())
      request.headers.emplace_back("Authorization", "Basic " + to_base64(login_));
    SERIN_TRY_ASSIGN(const HttpAnswer given, http_->send(request, cancel));
    if (!given.ok())
      return fail(error_of_answer(given, where() + ": no token from " + challenge->realm));
    const auto document = parse_json(given.body);
    const json::object* object = document ? document->if_object() : nullptr;
    for (const char* key : {"token", "access_token"}) {
      const json::value* token = object != nullptr ? object->if_contains(key) : nullptr;
      if (token == nullptr || !token->is_string()) continue;
      authorization_ = "Bearer " + std::string(token->as_string());
      return {};
    }
    return fail(Code::kDataLoss, where() + ": " + challenge->realm + " sent no token");
  }

  HttpRequest blob_request(const OciBlob& blob, std::uint64_t& at, const Sink& sink,
                           Sha256& digest) const {
    HttpRequest request;
    request.url = base() + "/blobs/" + blob.digest;
    request.follow = true;
    const std::uint64_t from = at;
    if (from > 0) request.headers.emplace_back("Range", "bytes=" + std::to_string(from) + "-");
    request.accept = [this, from](const HttpAnswer& answer) -> Status {
      const std::string begin = "bytes " + std::to_string(from) + "-";
      const bool right =
          from == 0 ? answer.status == 200 : answer.header("content-range").starts_with(begin);
      if (right) return {};
      return fail(Code::kDataLoss,
                  where() + ": the registry sent another piece than was asked for");
    };
    request.sink = [this, &blob, &at, &sink, &digest](std::string_view bytes) -> Status {
      if (bytes.size() > blob.size - at)
        return fail(Code::kDataLoss, where() + ": the registry sent more than the " +
                                         std::to_string(blob.size) + " bytes of " + blob.digest);
      digest.update(bytes);
      at += bytes.size();
      return sink(bytes);
    };
    return request;
  }

  // The place of an upload as the registry names it, made absolute.
  Result<std::string> location_of(const HttpAnswer& answer) const {
    std::string location(answer.header("location"));
    if (location.starts_with('/')) location = scheme_ + at_.host + location;
    if (location.starts_with("http://") || location.starts_with("https://")) return location;
    return fail(Code::kDataLoss, where() + ": the registry names no place for an upload");
  }

  Result<std::string> begin_upload(const CancelToken& cancel) {
    HttpRequest request;
    request.method = "POST";
    request.url = base() + "/blobs/uploads/";
    request.body = Body::bytes({});
    SERIN_TRY_ASSIGN(const HttpAnswer answer, send_again(request, cancel));
    return location_of(answer);
  }

  Status upload(const OciBlob& blob, const Body& body, const CancelToken& cancel) {
    SERIN_TRY_ASSIGN(std::string location, begin_upload(cancel));
    Retry retry(retry_, cancel);
    for (std::uint64_t at = 0; at < body.size();) {
      auto sent = send_chunk(location, body, at, cancel);
      if (sent) {
        location = *std::move(sent);
        at += std::min(kChunk, body.size() - at);
        retry.progressed();
        continue;
      }
      const Error error = std::move(sent).error();
      if (!retry.again(error)) return fail(error);
      SERIN_TRY(find_upload(location, at, body.size(), cancel));
    }
    HttpRequest request;
    request.method = "PUT";
    request.url = location + (location.find('?') == std::string::npos ? "?" : "&") +
                  "digest=" + net::percent_encode(blob.digest);
    request.body = Body::bytes({});
    const auto closed = send(request, cancel);
    if (closed) return {};
    // The answer may be what was lost.
    HttpRequest look;
    look.method = "HEAD";
    look.url = base() + "/blobs/" + blob.digest;
    look.follow = true;
    if (closed.error().code == Code::kUnavailable && send_again(look, cancel)) return {};
    return fail(closed.error());
  }

  // Returns where the next one goes.
  Result<std::string> send_chunk(const std::string& location, const Body& body, std::uint64_t at,
                                 const CancelToken& cancel) {
    const std::uint64_t size = std::min(kChunk, body.size() - at);
    HttpRequest request;
    request.method = "PATCH";
    request.url = location;
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.headers.emplace_back("Content-Range",
                                 std::to_string(at) + "-" + std::to_string(at + size - 1));
    request.body = body.piece(at, size);
    SERIN_TRY_ASSIGN(const HttpAnswer answer, send(request, cancel));
    return location_of(answer);
  }

  // After a cut: how far the upload has come, or a new one where the registry has forgotten it.
  Status find_upload(std::string& location, std::uint64_t& at, std::uint64_t size,
                     const CancelToken& cancel) {
    HttpRequest request;
    request.url = location;
    const auto answer = send_again(request, cancel);
    if (!answer && answer.error().code != Code::kNotFound) return fail(answer.error());
    if (!answer) {
      SERIN_TRY_ASSIGN(location, begin_upload(cancel));
      at = 0;
      return {};
    }
    SERIN_TRY_ASSIGN(location, location_of(*answer));
    const std::string_view range = answer->header("range");  // "0-1023", and "0-0" for nothing yet
    const auto last = range.starts_with("0-") ? parse_number(range.substr(2)) : std::nullopt;
    at = last && *last > 0 ? std::min(*last + 1, size) : 0;
    return {};
  }

  OciReference at_;
  std::unique_ptr<HttpClient> http_;
  std::string login_;
  std::string scheme_;
  RetryPolicy retry_;
  std::string authorization_;
};

}  // namespace

Result<std::unique_ptr<OciRegistry>> OciRegistry::create(OciReference reference,
                                                         const Environment& environment,
                                                         const RetryPolicy& retry) {
  SERIN_TRY_ASSIGN(std::string login, registry_login(reference, environment));
  SERIN_TRY_ASSIGN(auto http, HttpClient::create(http_options_from(environment)));
  const bool plain = is_plain_http(reference, environment);
  return std::unique_ptr<OciRegistry>(
      new Repository(std::move(reference), std::move(http), std::move(login), plain, retry));
}

}  // namespace serin::objects
