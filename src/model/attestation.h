// SPDX-License-Identifier: Apache-2.0
// How far a package's results can be had again on one execution profile, as `serin package verify
// --reproducible` found it: attestations/<profile>.json, a bundle (bundle.h) whose statement's
// subject is the package's digest. Outside the digest, so that it can be added on each kind of
// machine. docs/signing.md says what stands in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/bundle.h"
#include "model/package.h"

namespace serin::model {

struct Attestation {
  // Of one output, over all golden requests and places in a batch.
  struct Output {
    std::string name;
    bool bitwise = true;
    double largest_difference = 0;  // infinite: other tokens, or another shape
  };
  std::string package;   // "sha256:…"
  std::string profile;   // as engine names it: device kind, instruction set, threads
  std::string date;      // 2026-11-22T13:00:00Z
  std::string software;  // what measured it
  std::vector<Output> outputs;

  bool bitwise() const;  // every output is
};

// "bitwise", "within 0.5" or "no": how an answer's head and a terminal say it, of one output or of
// the one that differs most.
std::string in_a_word(const Attestation::Output& output);
std::string in_a_word(const Attestation& attestation);

// Fills in package and date, and writes attestations/<profile>.json, unsigned without a key. Gives
// its path inside the package.
Result<std::string> write_attestation(const Package& package, Attestation attestation,
                                      const SigningKey* key, const Clock& clock);

// What a file says, and who may have signed it: nothing is checked against a package or a key.
Result<Attestation> parse_attestation(std::string_view text);

// An attestation that was found, and whether to believe it.
struct Testimony {
  std::string file;                 // inside the package
  Result<Attestation> attestation;  // or why it is not believed
  std::string signer;  // "nobody"; "somebody" where no trust was given; else as Trust::verify says
};

// All of them, by file name. One is not believed when it cannot be read, is about another package
// or profile than its place says, or, with `trust`, is not signed by it.
Result<std::vector<Testimony>> read_attestations(const Package& package, const Trust* trust);

// That of `profile`; nothing where there is none. Its error is why it is not believed.
Result<std::optional<Attestation>> read_attestation(const Package& package,
                                                    std::string_view profile, const Trust* trust);

}  // namespace serin::model
