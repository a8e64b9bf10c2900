// SPDX-License-Identifier: Apache-2.0
// Rows of single requests become batches and back: grouped by shape, cut to the largest of
// batching.sizes, padded up to the next size with a copy of the first row (always valid, never
// looked at), cast to the declared dtypes. When a batch fails, each of its rows is run once more
// alone, so that one bad request cannot fail its neighbours. For the device thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_caller.h"
#include "model/manifest.h"

namespace serin::engine {

// Values of call.arguments, or of call.results, in their order; one item each, without the batch
// dimension.
using Row = std::vector<Tensor>;

// What the inputs feed; empty tensors where the loop does.
Row row_of(const model::Manifest& manifest, const Request& request);

// A batch of `rows` rows of one argument; copies of the first row below `items`.
Tensor stack(const std::vector<const Tensor*>& items, std::int64_t rows, DType dtype);

// kDataLoss, naming the output and the place, when a value is not finite.
Status check_finite(const std::string& output, const Tensor& tensor);

class RowRunner {
 public:
  RowRunner(const model::Manifest& manifest, ModelCaller& caller)
      : manifest_(&manifest), caller_(&caller) {}

  std::size_t largest_batch() const {
    return static_cast<std::size_t>(manifest_->batching.sizes.back());
  }
  // As many results as rows, each with what call.results gave for it. `abandoned` is of all rows
  // together.
  std::vector<Result<Row>> run(const std::vector<Row>& rows, const Abandoned& abandoned = {});

 private:
  using Places = std::vector<std::size_t>;
  std::vector<Places> batches_of(const std::vector<Row>& rows) const;
  Result<std::vector<Tensor>> call(const std::vector<Row>& rows, const Places& places,
                                   const Abandoned& abandoned);
  void run_batch(const std::vector<Row>& rows, const Places& places, const Abandoned& abandoned,
                 std::vector<Result<Row>>& results);

  const model::Manifest* manifest_;
  ModelCaller* caller_;
};

// kInternal when the model gave something else than call.results declares. Results that are
// `carried` to the next call may be missing: they stay on the device.
Status check_results(const model::Call& call, const std::vector<Tensor>& results, std::int64_t rows,
                     std::span<const model::AutoregressiveLoop::Cache> carried);

}  // namespace serin::engine
