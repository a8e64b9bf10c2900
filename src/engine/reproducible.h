// SPDX-License-Identifier: Apache-2.0
// Does a generation depend on what runs beside it? Golden requests are run alone, then in batches
// of every size, in every place, with random neighbours, and compared bit by bit. What `serin
// package verify --reproducible` attests. Blocking.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/loops/loop.h"
#include "engine/request.h"
#include "model/package.h"

namespace serin::engine {

struct OutputReport {
  std::string output;
  bool bitwise = true;
  double largest_difference =
      0;  // of an element; for text, of a token's log probability, infinite for another token
};

struct ReproducibilityReport {
  std::string profile;
  std::size_t requests = 0;  // golden ones
  std::size_t runs = 0;      // in company
  std::vector<OutputReport> outputs;
  bool bitwise() const;
};

Result<ReproducibilityReport> check_reproducible(const model::Package& package,
                                                 const RequestParser& parser, Loop& loop);

// Loads the model first.
Result<ReproducibilityReport> verify_reproducible(const model::Package& package,
                                                  const EngineOptions& options);

}  // namespace serin::engine
