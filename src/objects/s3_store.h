// SPDX-License-Identifier: Apache-2.0
// S3 and what speaks its protocol. Requests are signed (Signature Version 4, payload included),
// large objects go in parts that are aborted when the put fails; what a killed process leaves of
// them is never visible, and a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)
// removes it.
#pragma once

#include <memory>
#include <string>

#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/retry.h"
#include "objects/s3_settings.h"

namespace serin::objects {

// Keys of the store are names below `prefix` of `bucket`. Asks nothing of the network yet. Without
// credentials requests go out unsigned, which public buckets answer.
Result<std::unique_ptr<ObjectStore>> create_s3_store(std::string bucket, std::string prefix,
                                                     S3Settings settings, const HttpOptions& http,
                                                     const RetryPolicy& retry);

}  // namespace serin::objects
