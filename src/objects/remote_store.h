// SPDX-License-Identifier: Apache-2.0
// What S3 and Azure Blob share as stores behind HTTP: a get that goes on where it was cut, a
// conditional put whose answer was lost, what is read out of answers. Each of them says how it
// signs, how its addresses are made, and in what requests an object is put.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/retry.h"

namespace serin::objects {

class RemoteStore : public ObjectStore {
 public:
  Result<ObjectInfo> get(std::string_view key, const GetOptions& options, const Sink& sink,
                         const CancelToken& cancel) final;
  Result<ObjectInfo> head(std::string_view key, const CancelToken& cancel) final;
  Result<ObjectInfo> put(std::string_view key, const Body& body, const Condition& condition,
                         const CancelToken& cancel) final;
  Result<Page> list(std::string_view prefix, std::string_view from,
                    const CancelToken& cancel) final;
  Status remove(std::string_view key, const CancelToken& cancel) final;

 protected:
  // What a service calls things, and what it takes.
  struct Service {
    std::string_view digest, mark;  // headers of an object: its SHA-256, and which put left it
    std::string_view no_object;     // its code for a key without an object
    std::uint64_t largest_object;
    std::string_view too_large;  // to be said of a larger one
  };
  // `prefix`: keys of the store are names below it.
  RemoteStore(const Service& service, std::string prefix, const RetryPolicy& retry)
      : service_(service), prefix_(std::move(prefix)), retry_(retry) {}

  struct Put {
    std::string_view key;
    const Body& body;
    const Condition& condition;
    std::string digest, mark;
  };

  // Signs and sends, once. Answers other than 2xx come as Errors.
  virtual Result<HttpAnswer> send(HttpRequest request, const CancelToken& cancel) = 0;
  // The URL of the bucket or container.
  virtual std::string base() const = 0;
  virtual std::string listing_url(std::string_view prefix, std::string_view from) const = 0;
  virtual Result<Page> parse_listing(std::string_view body) const = 0;
  // The answer to the request that made the object visible, which goes through make_visible().
  virtual Result<HttpAnswer> put_object(const Put& put, const CancelToken& cancel) = 0;

  std::string url(std::string_view key) const;
  void add_marks(HttpRequest& request, const Put& put) const;
  // send() until it succeeds or trying again does not help.
  Result<HttpAnswer> send_with_retries(const HttpRequest& request, const CancelToken& cancel);
  // The same under the put's condition. When one of the attempts brought no answer and a later one
  // says that the condition is lost, the object's mark says whether what is there is what this put
  // wrote; that success is then the put's.
  Result<HttpAnswer> make_visible(const Put& put, HttpRequest request, const CancelToken& cancel);

 private:
  HttpRequest request_for(std::string_view key, const char* method) const;
  Result<ObjectInfo> get_nothing(std::string_view key, const GetOptions& options,
                                 const CancelToken& cancel);
  Result<HttpAnswer> find_mark(const Put& put, const CancelToken& cancel);

  const Service service_;
  const std::string prefix_;
  const RetryPolicy retry_;
};

}  // namespace serin::objects
