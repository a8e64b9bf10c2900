// SPDX-License-Identifier: Apache-2.0
// Which calls of a model are worth recording as a CUDA graph. Calls of one shape run plainly the
// first time (libraries set themselves up), are recorded the second, and are replayed from then on.
// Pure bookkeeping; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace serin::backends {

class ShapeBook {
 public:
  // Dtypes and sizes of all arguments, told apart by their order.
  using Shape = std::vector<std::int64_t>;
  enum class Way { kPlain, kRecord, kReplay };

  // A recorded shape holds memory of the device for as long as the model lives; shapes past the
  // first `most` run plainly.
  explicit ShapeBook(std::size_t most) : most_(most) {}

  // How the next call of `shape` is to run. kRecord once a shape: what came of it is taken to be
  // well unless refuse() says otherwise.
  Way next(const Shape& shape);
  // The shape cannot be recorded and runs plainly from now on.
  void refuse(const Shape& shape);
  // All recordings are gone; shapes that were refused stay so.
  void forget();

 private:
  enum class State { kSeen, kRecorded, kRefused };
  std::size_t most_;
  std::map<Shape, State> states_;
};

}  // namespace serin::backends
