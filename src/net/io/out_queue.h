// SPDX-License-Identifier: Apache-2.0
// Bytes on their way out, as a few blocks that one system call can send: small writes share a
// block, large strings are kept as they are, or shared with their owner. Owned by one Link and used
// on its thread.
#pragma once

#include <sys/uio.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace serin::net {

class OutQueue {
 public:
  // The block that small writes go to; append to it and call grew().
  std::string& tail() {
    if (blocks_.empty() || sealed_ || blocks_.back().own.size() >= kBlock) {
      blocks_.emplace_back();
      counted_ = 0;
      sealed_ = false;
    }
    return blocks_.back().own;
  }
  void grew() {
    if (sealed_ || blocks_.empty()) return;
    size_ += blocks_.back().own.size() - counted_;
    counted_ = blocks_.back().own.size();
  }
  void write(std::string_view bytes) {
    tail() += bytes;
    grew();
  }
  void write(std::string&& bytes) {
    if (bytes.size() < kBlock) return write(std::string_view(bytes));
    size_ += bytes.size();
    blocks_.push_back({std::move(bytes), nullptr});
    sealed_ = true;
  }
  void write(const std::shared_ptr<const std::string>& bytes) {
    if (bytes->size() < kBlock) return write(std::string_view(*bytes));
    size_ += bytes->size();
    blocks_.push_back({{}, bytes});
    sealed_ = true;
  }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Fills at most `count` vectors and returns how many.
  std::size_t gather(iovec* vectors, std::size_t count) {
    std::size_t filled = 0;
    std::size_t skip = sent_;
    for (const Block& block : blocks_) {
      if (filled == count) break;
      const std::string_view bytes = block.bytes();
      // The kernel only reads them.
      if (bytes.size() > skip)
        vectors[filled++] = {const_cast<char*>(bytes.data()) + skip, bytes.size() - skip};
      skip = 0;
    }
    return filled;
  }
  std::string_view front() const { return blocks_.front().bytes().substr(sent_); }

  void drop(std::size_t bytes) {
    size_ -= bytes;
    sent_ += bytes;
    while (!blocks_.empty() && sent_ >= blocks_.front().bytes().size()) {
      sent_ -= blocks_.front().bytes().size();
      if (blocks_.size() > 1) {
        blocks_.pop_front();
        continue;
      }
      // The last block's memory is used again, unless it is somebody's large string.
      if (sealed_ || blocks_.front().own.capacity() > 4 * kBlock) {
        blocks_.clear();
      } else {
        blocks_.front().own.clear();
      }
      counted_ = 0;
      sealed_ = false;
      return;
    }
  }
  void clear() {
    blocks_.clear();
    size_ = sent_ = counted_ = 0;
    sealed_ = false;
  }

 private:
  static constexpr std::size_t kBlock = 16 * 1024;

  struct Block {
    std::string own = {};
    std::shared_ptr<const std::string> shared = {};  // null: `own` counts
    std::string_view bytes() const { return shared ? *shared : own; }
  };

  std::list<Block> blocks_;  // without memory while there are none
  std::size_t size_ = 0;
  std::size_t sent_ = 0;     // of the first block
  std::size_t counted_ = 0;  // of the last block
  bool sealed_ = false;      // the last block is not appended to
};

}  // namespace serin::net
