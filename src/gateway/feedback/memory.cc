// SPDX-License-Identifier: Apache-2.0
#include "gateway/feedback/memory.h"

#include <random>

#include "gateway/hash.h"

namespace serin::gateway {
namespace {

// Clients choose ids: nobody is to find two of one hash.
std::uint64_t id_hash(std::string_view id) {
  static const std::uint64_t kSeed = [] {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }();
  return hash_bytes(id, kSeed);
}

std::uint64_t words_of(const Feedback& feedback) {
  if (feedback.correction.empty() && feedback.comment.empty()) return 0;
  return hash_bytes(feedback.correction, hash_bytes(feedback.comment, 1)) | 1;
}

}  // namespace

std::uint64_t name_hash(std::string_view name) {
  return name.empty() ? 0 : hash_bytes(name, 3) | 1;
}

void RequestMemory::add(std::string_view id, Remembered request) {
  if (capacity_ == 0) return;
  const std::uint64_t hash = id_hash(id);
  const std::lock_guard lock(mutex_);
  if (ring_.size() < capacity_) {
    next_ = ring_.size();
    ring_.emplace_back();
  } else {
    next_ = (next_ + 1) % capacity_;
    // Unless a later one has its id.
    const auto oldest = index_.find(ring_[next_].id);
    if (oldest != index_.end() && oldest->second == next_) index_.erase(oldest);
  }
  ring_[next_] = {hash, std::move(request)};
  index_[hash] = next_;
}

std::optional<Remembered> RequestMemory::find(std::string_view id) const {
  const std::uint64_t hash = id_hash(id);
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(hash);
  if (found == index_.end()) return std::nullopt;
  return ring_[found->second].request;
}

RequestMemory::Taken RequestMemory::judge(const Remembered& request, const Feedback& feedback) {
  if (feedback.rating && request.rating && *feedback.rating != *request.rating)
    return Taken::kOther;
  const std::uint64_t words = words_of(feedback);
  const bool rated = !feedback.rating || request.rating;
  if (rated && (words == 0 || words == request.words)) return Taken::kRepeated;
  return request.sent < kMostSent ? Taken::kNew : Taken::kTooMany;
}

RequestMemory::Taken RequestMemory::take(const Feedback& feedback) {
  const std::uint64_t hash = id_hash(feedback.request_id);
  const std::lock_guard lock(mutex_);
  const auto found = index_.find(hash);
  if (found == index_.end()) return Taken::kForgotten;
  Remembered& request = ring_[found->second].request;
  const Taken taken = judge(request, feedback);
  if (taken != Taken::kNew) return taken;
  ++request.sent;
  if (feedback.rating) request.rating = feedback.rating;
  if (const std::uint64_t words = words_of(feedback); words != 0) request.words = words;
  return taken;
}

}  // namespace serin::gateway
