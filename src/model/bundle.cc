// SPDX-License-Identifier: Apache-2.0
#include "model/bundle.h"

#include "base/base64.h"
#include "base/json_members.h"

namespace serin::model {
namespace {

constexpr std::string_view kBundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";

json::object material(const SigningKey* key) {
  json::object made{{"tlogEntries", json::array{}}};
  if (key == nullptr) return made;
  if (key->certificates().empty()) {
    made["publicKey"] = json::object{{"hint", key->hint()}};
    return made;
  }
  json::array chain;
  for (const std::string& der : key->certificates())
    chain.push_back(json::object{{"rawBytes", to_base64(der)}});
  made["x509CertificateChain"] = json::object{{"certificates", std::move(chain)}};
  return made;
}

Result<Voucher> parse_voucher(const json::value* material) {
  Voucher voucher;
  voucher.hint = text_of(member(member(material, "publicKey"), "hint"));
  json::array certificates;
  if (const json::value* one = member(material, "certificate")) certificates.push_back(*one);
  if (const json::value* chain = member(member(material, "x509CertificateChain"), "certificates")) {
    if (!chain->is_array()) return invalid("its certificates must be a list");
    certificates = chain->get_array();
  }
  for (const json::value& one : certificates) {
    SERIN_TRY_ASSIGN(std::string der, from_base64(text_of(member(one, "rawBytes"))));
    voucher.certificates.push_back(std::move(der));
  }
  return voucher;
}

}  // namespace

std::string write_bundle(const json::object& statement, const SigningKey* key) {
  Envelope envelope{std::string(kStatementPayload), json::serialize(statement), {}};
  if (key != nullptr) {
    envelope.signatures.push_back(
        key->sign(pre_authentication_encoding(envelope.payload_type, envelope.payload)));
  }
  return json::serialize(json::object{{"mediaType", kBundleType},
                                      {"verificationMaterial", material(key)},
                                      {"dsseEnvelope", to_json(envelope)}}) +
         "\n";
}

Result<Bundle> read_bundle(std::string_view text, std::string_view predicate_type) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(text));
  if (text_of(member(document, "mediaType")) != kBundleType)
    return invalid("is not a Sigstore bundle 0.3 (mediaType " + std::string(kBundleType) + ")");
  const json::value* envelope = member(document, "dsseEnvelope");
  if (envelope == nullptr) return invalid("has no dsseEnvelope");
  const json::value* material = member(document, "verificationMaterial");
  Bundle bundle;
  SERIN_TRY_ASSIGN(bundle.envelope, parse_envelope(*envelope));
  SERIN_TRY_ASSIGN(bundle.voucher, parse_voucher(material));
  if (bundle.is_signed() && bundle.voucher.certificates.empty() &&
      member(material, "publicKey") == nullptr) {
    return invalid("its verificationMaterial names neither a public key nor certificates");
  }
  if (bundle.envelope.payload_type != kStatementPayload)
    return invalid("its payload is " + bundle.envelope.payload_type + ", not " +
                   std::string(kStatementPayload));
  SERIN_TRY_ASSIGN(bundle.statement, parse_json(bundle.envelope.payload));
  if (text_of(member(bundle.statement, "_type")) != kStatementType)
    return invalid("its payload is not an in-toto statement, version 1");
  if (text_of(member(bundle.statement, "predicateType")) != predicate_type)
    return invalid("its predicate is not " + std::string(predicate_type));
  return bundle;
}

}  // namespace serin::model
