// SPDX-License-Identifier: Apache-2.0
// A statement as it lies on disk: a Sigstore bundle 0.3 (JSON) with an in-toto statement in a DSSE
// envelope, and what vouches for who signed it. model.sig and every attestation are one. Values.
#pragma once

#include <string>
#include <string_view>

#include "model/dsse.h"

namespace serin::model {

inline constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";

struct Bundle {
  Envelope envelope;
  Voucher voucher;
  json::value statement;  // what the envelope holds; nobody has checked the signature yet

  bool is_signed() const { return !envelope.signatures.empty(); }
};

// The bundle's bytes; without a key nobody vouches for it.
std::string write_bundle(const json::object& statement, const SigningKey* key);

// kInvalidArgument: what is wrong in it. The statement is of `predicate_type`.
Result<Bundle> read_bundle(std::string_view text, std::string_view predicate_type);

}  // namespace serin::model
