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

// Whether the model knows the last label of every label input, which an embedding with fewer rows
// than there are labels does not: runs one more request for each that no golden request names.
// kFailedPrecondition, naming input, label and what the model said.
Status check_labels(const model::Package& package, const RequestParser& parser, Loop& loop);

// For `serin package verify --run`: loads the model, then check_golden() and check_labels().
Status verify_golden(const model::Package& package, const EngineOptions& options);

// For `serin package seal --golden`: loads the model, runs the golden requests twice, then
// check_labels(). kFailedPrecondition when the second run is not within the tolerance of the first.
Result<std::vector<GoldenOutputs>> record_golden(const model::Package& package,
                                                 const EngineOptions& options);
Result<std::vector<GoldenOutputs>> record_golden(const model::Package& package,
                                                 const RequestParser& parser, Loop& loop);

// Writes what was recorded into the package (golden/<request>.<output>.npy, texts into model.yaml)
// and seals it. `package` has golden requests; its files need not be listed yet.
Result<model::Package> write_golden(const model::Package& package,
                                    const std::vector<GoldenOutputs>& recorded);

}  // namespace serin::engine
