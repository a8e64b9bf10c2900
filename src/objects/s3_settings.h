// SPDX-License-Identifier: Apache-2.0
// Where an S3 store is and who we are there, as AWS's own tools find it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/http.h"

namespace serin::objects {

struct S3Credentials {
  std::string access_key, secret_key;
  std::string session_token = {};  // with temporary keys
};

// A role taken with a token that the platform writes to a file and renews (Kubernetes: IRSA).
struct WebIdentity {
  std::string role, token_file, session_name;
  std::string endpoint = {};  // of STS; empty: AWS's in the region
};

struct S3Settings {
  std::string region = "us-east-1";
  std::string endpoint = {};  // scheme://host[:port]; empty: AWS's in the region
  bool path_style = false;    // always so with an endpoint of one's own
  std::optional<S3Credentials> credentials = {};
  std::optional<WebIdentity> web_identity = {};  // used when there are no credentials
  // Objects larger than this are put in parts of at least this size; S3 wants 5 MiB or more.
  std::uint64_t part_bytes = std::uint64_t{64} << 20;
};

// In this order: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN); AWS_PROFILE
// (default: "default") in AWS_SHARED_CREDENTIALS_FILE (default: ~/.aws/credentials); AWS_ROLE_ARN
// with AWS_WEB_IDENTITY_TOKEN_FILE. Region: AWS_REGION, AWS_DEFAULT_REGION, the profile in
// AWS_CONFIG_FILE (default: ~/.aws/config). Endpoint: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL. No
// credentials at all are no error here.
Result<S3Settings> s3_settings_from(const Environment& environment);

// The value of `key` under [section] of an AWS configuration file; empty without one. Pure.
std::string ini_value(std::string_view text, std::string_view section, std::string_view key);

}  // namespace serin::objects
