// SPDX-License-Identifier: Apache-2.0
#include "engine/row_runner.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/dtypes.h"

namespace serin::engine {
namespace {

bool same_shapes(const Row& a, const Row& b) {
  return std::ranges::equal(
      a, b, [](const Tensor& x, const Tensor& y) { return x.shape() == y.shape(); });
}

// The smallest of the allowed sizes that holds `rows`.
std::int64_t padded_size(const std::vector<std::int64_t>& sizes, std::size_t rows) {
  const auto found = std::ranges::lower_bound(sizes, static_cast<std::int64_t>(rows));
  SERIN_CHECK(found != sizes.end());
  return *found;
}

}  // namespace

Row row_of(const model::Manifest& manifest, const Request& request) {
  Row row;
  for (const auto& argument : manifest.call.arguments) {
    const auto found = request.inputs.find(argument.input);
    row.push_back(found == request.inputs.end() ? Tensor() : found->second);
  }
  return row;
}

Tensor stack(const std::vector<const Tensor*>& items, std::int64_t rows, DType dtype) {
  const Tensor first = cast(*items.front(), dtype);
  Shape shape{rows};
  shape.insert(shape.end(), first.shape().begin(), first.shape().end());
  if (rows == 1) return first.reshaped(std::move(shape));
  Tensor batch(dtype, std::move(shape));
  const std::size_t size = first.byte_size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(rows); ++i) {
    const Tensor item = i == 0 || i >= items.size() ? first : cast(*items[i], dtype);
    std::memcpy(batch.mutable_bytes().data() + i * size, item.bytes().data(), size);
  }
  return batch;
}

Status check_finite(const std::string& output, const Tensor& tensor) {
  const std::int64_t place = first_not_finite(tensor);
  if (place < 0) return {};
  return fail(Code::kDataLoss, "the model gave a value that is not a finite number in " + output +
                                   " at index " + std::to_string(place));
}

Status check_results(const model::Call& call, const std::vector<Tensor>& results, std::int64_t rows,
                     std::span<const model::AutoregressiveLoop::Cache> carried) {
  if (results.size() != call.results.size()) {
    return fail(Code::kInternal, "the model gave " + std::to_string(results.size()) +
                                     " results; model.yaml declares " +
                                     std::to_string(call.results.size()));
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    const auto& spec = call.results[i];
    if (results[i].empty() &&
        std::ranges::find(carried, spec.name, &model::AutoregressiveLoop::Cache::result) !=
            carried.end())
      continue;
    const Shape& shape = results[i].shape();
    bool fits = results[i].dtype() == spec.dtype && shape.size() == spec.shape.size();
    for (std::size_t d = 0; fits && d < shape.size(); ++d) {
      const std::int64_t wanted = spec.shape[d] == model::kBatchDimension ? rows : spec.shape[d];
      fits = wanted == model::kLoopDimension || shape[d] == wanted;
    }
    if (!fits) {
      return fail(Code::kInternal,
                  "the model's result " + spec.name + " is " +
                      std::string(name_of(results[i].dtype())) + " " + serin::to_string(shape) +
                      ", not what model.yaml declares: " + std::string(name_of(spec.dtype)) + " " +
                      model::declared_shape(spec.shape));
    }
  }
  return {};
}

std::vector<Result<Row>> RowRunner::run(const std::vector<Row>& rows, const Abandoned& abandoned) {
  std::vector<Result<Row>> results(rows.size(), fail(Code::kInternal, "not run"));
  for (const Places& places : batches_of(rows)) run_batch(rows, places, abandoned, results);
  return results;
}

std::vector<RowRunner::Places> RowRunner::batches_of(const std::vector<Row>& rows) const {
  std::vector<Places> batches;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto found = std::ranges::find_if(batches, [&](const Places& places) {
      return places.size() < largest_batch() && same_shapes(rows[places.front()], rows[i]);
    });
    if (found == batches.end()) {
      batches.push_back({i});
    } else {
      found->push_back(i);
    }
  }
  return batches;
}

Result<std::vector<Tensor>> RowRunner::call(const std::vector<Row>& rows, const Places& places,
                                            const Abandoned& abandoned) {
  const std::int64_t size = padded_size(manifest_->batching.sizes, places.size());
  std::vector<Tensor> arguments;
  for (std::size_t a = 0; a < manifest_->call.arguments.size(); ++a) {
    std::vector<const Tensor*> items;
    for (const std::size_t place : places) items.push_back(&rows[place][a]);
    arguments.push_back(stack(items, size, manifest_->call.arguments[a].dtype));
  }
  SERIN_TRY_ASSIGN(
      auto results,
      caller_->call(arguments, nullptr, static_cast<std::int64_t>(places.size()), size, abandoned));
  SERIN_TRY(check_results(manifest_->call, results, size, {}));
  return results;
}

namespace {

// What one row may have brought upon the others; a model that cannot be reached is no row's fault.
bool may_be_a_rows_fault(const Error& error) {
  return error.code != Code::kUnavailable && error.code != Code::kDeadlineExceeded &&
         error.code != Code::kCancelled;
}

}  // namespace

void RowRunner::run_batch(const std::vector<Row>& rows, const Places& places,
                          const Abandoned& abandoned, std::vector<Result<Row>>& results) {
  const auto called = call(rows, places, abandoned);
  if (!called && places.size() > 1 && may_be_a_rows_fault(called.error())) {
    for (const std::size_t place : places) run_batch(rows, {place}, abandoned, results);
    return;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!called) {
      results[places[i]] = tl::unexpected<Error>(called.error());
      continue;
    }
    Row row;
    for (const Tensor& result : *called) row.push_back(result.row(static_cast<std::int64_t>(i)));
    results[places[i]] = std::move(row);
  }
}

}  // namespace serin::engine
