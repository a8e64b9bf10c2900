// SPDX-License-Identifier: Apache-2.0
// What S3 and Azure Blob share: a get that goes on where it was cut, and a conditional put whose
// answer was lost. Both are told how to speak with their store by functions, and block.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/retry.h"

namespace serin::objects {

// Signs and sends, once. Answers other than 2xx come as Errors.
using Send = std::function<Result<HttpAnswer>(HttpRequest, const CancelToken&)>;

struct RemoteObject {
  std::string key;
  HttpRequest request;        // GET or HEAD of the object, neither signed nor conditional
  std::string digest_header;  // where put() left the SHA-256, in lower case
};

// ObjectStore::get and head.
Result<ObjectInfo> get_remote(const Send& send, const RemoteObject& object,
                              const GetOptions& options, const Sink& sink,
                              const RetryPolicy& policy, const CancelToken& cancel);
Result<ObjectInfo> head_remote(const Send& send, const RemoteObject& object,
                               const RetryPolicy& policy, const CancelToken& cancel);

// send() until it succeeds or trying again does not help.
Result<HttpAnswer> send_with_retries(const Send& send, const HttpRequest& request,
                                     const RetryPolicy& policy, const CancelToken& cancel);

// Like send_with_retries, for the request that makes an object visible under a condition. When one
// of the attempts brought no answer and a later one says that the condition is lost, `is_ours` is
// asked whether what is there is what this call wrote; its success is then the call's.
Result<HttpAnswer> send_conditional(const Send& send, const HttpRequest& request,
                                    const std::function<Result<HttpAnswer>()>& is_ours,
                                    const RetryPolicy& policy, const CancelToken& cancel);

// `said` is the store's own reason.
Error condition_lost(std::string_view key, std::string_view said);

}  // namespace serin::objects
