// SPDX-License-Identifier: Apache-2.0
// Signatures by elliptic-curve keys over DSSE envelopes
// (https://github.com/secure-systems-lab/dsse), and whom to trust. Values that hold OpenSSL's
// objects; immutable, safe from any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace serin::model {

inline constexpr std::string_view kStatementPayload = "application/vnd.in-toto+json";

// What is signed of a payload: its type and itself, each with its length.
std::string pre_authentication_encoding(std::string_view payload_type, std::string_view payload);

struct Envelope {
  std::string payload_type;
  std::string payload;
  std::vector<std::string> signatures;  // DER, may be empty
};
json::object to_json(const Envelope& envelope);
// kInvalidArgument, naming the field. Every string in it is bounded by what the caller read.
Result<Envelope> parse_envelope(const json::value& value);

// A private key on P-256, P-384 or P-521, with the certificates that vouch for it when there are
// some.
class SigningKey {
 public:
  // PEM; also as `cosign generate-key-pair` writes it, whose password may be empty.
  static Result<SigningKey> parse(std::string_view pem, std::string_view password = {});
  // As parse(). `certificates` begins with the key's own, which must be for signing, then those up
  // to (not with) the trusted one.
  static Result<SigningKey> load(const std::filesystem::path& key, std::string_view password = {},
                                 const std::vector<std::filesystem::path>& certificates = {});
  std::string sign(std::string_view message) const;
  std::string hint() const;        // SHA-256 of the public key in PEM, in hexadecimal
  std::string public_key() const;  // PEM
  int bits() const;                // of its curve
  const std::vector<std::string>& certificates() const { return certificates_; }  // DER

 private:
  struct State;
  std::shared_ptr<const State> state_;
  std::vector<std::string> certificates_;
};

// Who vouches for a signature: a bundle's verification material.
struct Voucher {
  std::string hint;                       // of a public key; may be empty
  std::vector<std::string> certificates;  // DER, the signer's first; empty: a bare key
};

// What a user trusts: one public key, or certificate authorities.
class Trust {
 public:
  // PEM: "BEGIN PUBLIC KEY", or one or more "BEGIN CERTIFICATE".
  static Result<Trust> parse(std::string_view pem);
  static Result<Trust> load(const std::filesystem::path& path);
  // Gives who signed: the certificate's subject, or "public key <hint>". kPermissionDenied when no
  // trusted key did. A certificate is judged at the time its validity began, since a bundle without
  // a timestamp has no other time.
  Result<std::string> verify(const Envelope& envelope, const Voucher& voucher) const;
  // The same for a signature (DER) of a message that no envelope is around, by a bare key.
  // kInvalidArgument where certificates are trusted.
  Result<std::string> verify_message(std::string_view message, std::string_view signature) const;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

}  // namespace serin::model
