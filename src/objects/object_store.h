// SPDX-License-Identifier: Apache-2.0
// Where bytes lie: a folder, S3 or Azure Blob behind one interface of five verbs. An OCI registry
// is no such store (it names content by digest and moves tags without a condition) and stands
// beside it in oci_registry.h.
//
// What every store promises, and what a caller may rely on:
//
//  1. Atomic. An object is there whole or not there; a put that failed, was cancelled or died with
//     its process leaves what was there before. A reader never sees a mixture of two puts.
//  2. Read after write. Once put() or remove() has returned, get(), head() and list() of any
//     process say so.
//  3. Conditions. Of any number of concurrent put()s with Condition::absent() to one key exactly
//     one succeeds; of those with Condition::matches(etag) at most one per etag. The others get
//     kAborted with reason "condition_lost", and nothing of theirs is visible. Put of an absent key
//     with matches() is lost too. When the answer of a conditional put is lost on its way, the put
//     is settled by a mark that it left on the object, so that a retry does not mistake its own
//     success for somebody else's.
//  4. The etag is opaque, never empty after put(), get() and head(), and changes with the content.
//  5. get() of a piece, or one that was cut and went on, is of one object: if it is replaced
//     meanwhile the call fails with kAborted ("object_changed") instead of joining two.
//  6. Bytes are checked: what arrives at the store is compared with a digest that travels with it,
//     and a whole get() with the SHA-256 that put() left there; a difference is kDataLoss.
//     A length other than the announced one is an error, never a short object.
//  7. list() gives each object that was there all the time exactly once, in ascending byte order
//     where keys are ASCII. What is put or removed meanwhile may or may not be among them.
//  8. Keys (check_key): 1 to 1,000 bytes of UTF-8 without control characters or '\', segments
//     between single '/', none of them "", "." or "..", each at most 255 bytes, the first not
//     ".serin".
//  9. Limits: 5 TiB an object at S3, 4 TiB at Azure, what the disk holds in a folder; past it
//     kResourceExhausted. Pages of a listing hold at most kPageLimit objects.
// 10. Time: a connection has 10 s to come about, and a transfer that moves nothing for 30 s is cut
//     (HttpOptions). Each step is tried at most RetryPolicy::attempts times, with jittered
//     back-off, and only because every step is idempotent or conditional. After that: kUnavailable.
// 11. Cancellation: a call whose token is set returns kCancelled within about a second.
// 12. Threads: every method may be called from any thread at any time; calls block. A sink runs on
//     the calling thread. A store outlives its calls; destroying it closes its connections.
//
// Codes: kNotFound, kAborted (3 and 5), kInvalidArgument (a key, a URL), kOutOfRange (an offset
// past the end), kUnauthenticated (wrong keys, an expired token, a clock that is off),
// kPermissionDenied, kResourceExhausted (quota, disk, size), kUnavailable, kCancelled, kDataLoss,
// kFailedPrecondition (the store is set up differently, as another region), and a sink's own error
// as it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/error.h"
#include "objects/body.h"

namespace serin::objects {

inline constexpr std::size_t kPageLimit = 1000;

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // empty in a listing
  std::chrono::system_clock::time_point modified;
};

// What must hold at the moment of a put.
class Condition {
 public:
  static Condition none() { return Condition(Kind::kNone, {}); }
  static Condition absent() { return Condition(Kind::kAbsent, {}); }
  static Condition matches(std::string etag) { return Condition(Kind::kMatches, std::move(etag)); }

  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_absent() const { return kind_ == Kind::kAbsent; }
  bool is_matches() const { return kind_ == Kind::kMatches; }
  const std::string& etag() const { return etag_; }

 private:
  enum class Kind { kNone, kAbsent, kMatches };
  Condition(Kind kind, std::string etag) : kind_(kind), etag_(std::move(etag)) {}
  Kind kind_;
  std::string etag_;
};

struct GetOptions {
  std::uint64_t offset = 0;
  std::uint64_t length = std::numeric_limits<std::uint64_t>::max();  // less where the object ends
  std::string if_etag = {};  // kAborted ("object_changed") when the object has another
};

// Takes bytes in order; its error ends the call and is the call's error.
using Sink = std::function<Status(std::string_view)>;

struct Page {
  std::vector<ObjectInfo> objects;
  std::string next;  // for list()'s `from`; empty at the end
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // The object's size is the whole object's, also for a piece of it. A get of nothing past the end
  // (offset == size) gives nothing; an offset beyond is kOutOfRange.
  virtual Result<ObjectInfo> get(std::string_view key, const GetOptions& options, const Sink& sink,
                                 const CancelToken& cancel) = 0;
  virtual Result<ObjectInfo> put(std::string_view key, const Body& body, const Condition& condition,
                                 const CancelToken& cancel) = 0;
  // May cost as much as reading the object: a folder has no other way to an etag.
  virtual Result<ObjectInfo> head(std::string_view key, const CancelToken& cancel) = 0;
  // Objects whose keys begin with `prefix` (empty: all), from the beginning or from Page::next.
  virtual Result<Page> list(std::string_view prefix, std::string_view from,
                            const CancelToken& cancel) = 0;
  // Succeeds when there was no such object.
  virtual Status remove(std::string_view key, const CancelToken& cancel) = 0;
};

// Obligation 8. kInvalidArgument says which part is broken.
Status check_key(std::string_view key);

// The whole object in memory; kOutOfRange when it is larger than `limit`.
Result<std::string> get_bytes(ObjectStore& store, std::string_view key, std::size_t limit,
                              const CancelToken& cancel = {});

}  // namespace serin::objects
