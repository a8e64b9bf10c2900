// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_identity.h"

#include "base/files.h"
#include "net/http/uri.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::chrono::minutes kBeforeExpiry{5};

Result<StsCredentials> assume_role(const WebIdentity& identity, const std::string& region,
                                   HttpClient& http, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(const std::string token, read_file(identity.token_file, 1 << 20));
  const std::string endpoint =
      identity.endpoint.empty() ? "https://sts." + region + ".amazonaws.com" : identity.endpoint;
  HttpRequest request;
  request.method = "POST";
  request.url = endpoint + "/";
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = Body::bytes("Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=" +
                             net::percent_encode(identity.role) +
                             "&RoleSessionName=" + net::percent_encode(identity.session_name) +
                             "&WebIdentityToken=" + net::percent_encode(trimmed(token)));
  SERIN_TRY_ASSIGN(const HttpAnswer answer, http.send(request, cancel));
  if (answer.ok()) return parse_sts_credentials(answer.body);
  const StoreError said = parse_store_error(answer.body);
  return fail(error_of_answer(answer, "taking the role " + identity.role + ": " + said.code + ": " +
                                          printable(said.message)));
}

}  // namespace

Result<std::optional<S3Credentials>> S3Identity::credentials(const CancelToken& cancel) {
  if (settings_.credentials || !settings_.web_identity) return settings_.credentials;
  const std::lock_guard lock(mutex_);
  if (!taken_ || taken_->expires - kBeforeExpiry < std::chrono::system_clock::now()) {
    SERIN_TRY_ASSIGN(taken_, assume_role(*settings_.web_identity, settings_.region, http_, cancel));
  }
  return S3Credentials{taken_->access_key, taken_->secret_key, taken_->session_token};
}

}  // namespace serin::objects
