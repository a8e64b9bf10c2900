// SPDX-License-Identifier: Apache-2.0
// What S3, STS and Azure Blob say in XML. Pure; nothing in it is trusted, its size is bounded by
// HttpRequest::answer_limit, entities other than XML's own are not expanded and nothing is loaded.
// kDataLoss for what is no such document.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/object_store.h"

namespace serin::objects {

// <Error><Code>…</Code><Message>…</Message>…</Error>; fields that are not there are empty, and all
// of them when the text is no such document.
struct StoreError {
  std::string code, message;
  std::string region;  // S3: where the bucket is
};
StoreError parse_store_error(std::string_view xml);

// ListObjectsV2 and List Blobs. Names that are no keys (check_key) are left out: other programs'
// own, such as S3's markers of folders.
Result<Page> parse_s3_listing(std::string_view xml);
Result<Page> parse_azure_listing(std::string_view xml);

// InitiateMultipartUploadResult.
Result<std::string> parse_upload_id(std::string_view xml);

// AssumeRoleWithWebIdentityResponse.
struct StsCredentials {
  std::string access_key, secret_key, session_token;
  std::chrono::system_clock::time_point expires;
};
Result<StsCredentials> parse_sts_credentials(std::string_view xml);

std::string xml_escape(std::string_view text);

}  // namespace serin::objects
