// SPDX-License-Identifier: Apache-2.0
// The requests of a service that were answered last, for feedback that comes later: whose each was,
// which version answered it, and what has been said of it. Bounded: past its capacity the oldest
// is forgotten. From any thread; a mutex is held for a look-up.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/feedback/feedback.h"
#include "rollout/request.h"

namespace serin::gateway {

// A version as feedback names it.
struct Served {
  std::string service, version, package;
};

struct Remembered {
  std::shared_ptr<const Served> served;  // what answered
  // Why a rating of it is no evidence about its version; empty: it is.
  std::string_view not_counted;
  double assigned = 0;  // as in rollout::Request
  double weight = 0;
  rollout::Arm arm = rollout::Arm::kStable;
  std::uint32_t worker = 0;
  std::uint64_t rater = 0;   // hash of its user with the rollout's salt; 0: nobody is known
  std::uint64_t client = 0;  // name_hash() of whose key or token it came with; 0: none
  std::uint64_t user = 0;    // the same of the user that a header named; 0: none
  std::optional<double> rating = std::nullopt;  // that it was given
  std::uint64_t words = 0;                      // hash of the last correction and comment
  int sent = 0;                                 // how often something was said of it
};

// Of a name that is compared with another; 0 for an empty one.
std::uint64_t name_hash(std::string_view name);

class RequestMemory {
 public:
  static constexpr std::size_t kCapacity = 65'536;
  // So often something may be said of one request.
  static constexpr int kMostSent = 8;

  explicit RequestMemory(std::size_t capacity = kCapacity) : capacity_(capacity) {}

  // Of two requests with one id, which clients may choose, the later is known.
  void add(std::string_view id, Remembered request);
  std::optional<Remembered> find(std::string_view id) const;

  enum class Taken : std::uint8_t {
    kNew,
    kRepeated,  // all of it was said before
    kOther,     // it has another rating
    kTooMany,
    kForgotten,
  };
  // What take() would say, for one that was found.
  static Taken judge(const Remembered& request, const Feedback& feedback);
  Taken take(const Feedback& feedback);

 private:
  struct Slot {
    std::uint64_t id = 0;
    Remembered request;
  };

  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::vector<Slot> ring_;
  std::size_t next_ = 0;                                  // in the ring
  std::unordered_map<std::uint64_t, std::size_t> index_;  // by the hash of the id
};

}  // namespace serin::gateway
