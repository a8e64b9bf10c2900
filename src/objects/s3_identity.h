// SPDX-License-Identifier: Apache-2.0
// Who an S3 store says it is: fixed keys, temporary ones taken with a web identity and renewed
// before they expire, or nobody. Owned by the store; any thread, blocks while it renews.
#pragma once

#include <mutex>
#include <optional>

#include "objects/http.h"
#include "objects/s3_settings.h"
#include "objects/xml.h"

namespace serin::objects {

class S3Identity {
 public:
  S3Identity(const S3Settings& settings, HttpClient& http) : settings_(settings), http_(http) {}
  // Empty: requests go out unsigned.
  Result<std::optional<S3Credentials>> credentials(const CancelToken& cancel);

 private:
  const S3Settings& settings_;
  HttpClient& http_;
  std::mutex mutex_;
  std::optional<StsCredentials> taken_;
};

}  // namespace serin::objects
