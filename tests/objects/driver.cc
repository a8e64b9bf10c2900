// SPDX-License-Identifier: Apache-2.0
// For tests: makes a bucket or a container, and puts a file as it is.
//   objects_driver make s3://BUCKET | azblob://ACCOUNT/CONTAINER
//   objects_driver put URL FILE
#include <iostream>

#include "base/digest.h"
#include "objects/azure_settings.h"
#include "objects/open_store.h"
#include "objects/s3_settings.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

Status send(HttpRequest request) {
  request.method = "PUT";
  request.body = Body::bytes({});
  SERIN_TRY_ASSIGN(const auto http, HttpClient::create({}));
  SERIN_TRY_ASSIGN(const HttpAnswer answer, http->send(request, {}));
  if (answer.ok()) return {};
  return fail(error_of_answer(answer, answer.body));
}

Status make_bucket(const std::string& name) {
  SERIN_TRY_ASSIGN(const S3Settings settings, s3_settings_from(process_environment()));
  HttpRequest request;
  request.url = settings.endpoint + "/" + name;
  request.headers = {{"x-amz-content-sha256", sha256_hex("")}};
  request.sign = AwsSignature{settings.region, settings.credentials->access_key,
                              settings.credentials->secret_key};
  return send(std::move(request));
}

Status make_container(const std::string& account, const std::string& name) {
  SERIN_TRY_ASSIGN(const AzureSettings settings,
                   azure_settings_from(process_environment(), account));
  HttpRequest request;
  request.method = "PUT";
  request.url = settings.endpoint + "/" + name + "?restype=container";
  request.headers = {{"x-ms-version", "2021-12-02"},
                     {"x-ms-date", http_date(std::chrono::system_clock::now())}};
  request.headers.emplace_back("Authorization",
                               azure_authorization(request, account, settings.key));
  return send(std::move(request));
}

Status put(const std::string& url, const std::string& file) {
  SERIN_TRY_ASSIGN(const auto location, parse_object_url(url));
  SERIN_TRY_ASSIGN(const auto store, open_store(location.store));
  SERIN_TRY_ASSIGN(const Body body, Body::file(file));
  SERIN_TRY(store->put(location.key, body, Condition::none(), {}));
  return {};
}

Status run(const std::vector<std::string>& words) {
  if (words.size() == 3 && words[0] == "put") return put(words[1], words[2]);
  if (words.size() != 2 || words[0] != "make") return invalid("make URL, or put URL FILE");
  const std::string& url = words[1];
  if (url.starts_with("s3://")) return make_bucket(url.substr(5));
  const std::size_t account = std::string_view("azblob://").size();
  const std::size_t slash = url.find('/', account);
  return make_container(url.substr(account, slash - account), url.substr(slash + 1));
}

}  // namespace
}  // namespace serin::objects

int main(int count, char** words) {
  const auto done = serin::objects::run({words + 1, words + count});
  if (!done) std::cerr << done.error().message << "\n";
  return done ? 0 : 1;
}
