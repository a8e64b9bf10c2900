// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_store.h"

#include <algorithm>

#include "base/digest.h"
#include "net/http/uri.h"
#include "objects/remote_store.h"
#include "objects/s3_identity.h"
#include "objects/text.h"
#include "objects/xml.h"

namespace serin::objects {
namespace {

constexpr std::string_view kDigest = "x-amz-meta-serin-sha256";
constexpr std::string_view kMark = "x-amz-meta-serin-put";
constexpr std::uint64_t kMostParts = 10'000;
constexpr std::uint64_t kLargestObject = std::uint64_t{5} << 40;
constexpr const char* kEmptyDigest =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::ranges::find(codes, code) != codes.end();
}

// What the store's code means to a caller; kUnknown where the HTTP status says it.
Code code_of(std::string_view code) {
  if (is_one_of(code, {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken",
                       "InvalidToken", "RequestTimeTooSkewed", "RequestExpired"}))
    return Code::kUnauthenticated;
  if (is_one_of(code, {"NoSuchKey", "NoSuchBucket", "NoSuchUpload"})) return Code::kNotFound;
  if (is_one_of(code, {"PreconditionFailed"})) return Code::kAborted;
  if (is_one_of(code, {"ConditionalRequestConflict", "OperationAborted", "SlowDown",
                       "InternalError", "RequestTimeout", "ServiceUnavailable"}))
    return Code::kUnavailable;
  if (is_one_of(code, {"EntityTooLarge", "QuotaExceeded", "XMinioStorageFull"}))
    return Code::kResourceExhausted;
  if (is_one_of(code, {"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"}))
    return Code::kDataLoss;
  if (is_one_of(code, {"PermanentRedirect", "AuthorizationHeaderMalformed",
                       "IllegalLocationConstraintException"}))
    return Code::kFailedPrecondition;
  return Code::kUnknown;
}

std::string advice(const StoreError& said, const HttpAnswer& answer) {
  if (said.code == "RequestTimeTooSkewed")
    return "; set this machine's clock: the store's says " + std::string(answer.header("date"));
  if (said.code == "SignatureDoesNotMatch")
    return "; the secret key does not belong to the access key";
  if (said.code == "InvalidAccessKeyId") return "; the store does not know this access key";
  if (said.code == "ExpiredToken") return "; get new temporary keys";
  const std::string region =
      said.region.empty() ? std::string(answer.header("x-amz-bucket-region")) : said.region;
  const bool elsewhere = code_of(said.code) == Code::kFailedPrecondition || answer.status == 301;
  if (elsewhere && !region.empty()) return "; the bucket is in " + region + ": set AWS_REGION";
  return {};
}

Error error_of_s3(const HttpAnswer& answer, const std::string& what) {
  const StoreError said = parse_store_error(answer.body);
  std::string message = what;
  if (!said.code.empty()) message += ": " + said.code + ": " + printable(said.message);
  Error error = error_of_answer(answer, message + advice(said, answer));
  if (const Code code = code_of(said.code); code != Code::kUnknown) error.code = code;
  if (answer.status == 301) error.code = Code::kFailedPrecondition;
  return error;
}

class S3Store final : public RemoteStore {
 public:
  S3Store(std::string bucket, std::string prefix, S3Settings settings,
          std::unique_ptr<HttpClient> http, const RetryPolicy& retry)
      : RemoteStore(
            {kDigest, kMark, "NoSuchKey", kLargestObject, "an object of S3 has at most 5 TiB"},
            std::move(prefix), retry),
        bucket_(std::move(bucket)),
        settings_(std::move(settings)),
        http_(std::move(http)),
        identity_(settings_, *http_) {}

 private:
  bool path_style() const { return settings_.path_style || bucket_.find('.') != std::string::npos; }

  std::string base() const override {
    const std::string endpoint = settings_.endpoint.empty()
                                     ? "https://s3." + settings_.region + ".amazonaws.com"
                                     : settings_.endpoint;
    if (path_style()) return endpoint + "/" + bucket_;
    const std::size_t host = endpoint.find("://") + 3;
    return endpoint.substr(0, host) + bucket_ + "." + endpoint.substr(host);
  }

  std::string listing_url(std::string_view prefix, std::string_view from) const override {
    // In the order that the signature wants.
    const std::string token =
        from.empty() ? "" : "continuation-token=" + net::percent_encode(from) + "&";
    return base() + (path_style() ? "?" : "/?") + token +
           "encoding-type=url&list-type=2&max-keys=" + std::to_string(kPageLimit) +
           "&prefix=" + net::percent_encode(prefix);
  }
  Result<Page> parse_listing(std::string_view body) const override {
    return parse_s3_listing(body);
  }

  Result<HttpAnswer> send(HttpRequest request, const CancelToken& cancel) override {
    SERIN_TRY_ASSIGN(const auto credentials, identity_.credentials(cancel));
    const bool hashed = std::ranges::any_of(
        request.headers, [](const auto& header) { return header.first == "x-amz-content-sha256"; });
    if (!hashed) request.headers.emplace_back("x-amz-content-sha256", kEmptyDigest);
    if (credentials) {
      if (!credentials->session_token.empty())
        request.headers.emplace_back("x-amz-security-token", credentials->session_token);
      request.sign =
          AwsSignature{settings_.region, credentials->access_key, credentials->secret_key};
    }
    SERIN_TRY_ASSIGN(HttpAnswer answer, http_->send(request, cancel));
    // The end of an upload in parts may fail with status 200, because it can take long.
    const bool failed_late =
        answer.ok() && request.method == "POST" && !parse_store_error(answer.body).code.empty();
    if (answer.ok() && !failed_late) return answer;
    if (failed_late) answer.status = 500;
    return fail(
        error_of_s3(answer, request.method + " " + request.url.substr(0, request.url.find('?'))));
  }

  Result<HttpAnswer> put_object(const Put& put, const CancelToken& cancel) override {
    const bool whole = put.body.size() <= settings_.part_bytes;
    return whole ? put_whole(put, cancel) : put_in_parts(put, cancel);
  }

  Result<HttpAnswer> put_whole(const Put& put, const CancelToken& cancel) {
    HttpRequest request;
    request.method = "PUT";
    request.url = url(put.key);
    request.body = put.body;
    request.headers.emplace_back("x-amz-content-sha256", put.digest);
    add_marks(request, put);
    return make_visible(put, std::move(request), cancel);
  }

  Result<HttpAnswer> put_in_parts(const Put& put, const CancelToken& cancel) {
    HttpRequest begin;
    begin.method = "POST";
    begin.url = url(put.key) + "?uploads=";
    begin.body = Body::bytes({});
    add_marks(begin, put);
    SERIN_TRY_ASSIGN(const HttpAnswer begun, send_with_retries(begin, cancel));
    SERIN_TRY_ASSIGN(const std::string id, parse_upload_id(begun.body));
    const std::string upload = "uploadId=" + net::percent_encode(id);
    auto answer = put_parts(put, upload, cancel);
    if (!answer) abort(put, upload);
    return answer;
  }

  Result<HttpAnswer> put_parts(const Put& put, const std::string& upload,
                               const CancelToken& cancel) {
    const std::uint64_t part =
        std::max(settings_.part_bytes, (put.body.size() + kMostParts - 1) / kMostParts);
    std::string list;
    int number = 1;
    for (std::uint64_t at = 0; at < put.body.size(); at += part, ++number) {
      const Body piece = put.body.piece(at, std::min(part, put.body.size() - at));
      SERIN_TRY_ASSIGN(const std::string etag, put_part(put, piece, upload, number, cancel));
      list += "<Part><PartNumber>" + std::to_string(number) + "</PartNumber><ETag>" +
              xml_escape(etag) + "</ETag></Part>";
    }
    return complete(put, upload, "<CompleteMultipartUpload>" + list + "</CompleteMultipartUpload>",
                    cancel);
  }

  Result<std::string> put_part(const Put& put, const Body& piece, const std::string& upload,
                               int number, const CancelToken& cancel) {
    HttpRequest request;
    request.method = "PUT";
    request.url = url(put.key) + "?partNumber=" + std::to_string(number) + "&" + upload;
    request.body = piece;
    SERIN_TRY_ASSIGN(std::string digest, piece.sha256());
    request.headers.emplace_back("x-amz-content-sha256", std::move(digest));
    SERIN_TRY_ASSIGN(const HttpAnswer answer, send_with_retries(request, cancel));
    if (answer.header("etag").empty())
      return fail(Code::kDataLoss, "the store took a part and named no etag");
    return std::string(answer.header("etag"));
  }

  // The moment at which the object becomes visible.
  Result<HttpAnswer> complete(const Put& put, const std::string& upload, const std::string& xml,
                              const CancelToken& cancel) {
    HttpRequest request;
    request.method = "POST";
    request.url = url(put.key) + "?" + upload;
    request.headers.emplace_back("x-amz-content-sha256", sha256_hex(xml));
    request.headers.emplace_back("Content-Type", "application/xml");
    request.body = Body::bytes(xml);
    return make_visible(put, std::move(request), cancel);
  }

  // Also when the put was cancelled. What fails here only leaves parts that nobody sees.
  void abort(const Put& put, const std::string& upload) {
    HttpRequest request;
    request.method = "DELETE";
    request.url = url(put.key) + "?" + upload;
    (void)send(std::move(request), CancelToken());
  }

  const std::string bucket_;
  const S3Settings settings_;
  const std::unique_ptr<HttpClient> http_;
  S3Identity identity_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> create_s3_store(std::string bucket, std::string prefix,
                                                     S3Settings settings, const HttpOptions& http,
                                                     const RetryPolicy& retry) {
  if (!settings.endpoint.empty() && !settings.endpoint.starts_with("http://") &&
      !settings.endpoint.starts_with("https://")) {
    return invalid("the S3 endpoint '" + printable(settings.endpoint) +
                   "' must begin with https:// or http://");
  }
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  SERIN_TRY_ASSIGN(auto client, HttpClient::create(http));
  return std::unique_ptr<ObjectStore>(new S3Store(std::move(bucket), std::move(prefix),
                                                  std::move(settings), std::move(client), retry));
}

}  // namespace serin::objects
