// SPDX-License-Identifier: Apache-2.0
// An analysis as bytes: a line that names format and version, the specification, the state, and the
// SHA-256 of all before it.
#include "base/digest.h"
#include "rollout/analysis.h"
#include "rollout/state.h"

namespace serin::rollout {
namespace {

constexpr std::string_view kHeading = "serin analysis 1\n";
constexpr std::size_t kDigestSize = 64;

std::string bytes_of(const AnalysisSpec& spec) {
  StateWriter writer;
  writer(spec);
  return writer.bytes();
}

}  // namespace

std::string Analysis::save() const {
  StateWriter writer;
  writer(bytes_of(spec_));
  fields(*this, writer);
  std::string saved(kHeading);
  saved += writer.bytes();
  saved += sha256_hex(saved);
  return saved;
}

Result<Analysis> Analysis::load(AnalysisSpec spec, std::string_view saved) {
  if (!saved.starts_with(kHeading))
    return invalid("not a saved analysis of this format: it does not begin with '" +
                   std::string(kHeading.substr(0, kHeading.size() - 1)) + "'");
  if (saved.size() < kHeading.size() + kDigestSize)
    return invalid("a saved analysis that was cut off");
  const std::string_view body = saved.substr(0, saved.size() - kDigestSize);
  if (sha256_hex(body) != saved.substr(body.size()))
    return invalid("a saved analysis whose digest is not that of its bytes");
  StateReader reader(body.substr(kHeading.size()));
  std::string saved_spec;
  reader(saved_spec);
  if (reader.good() && saved_spec != bytes_of(spec))
    return fail(Code::kFailedPrecondition,
                "the saved analysis is one of other metrics, margins or error rates");
  Analysis analysis(std::move(spec), {});
  if (reader.good()) fields(analysis, reader);
  if (!reader.good() || !reader.at_end())
    return invalid("a saved analysis whose contents are not what they should be");
  return analysis;
}

}  // namespace serin::rollout
