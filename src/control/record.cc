// SPDX-License-Identifier: Apache-2.0
#include "control/record.h"

#include <algorithm>
#include <utility>

namespace serin::control {
namespace {

constexpr std::pair<VersionState, std::string_view> kVersionStates[] = {
    {VersionState::kCandidate, "candidate"},
    {VersionState::kStable, "stable"},
    {VersionState::kKept, "kept"},
    {VersionState::kRetired, "retired"},
    {VersionState::kRolledBack, "rolledBack"}};
constexpr std::pair<Phase, std::string_view> kPhases[] = {
    {Phase::kVacating, "vacating"}, {Phase::kMoving, "moving"}, {Phase::kRestoring, "restoring"}};
constexpr std::pair<Ending, std::string_view> kEndings[] = {{Ending::kNone, "none"},
                                                            {Ending::kPromoted, "promoted"},
                                                            {Ending::kRolledBack, "rolledBack"},
                                                            {Ending::kSuperseded, "superseded"}};

template <class E, std::size_t N>
std::string_view name_in(const std::pair<E, std::string_view> (&names)[N], E value) {
  const auto* found = std::ranges::find(names, value, [](const auto& pair) { return pair.first; });
  return found == std::end(names) ? std::string_view("unknown") : found->second;
}

// A name that a newer Serin wrote may be none that this one knows.
template <class E, std::size_t N>
Result<E> named_in(const std::pair<E, std::string_view> (&names)[N], std::string_view name) {
  const auto* found = std::ranges::find(names, name, [](const auto& pair) { return pair.second; });
  if (found == std::end(names))
    return fail(Code::kDataLoss, "the stored state \"" + std::string(name) + "\" is not known");
  return found->first;
}

bool same(const platform::Model& a, const platform::Model& b) {
  return a.source == b.source && a.digest == b.digest && a.root == b.root;
}

}  // namespace

Moment moment_of(const Clock& clock) {
  return std::chrono::time_point_cast<std::chrono::milliseconds>(clock.wall());
}

std::string_view name_of(VersionState state) { return name_in(kVersionStates, state); }
std::string_view name_of(Phase phase) { return name_in(kPhases, phase); }
std::string_view name_of(Ending ending) { return name_in(kEndings, ending); }
Result<VersionState> version_state_of(std::string_view name) {
  return named_in(kVersionStates, name);
}
Result<Phase> phase_of(std::string_view name) { return named_in(kPhases, name); }
Result<Ending> ending_of(std::string_view name) { return named_in(kEndings, name); }

bool VersionRecord::operator==(const VersionRecord& other) const {
  return label == other.label && same(model, other.model) && since == other.since &&
         state == other.state && trouble == other.trouble;
}

bool ServiceRecord::operator==(const ServiceRecord& other) const {
  return name == other.name && generation == other.generation && manifest == other.manifest &&
         same(model, other.model) && attempted == other.attempted && labels == other.labels &&
         rollouts == other.rollouts && targets == other.targets && stable == other.stable &&
         routed == other.routed && deleting == other.deleting && versions == other.versions &&
         rollout == other.rollout;
}

const VersionRecord* ServiceRecord::version(std::string_view label) const {
  const auto found = std::ranges::find(versions, label, &VersionRecord::label);
  return found == versions.end() ? nullptr : &*found;
}
VersionRecord* ServiceRecord::version(std::string_view label) {
  return const_cast<VersionRecord*>(std::as_const(*this).version(label));
}

}  // namespace serin::control
