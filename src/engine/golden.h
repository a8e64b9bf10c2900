// SPDX-License-Identifier: Apache-2.0
// Golden requests: run, compared with what they must give, recorded when a package is sealed.
// Blocking, on the thread that drives the loop.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "engine/loops/loop.h"
#include "engine/request.h"
#include "model/package.h"

namespace serin::engine {

// What one golden request gave, by output name.
using GoldenOutputs = std::map<std::string, std::variant<Tensor, std::string>>;

Result<std::vector<GoldenOutputs>> run_golden(const model::Package& package,
                                              const RequestParser& parser, Loop& loop);

// kFailedPrecondition, naming request, output, largest difference and where it is, when `given` is
// not within the tolerance of what the package's files say; texts must be equal.
Status compare_golden(const model::Package& package, std::size_t index, const GoldenOutputs& given);

// Both of the above, for every golden request.
Status check_golden(const model::Package& package, const RequestParser& parser, Loop& loop);

// The golden request of the least estimated cost; without any, the request that is all defaults.
// Nothing where the package has inputs without default.
std::optional<Request> smallest_golden(const model::Package& package, const RequestParser& parser,
                                       const Loop& loop);

// For `serin package seal --golden`: loads the model and runs the golden requests.
Result<std::vector<GoldenOutputs>> record_golden(const model::Package& package,
                                                 const EngineOptions& options);

// Writes what was recorded into the package (golden/<request>.<output>.npy, texts into model.yaml)
// and seals it.
Result<model::Package> write_golden(const model::Package& package,
                                    const std::vector<GoldenOutputs>& recorded);

}  // namespace serin::engine
