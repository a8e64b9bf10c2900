// SPDX-License-Identifier: Apache-2.0
#include "model/image/cosign.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/json.h"
#include "model/bundle.h"

namespace serin::model {
namespace {

using objects::OciBlob;
using objects::OciManifest;
using objects::OciRegistry;

constexpr const char* kSignature = "dev.cosignproject.cosign/signature";
constexpr std::string_view kStatementKind = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr std::string_view kStatementOf = "cosign container image signature";
constexpr std::uint64_t kLargestStatement = 64 << 10;
constexpr std::size_t kMostSignatures = 64;

// The image of signatures; one without any where there is none yet.
Result<OciManifest> read_signatures(OciRegistry& registry, const std::string& digest,
                                    const CancelToken& cancel) {
  const auto document = registry.pull_document(signature_tag(digest), cancel);
  if (!document && document.error().code == Code::kNotFound) return OciManifest{};
  if (!document) return fail(document.error());
  SERIN_TRY_ASSIGN(OciManifest manifest, objects::parse_oci_manifest(document->text));
  if (manifest.layers.size() > kMostSignatures)
    return fail(Code::kResourceExhausted,
                "there are more than " + std::to_string(kMostSignatures) + " signatures");
  return manifest;
}

// Who signed `digest` by this layer.
Result<std::string> verify_layer(OciRegistry& registry, const OciBlob& layer,
                                 const std::string& digest, const Trust& trust,
                                 const CancelToken& cancel) {
  const auto annotation = layer.annotations.find(kSignature);
  if (layer.media_type != kStatementKind || annotation == layer.annotations.end())
    return fail(Code::kPermissionDenied, "there is a signature of a kind that is not read");
  if (layer.size > kLargestStatement) return invalid("its signed statement is too large");
  SERIN_TRY_ASSIGN(const std::string signature, from_base64(annotation->second));
  std::string statement;
  SERIN_TRY(registry.pull_blob(
      layer, 0,
      [&](std::string_view piece) -> Status {
        statement += piece;
        return {};
      },
      cancel));
  SERIN_TRY_ASSIGN(std::string signer, trust.verify_message(statement, signature));
  SERIN_TRY(check_statement(statement, digest));
  return signer;
}

Result<std::string> verify_any(OciRegistry& registry, const OciManifest& signatures,
                               const std::string& digest, const Trust& trust,
                               const CancelToken& cancel) {
  Error why{Code::kPermissionDenied, "nobody has signed " + digest};
  for (const OciBlob& layer : signatures.layers) {
    auto signer = verify_layer(registry, layer, digest, trust, cancel);
    if (signer) return signer;
    why = std::move(signer).error();
    if (why.code == Code::kUnavailable || why.code == Code::kCancelled) break;
  }
  return fail(std::move(why));
}

// An image needs a config: one that runs nothing and names its layers.
std::string config_of(const OciManifest& signatures) {
  json::array digests;
  for (const OciBlob& layer : signatures.layers) digests.emplace_back(layer.digest);
  return canonical_json(
      json::object{{"architecture", ""},
                   {"os", ""},
                   {"config", json::object()},
                   {"rootfs", json::object{{"type", "layers"}, {"diff_ids", std::move(digests)}}}});
}

OciBlob blob_of(std::string_view media_type, const std::string& bytes) {
  return {std::string(media_type), "sha256:" + sha256_hex(bytes), bytes.size(), {}};
}

}  // namespace

std::string signature_tag(std::string_view digest) {
  return "sha256-" + std::string(digest.substr(digest.find(':') + 1)) + ".sig";
}

std::string signed_statement(std::string_view repository, std::string_view digest) {
  return canonical_json(json::object{
      {"critical", json::object{{"identity", json::object{{"docker-reference", repository}}},
                                {"image", json::object{{"docker-manifest-digest", digest}}},
                                {"type", kStatementOf}}},
      {"optional", nullptr}});
}

Status check_statement(std::string_view statement, std::string_view digest) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(statement));
  const json::value* critical = field(&document, "critical");
  if (text_of(field(critical, "type")) != kStatementOf)
    return invalid("what is signed is no statement of an image");
  const std::string_view named = text_of(field(field(critical, "image"), "docker-manifest-digest"));
  if (named == digest) return {};
  return fail(Code::kDataLoss,
              "what is signed is " + std::string(named) + ", not " + std::string(digest));
}

Status sign_image(OciRegistry& registry, const std::string& digest, const SigningKey& key,
                  const CancelToken& cancel) {
  if (key.bits() != 256)
    return invalid("the key is not on P-256, so that cosign would not believe it");
  SERIN_TRY_ASSIGN(OciManifest signatures, read_signatures(registry, digest, cancel));
  SERIN_TRY_ASSIGN(const Trust own, Trust::parse(key.public_key()));
  if (verify_any(registry, signatures, digest, own, cancel)) return {};
  if (signatures.layers.size() == kMostSignatures)
    return fail(Code::kResourceExhausted,
                "there are " + std::to_string(kMostSignatures) + " signatures already");
  const objects::OciReference& at = registry.reference();
  const std::string statement = signed_statement(at.host + "/" + at.repository, digest);
  OciBlob layer = blob_of(kStatementKind, statement);
  layer.annotations[kSignature] = to_base64(key.sign(statement));
  SERIN_TRY(registry.push_blob(layer, objects::Body::bytes(statement), cancel));
  signatures.layers.push_back(std::move(layer));
  const std::string config = config_of(signatures);
  signatures.config = blob_of(objects::kOciConfigType, config);
  SERIN_TRY(registry.push_blob(signatures.config, objects::Body::bytes(config), cancel));
  return registry.push_document(signature_tag(digest), objects::oci_manifest(signatures), cancel);
}

Result<std::string> verify_image(OciRegistry& registry, const std::string& digest,
                                 const Trust& trust, const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(const OciManifest signatures, read_signatures(registry, digest, cancel));
  auto signer = verify_any(registry, signatures, digest, trust, cancel);
  if (!signer) return fail(std::move(signer).error().within(registry.reference().text()));
  return signer;
}

}  // namespace serin::model
