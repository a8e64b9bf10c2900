// SPDX-License-Identifier: Apache-2.0
#include "model/sign.h"

#include <algorithm>
#include <map>

#include "base/base64.h"
#include "base/digest.h"
#include "base/files.h"
#include "model/folder.h"

namespace serin::model {
namespace {

constexpr std::string_view kBundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr std::string_view kStatementType = "https://in-toto.io/Statement/v1";
constexpr std::string_view kPredicateType = "https://model_signing/signature/v1.0";
constexpr std::string_view kSignature = "model.sig";
constexpr std::uint64_t kBundleLimit = std::uint64_t{16} << 20;

using Resources = std::vector<std::pair<std::string, std::string>>;

// SHA-256 over the files' digests, as bytes, one after the other.
std::string root_digest(const Resources& resources) {
  Sha256 digest;
  for (const auto& [path, hex] : resources) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      const auto nibble = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
      bytes += static_cast<char>(nibble(hex[i]) * 16 + nibble(hex[i + 1]));
    }
    digest.update(bytes);
  }
  return digest.hex();
}

bool is_sha256(std::string_view hex) {
  return hex.size() == 64 && std::ranges::all_of(hex, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// What a package's signature must name: model.yaml as its bytes are, and the files that it lists.
Result<Resources> resources_of(const Package& package) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  SERIN_TRY_ASSIGN(std::string digest, folder.sha256("model.yaml"));
  Resources resources{{"model.yaml", std::move(digest)}};
  for (const FileEntry& file : package.manifest.files)
    resources.emplace_back(file.path, file.sha256);
  std::ranges::sort(resources);
  return resources;
}

std::string statement(const Package& package, const Resources& resources) {
  json::array list;
  for (const auto& [path, digest] : resources) {
    list.push_back(json::object{{"name", path}, {"algorithm", "sha256"}, {"digest", digest}});
  }
  const json::object serialization{{"method", "files"},
                                   {"hash_type", "sha256"},
                                   {"allow_symlinks", false},
                                   {"ignore_paths", json::array{"attestations", "model.sig"}}};
  return json::serialize(json::object{
      {"_type", kStatementType},
      {"subject",
       json::array{json::object{{"name", package.manifest.name},
                                {"digest", json::object{{"sha256", root_digest(resources)}}}}}},
      {"predicateType", kPredicateType},
      {"predicate",
       json::object{{"serialization", serialization}, {"resources", std::move(list)}}}});
}

json::object material(const SigningKey& key) {
  if (key.certificates().empty())
    return {{"publicKey", json::object{{"hint", key.hint()}}}, {"tlogEntries", json::array{}}};
  json::array chain;
  for (const std::string& der : key.certificates())
    chain.push_back(json::object{{"rawBytes", to_base64(der)}});
  return {{"x509CertificateChain", json::object{{"certificates", std::move(chain)}}},
          {"tlogEntries", json::array{}}};
}

// A field on the way down; null where the way ends.
const json::value* field(const json::value* value, std::string_view name) {
  const json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

std::string_view text(const json::value* value) {
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

Result<Voucher> parse_voucher(const json::value* material) {
  Voucher voucher;
  voucher.hint = text(field(field(material, "publicKey"), "hint"));
  json::array certificates;
  if (const json::value* one = field(material, "certificate")) certificates.push_back(*one);
  if (const json::value* chain = field(field(material, "x509CertificateChain"), "certificates")) {
    if (!chain->is_array()) return invalid("its certificates must be a list");
    certificates = chain->get_array();
  }
  for (const json::value& one : certificates) {
    SERIN_TRY_ASSIGN(std::string der, from_base64(text(field(&one, "rawBytes"))));
    voucher.certificates.push_back(std::move(der));
  }
  if (voucher.certificates.empty() && field(material, "publicKey") == nullptr) {
    return invalid("its verificationMaterial names neither a public key nor certificates");
  }
  return voucher;
}

Result<Resources> parse_statement(const Envelope& envelope) {
  if (envelope.payload_type != kStatementPayload)
    return invalid("its payload is " + envelope.payload_type + ", not " +
                   std::string(kStatementPayload));
  SERIN_TRY_ASSIGN(const json::value document, parse_json(envelope.payload));
  if (text(field(&document, "_type")) != kStatementType)
    return invalid("its payload is not an in-toto statement, version 1");
  if (text(field(&document, "predicateType")) != kPredicateType)
    return invalid("its predicate is not " + std::string(kPredicateType));
  const json::value* predicate = field(&document, "predicate");
  const json::value* serialization = field(predicate, "serialization");
  if (text(field(serialization, "method")) != "files" ||
      text(field(serialization, "hash_type")) != "sha256") {
    return invalid("it signs shards or digests other than SHA-256; sign whole files with SHA-256");
  }
  const json::value* list = field(predicate, "resources");
  if (list == nullptr || !list->is_array()) return invalid("it names no resources");
  Resources resources;
  for (const json::value& one : list->get_array()) {
    const std::string_view name = text(field(&one, "name")), digest = text(field(&one, "digest"));
    if (name.empty() || text(field(&one, "algorithm")) != "sha256" || !is_sha256(digest)) {
      return invalid("a resource must have a name and a SHA-256 digest");
    }
    resources.emplace_back(name, digest);
  }
  const json::value* subjects = field(&document, "subject");
  if (subjects == nullptr || !subjects->is_array() || subjects->get_array().size() != 1)
    return invalid("it must have one subject");
  const std::string root = root_digest(resources);
  if (text(field(field(&subjects->get_array()[0], "digest"), "sha256")) != root) {
    return invalid("its subject's digest is not that of its resources");
  }
  return resources;
}

// Both ways: nothing signed is missing, and nothing in the package is unsigned.
Status compare(const Resources& here, const Bundle& bundle) {
  std::map<std::string_view, std::string_view> was_signed;
  for (const auto& [path, digest] : bundle.resources) was_signed.emplace(path, digest);
  for (const auto& [path, digest] : here) {
    const auto found = was_signed.find(path);
    if (found == was_signed.end())
      return fail(Code::kDataLoss, path + ": is not covered by the signature");
    if (found->second != digest)
      return fail(Code::kDataLoss, path + ": is not the file that was signed");
    was_signed.erase(found);
  }
  for (const auto& [path, digest] : was_signed) {
    if (!path.starts_with("attestations/"))
      return fail(Code::kDataLoss, std::string(path) + ": was signed and is missing");
  }
  return {};
}

Result<std::string> verify(const Package& package, const Trust& trust) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  auto read = folder.read(kSignature, kBundleLimit);
  if (!read && read.error().code == Code::kNotFound)
    return fail(Code::kPermissionDenied, "is not signed: there is no model.sig");
  SERIN_TRY_ASSIGN(const std::string signature, std::move(read));
  auto bundle = parse_bundle(signature);
  if (!bundle) return fail(std::move(bundle.error()).within(kSignature));
  auto signer = trust.verify(bundle->envelope, bundle->voucher);
  if (!signer) return fail(std::move(signer.error()).within(kSignature));
  SERIN_TRY_ASSIGN(const Resources here, resources_of(package));
  SERIN_TRY(compare(here, *bundle));
  return signer;
}

}  // namespace

Result<Bundle> parse_bundle(std::string_view bytes) {
  SERIN_TRY_ASSIGN(const json::value document, parse_json(bytes));
  if (text(field(&document, "mediaType")) != kBundleType)
    return invalid("is not a Sigstore bundle 0.3 (mediaType " + std::string(kBundleType) + ")");
  const json::value* envelope = field(&document, "dsseEnvelope");
  if (envelope == nullptr) return invalid("has no dsseEnvelope");
  Bundle bundle;
  SERIN_TRY_ASSIGN(bundle.envelope, parse_envelope(*envelope));
  SERIN_TRY_ASSIGN(bundle.voucher, parse_voucher(field(&document, "verificationMaterial")));
  SERIN_TRY_ASSIGN(bundle.resources, parse_statement(bundle.envelope));
  return bundle;
}

Status sign_package(const Package& package, const SigningKey& key) {
  SERIN_TRY_ASSIGN(const Resources resources, resources_of(package));
  Envelope envelope{std::string(kStatementPayload), statement(package, resources), {}};
  envelope.signatures.push_back(
      key.sign(pre_authentication_encoding(envelope.payload_type, envelope.payload)));
  const json::object bundle{{"mediaType", kBundleType},
                            {"verificationMaterial", material(key)},
                            {"dsseEnvelope", to_json(envelope)}};
  return write_file(package.root / kSignature, json::serialize(bundle));
}

Result<std::string> verify_signature(const Package& package, const Trust& trust) {
  auto signer = verify(package, trust);
  if (!signer) return fail(std::move(signer.error()).within(package.root.string()));
  return signer;
}

}  // namespace serin::model
