// SPDX-License-Identifier: Apache-2.0
// HTTP as object stores need it: one request, one answer, on the calling thread, by libcurl (see
// docs/decisions for why not net/). One HttpClient a store; it keeps connections open between
// requests. The only header that others in this folder need to speak with a server; libcurl stays
// behind it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "objects/body.h"

namespace serin::objects {

struct HttpOptions {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::seconds stall_timeout{30};  // without a byte in either direction
  std::string ca_file;                     // PEM; empty: the system's authorities
};

// SSL_CERT_FILE names other authorities than the system's. Proxies (https_proxy, no_proxy, …) are
// read from the environment by libcurl.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();
HttpOptions http_options_from(const Environment& environment);

// What libcurl signs a request with (AWS Signature Version 4).
struct AwsSignature {
  std::string region;
  std::string access_key, secret_key;
};

struct HttpAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;                                          // what no sink took
  std::string url;  // of whoever answered: after redirects another than was asked

  bool ok() const { return status >= 200 && status < 300; }
  // The first of that name; empty without one.
  std::string_view header(std::string_view lower_name) const;
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<Body> body;
  std::optional<AwsSignature> sign;
  bool follow = false;  // at most five redirects; credentials stay with the first host
  std::size_t answer_limit = std::size_t{8} << 20;  // of HttpAnswer::body

  // Both optional, and for answers of status 2xx alone: looks at the head before any byte, and
  // takes the bytes.
  std::function<Status(const HttpAnswer&)> accept;
  std::function<Status(std::string_view)> sink;
};

class HttpClient {
 public:
  static Result<std::unique_ptr<HttpClient>> create(const HttpOptions& options);
  ~HttpClient();

  // Any status is an answer. Errors: kUnavailable when there was no whole answer, kCancelled,
  // kFailedPrecondition when the peer's certificate is not trusted, kInvalidArgument for a URL that
  // is none, and what accept() or sink() said. Never retries. Any thread.
  Result<HttpAnswer> send(const HttpRequest& request, const CancelToken& cancel);

 private:
  struct Handles;
  explicit HttpClient(const HttpOptions& options);
  HttpOptions options_;
  std::unique_ptr<Handles> handles_;
};

// The code for a status that nothing better is known of, and Retry-After.
Error error_of_answer(const HttpAnswer& answer, std::string message);

}  // namespace serin::objects
