// SPDX-License-Identifier: Apache-2.0
// How far a package's results can be had again on one execution profile, as `serin package verify
// --reproducible` found it: attestations/<profile>.json, a DSSE envelope around an in-toto
// statement whose subject is the package's digest. Outside the digest, so that it can be added on
// each kind of machine.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/dsse.h"
#include "model/package.h"

namespace serin::model {

struct Attestation {
  std::string package;   // "sha256:…"
  std::string profile;   // as engine names it: device kind, instruction set, threads
  std::string date;      // 2026-11-22T13:00:00Z
  std::string software;  // what measured it
  std::map<std::string, double>
      largest_difference;  // by output, over all golden samples and places in a batch

  bool bitwise() const;  // every difference is 0
};

// Writes attestations/<profile>.json, unsigned without a key. Gives its path inside the package.
Result<std::string> write_attestation(const Package& package, Attestation attestation,
                                      const SigningKey* key, const Clock& clock);

// That of `profile`; nothing where there is none or where it is about another package. With
// `trust`, one that is not signed by it is an error (kPermissionDenied).
Result<std::optional<Attestation>> read_attestation(const Package& package,
                                                    std::string_view profile, const Trust* trust);

}  // namespace serin::model
