// SPDX-License-Identifier: Apache-2.0
#include "model/image/cosign.h"

#include "base/base64.h"
#include "base/digest.h"
#include "base/json_members.h"

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

// Who signed `digest` by this statement; else why it is no signature of somebody who is trusted.
Result<std::string> signer_of(const OciBlob& layer, std::string_view statement,
                              const std::string& digest, const Trust& trust) {
  SERIN_TRY_ASSIGN(const std::string signature, from_base64(layer.annotations.at(kSignature)));
  SERIN_TRY_ASSIGN(std::string signer, trust.verify_message(statement, signature));
  SERIN_TRY(check_statement(statement, digest));
  return signer;
}

struct Verdict {
  std::string signer;   // empty: nobody whom one trusts
  std::string why_not;  // then
};

// An error is one of asking: what the registry has is a verdict, however bad it is.
Result<Verdict> judge(OciRegistry& registry, const OciManifest& signatures,
                      const std::string& digest, const Trust& trust, const CancelToken& cancel) {
  Verdict verdict{{}, "nobody has signed " + digest};
  for (const OciBlob& layer : signatures.layers) {
    if (layer.media_type != kStatementKind || !layer.annotations.contains(kSignature) ||
        layer.size > kLargestStatement) {
      verdict.why_not = "there is a signature of a kind that is not read";
      continue;
    }
    SERIN_TRY_ASSIGN(const std::string statement,
                     registry.pull_text(layer, kLargestStatement, cancel));
    auto signer = signer_of(layer, statement, digest, trust);
    if (signer) return Verdict{*std::move(signer), {}};
    verdict.why_not = std::move(signer).error().message;
  }
  return verdict;
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
  const json::value* critical = member(document, "critical");
  if (text_of(member(critical, "type")) != kStatementOf)
    return invalid("what is signed is no statement of an image");
  const std::string_view named =
      text_of(member(member(critical, "image"), "docker-manifest-digest"));
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
  SERIN_TRY_ASSIGN(const Verdict before, judge(registry, signatures, digest, own, cancel));
  if (!before.signer.empty()) return {};
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
  SERIN_TRY_ASSIGN(Verdict verdict, judge(registry, signatures, digest, trust, cancel));
  if (!verdict.signer.empty()) return std::move(verdict.signer);
  return fail(Code::kPermissionDenied, registry.reference().text() + ": " + verdict.why_not);
}

}  // namespace serin::model
