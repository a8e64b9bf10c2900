// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_registry.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/base64.h"
#include "base/digest.h"
#include "base/json_members.h"
#include "net/http/uri.h"
#include "objects/oci_login.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

// Kinds of documents that are understood.
constexpr std::array kDocumentTypes = {kOciManifestType, kOciIndexType, kDockerManifestType,
                                       kDockerIndexType};
constexpr std::uint64_t kChunk = std::uint64_t{16} << 20;
constexpr std::uint64_t kWorthAnAttempt = std::uint64_t{1} << 20;

// {"errors": [{"code": "NAME_UNKNOWN", "message": "…"}]}
std::string said_in(const HttpAnswer& answer) {
  const json::value document = parse_json(answer.body).value_or(nullptr);
  const json::array* errors = array_of(member(document, "errors"));
  if (errors == nullptr || errors->empty()) return {};
  std::string said;
  for (const char* key : {"code", "message"}) {
    const std::string_view text = text_of(member(errors->front(), key));
    if (!text.empty()) said.append(": ").append(printable(text));
  }
  return said;
}

// Said in the head, in the document, or in neither, by old registries.
std::string type_of(const HttpAnswer& answer) {
  const std::string_view said = answer.header("content-type");
  const std::string type(trimmed(said.substr(0, said.find(';'))));
  if (type != "application/json" && type != "text/plain" && !type.empty()) return type;
  const json::value document = parse_json(answer.body).value_or(nullptr);
  const std::string_view own = text_of(member(document, "mediaType"));
  return std::string(own.empty() ? kOciManifestType : own);
}

class Repository final : public OciRegistry {
 public:
  Repository(OciReference reference, std::unique_ptr<HttpClient> http,
             const Environment& environment, const RetryPolicy& retry)
      : at_(std::move(reference)),
        http_(std::move(http)),
        environment_(environment),
        scheme_(is_plain_http(at_, environment) ? "http://" : "https://"),
        retry_(retry) {}

  Result<OciDocument> pull_document(const std::string& name, const CancelToken& cancel) override {
    HttpRequest request;
    request.url = base() + "/manifests/" + name;
    std::string types;
    for (const std::string_view type : kDocumentTypes)
      types.append(types.empty() ? "" : ", ").append(type);
    request.headers.emplace_back("Accept", types);
    request.answer_limit = kLargestManifest;
    request.follow = true;
    SERIN_TRY_ASSIGN(const HttpAnswer answer, send_again(request, cancel));
    OciDocument document{type_of(answer), answer.body};
    if (is_oci_digest(name) && document.digest() != name) {
      return fail(Code::kDataLoss, where() + ": the registry sent a manifest with the digest " +
                                       document.digest() + " for " + name);
    }
    if (std::ranges::find(kDocumentTypes, document.media_type) == kDocumentTypes.end()) {
      return invalid(where() + ": is a " + printable(document.media_type) +
                     ", not an image or an artifact");
    }
    return document;
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

  Status push_document(const std::string& name, const OciDocument& document,
                       const CancelToken& cancel) override {
    HttpRequest request;
    request.method = "PUT";
    request.url = base() + "/manifests/" + name;
    request.headers.emplace_back("Content-Type", document.media_type);
    request.body = Body::bytes(document.text);
    SERIN_TRY(send_again(request, cancel));
    return {};
  }

  const OciReference& reference() const override { return at_; }

 private:
  std::string base() const { return scheme_ + at_.api_host() + "/v2/" + at_.repository; }
  std::string where() const { return at_.text(); }

  Result<HttpAnswer> send_again(const HttpRequest& request, const CancelToken& cancel) {
    for (Retry retry(retry_, cancel);;) {
      auto answer = send(request, cancel);
      if (answer || !retry.again(answer.error())) return answer;
    }
  }

  // Whether a URL is the registry's own. It may lead us elsewhere for a blob or an upload: who is
  // asked there gets no credentials, and no say in who gets them.
  bool is_registry(std::string_view url) const {
    return url.starts_with(scheme_ + at_.api_host() + "/");
  }

  // Once, but for a second time when the registry wants to know who we are.
  Result<HttpAnswer> send(const HttpRequest& request, const CancelToken& cancel) {
    SERIN_TRY_ASSIGN(HttpAnswer answer, send_as(request, cancel));
    if (answer.status == 401 && is_registry(answer.url)) {
      SERIN_TRY(authenticate(answer, cancel));
      SERIN_TRY_ASSIGN(answer, send_as(request, cancel));
    }
    if (answer.ok()) return answer;
    return fail(error_of_answer(answer, where() + said_in(answer) + why_refused(answer)));
  }

  // What a person can do about a 401 or 403; nothing of another status.
  std::string why_refused(const HttpAnswer& answer) const {
    if (answer.status != 401 && answer.status != 403) return {};
    if (!is_registry(answer.url))
      return "; so says " + printable(answer.url.substr(0, answer.url.find('?'))) +
             ", where the registry leads";
    if (!login_) return "; the registry asks for no credentials";
    return login_->empty() ? "; no credentials for this registry were found"
                           : "; the registry does not accept the credentials for it";
  }

  Result<HttpAnswer> send_as(HttpRequest request, const CancelToken& cancel) {
    if (scheme_ == "https://" && !request.url.starts_with("https://"))
      return fail(Code::kFailedPrecondition,
                  where() + ": the registry leads to a place without TLS");
    if (!authorization_.empty() && is_registry(request.url))
      request.headers.emplace_back("Authorization", authorization_);
    return http_->send(request, cancel);
  }

  std::string basic() const { return "Basic " + to_base64(login_->user + ":" + login_->password); }

  // Makes authorization_ what the registry's own answer, a 401, wants.
  Status authenticate(const HttpAnswer& answer, const CancelToken& cancel) {
    if (!login_) {
      SERIN_TRY_ASSIGN(login_, registry_login(at_, environment_, cancel));
    }
    const auto challenge = parse_bearer_challenge(answer.header("www-authenticate"));
    if (!challenge) {
      if (!login_->user.empty()) authorization_ = basic();
      return {};
    }
    if (scheme_ == "https://" && !challenge->realm.starts_with("https://"))
      return fail(Code::kFailedPrecondition, where() + ": its token service is not behind TLS");
    SERIN_TRY_ASSIGN(const HttpAnswer given, http_->send(token_request(*challenge), cancel));
    if (!given.ok())
      return fail(error_of_answer(given, where() + ": no token from " + challenge->realm));
    const json::value document = parse_json(given.body).value_or(nullptr);
    for (const char* key : {"token", "access_token"}) {
      const std::string_view token = text_of(member(document, key));
      if (token.empty()) continue;
      authorization_ = "Bearer " + std::string(token);
      return {};
    }
    return fail(Code::kDataLoss, where() + ": " + challenge->realm + " sent no token");
  }

  // Asks by a query with a password; an identity token is exchanged by a form.
  HttpRequest token_request(const BearerChallenge& challenge) const {
    const std::string wanted = "service=" + net::percent_encode(challenge.service) +
                               "&scope=" + net::percent_encode(challenge.scope);
    HttpRequest request;
    request.url = challenge.realm;
    if (!login_->identity_token.empty()) {
      request.method = "POST";
      request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
      request.body = Body::bytes("grant_type=refresh_token&client_id=serin&" + wanted +
                                 "&refresh_token=" + net::percent_encode(login_->identity_token));
      return request;
    }
    request.url += request.url.find('?') == std::string::npos ? "?" : "&";
    request.url += wanted;
    if (!login_->user.empty()) request.headers.emplace_back("Authorization", basic());
    return request;
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
    if (location.starts_with('/')) location = scheme_ + at_.api_host() + location;
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
  Environment environment_;
  std::optional<OciLogin> login_;  // once the registry has asked
  std::string scheme_;
  RetryPolicy retry_;
  std::string authorization_;
};

}  // namespace

Result<OciDocument> OciRegistry::pull_image(const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(OciDocument document, pull_document(reference().name(), cancel));
  if (!is_oci_index(document.media_type)) return document;
  auto manifest = manifest_for_this_machine(document.text);
  if (!manifest) return fail(std::move(manifest).error().within(reference().text()));
  return pull_document(manifest->digest, cancel);
}

Result<std::string> OciRegistry::pull_text(const OciBlob& blob, std::uint64_t limit,
                                           const CancelToken& cancel) {
  if (blob.size > limit)
    return fail(Code::kOutOfRange, reference().text() + ": " + blob.digest + " has " +
                                       std::to_string(blob.size) + " bytes, and may have " +
                                       std::to_string(limit) + " at most");
  std::string text;
  const Sink append = [&text](std::string_view piece) -> Status {
    text += piece;
    return {};
  };
  SERIN_TRY(pull_blob(blob, 0, append, cancel));
  return text;
}

Result<std::unique_ptr<OciRegistry>> OciRegistry::create(OciReference reference,
                                                         const Environment& environment,
                                                         const RetryPolicy& retry) {
  SERIN_TRY_ASSIGN(auto http, HttpClient::create(http_options_from(environment)));
  return std::unique_ptr<OciRegistry>(
      new Repository(std::move(reference), std::move(http), environment, retry));
}

}  // namespace serin::objects
