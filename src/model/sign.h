// SPDX-License-Identifier: Apache-2.0
// A package's signature: model.sig, in the form of the OpenSSF Model Signing specification that the
// public `model_signing` tool writes and reads (a Sigstore bundle 0.3, DSSE, an in-toto statement
// with the digest of every file). It covers model.yaml and every file listed there, not itself and
// not attestations/.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/bundle.h"
#include "model/package.h"

namespace serin::model {

struct Signature {
  Bundle bundle;
  std::vector<std::pair<std::string, std::string>> resources;  // path, SHA-256 in hexadecimal
};

// Reads model.sig; says nothing yet of who signed. kInvalidArgument: what is wrong in it.
Result<Signature> parse_signature(std::string_view text);

// That of a package; nothing where there is none. As little is said of who signed.
Result<std::optional<Signature>> read_signature(const Package& package);

// Whether it covers the package as it was opened: kDataLoss for one that is of other bytes, or of
// other files. Says nothing of who signed.
Status check_covers(const Signature& signature, const Package& package);

// Writes model.sig beside model.yaml. The package must have been opened with Verify::kDigests.
Status sign_package(const Package& package, const SigningKey& key);

// Gives who signed (see Trust::verify). kPermissionDenied for a package that is not signed, or not
// by whom is trusted; kDataLoss for one that is not what was signed. The package must have been
// opened with Verify::kDigests.
Result<std::string> verify_signature(const Package& package, const Trust& trust);

}  // namespace serin::model
