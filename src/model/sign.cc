// SPDX-License-Identifier: Apache-2.0
#include "model/sign.h"

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/files.h"
#include "base/json_members.h"
#include "model/folder.h"

namespace serin::model {
namespace {

constexpr std::string_view kPredicateType = "https://model_signing/signature/v1.0";
constexpr std::string_view kSignatureFile = "model.sig";
constexpr std::uint64_t kSignatureLimit = std::uint64_t{16} << 20;

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

// What a package's signature must name: model.yaml as its bytes were read, and the files that it
// lists.
Resources resources_of(const Package& package) {
  Resources resources{{"model.yaml", package.manifest_sha256}};
  for (const FileEntry& file : package.manifest.files)
    resources.emplace_back(file.path, file.sha256);
  std::ranges::sort(resources);
  return resources;
}

json::object statement(const Package& package, const Resources& resources) {
  json::array list;
  for (const auto& [path, digest] : resources) {
    list.push_back(json::object{{"name", path}, {"algorithm", "sha256"}, {"digest", digest}});
  }
  const json::object serialization{{"method", "files"},
                                   {"hash_type", "sha256"},
                                   {"allow_symlinks", false},
                                   {"ignore_paths", json::array{"attestations", "model.sig"}}};
  return {{"_type", kStatementType},
          {"subject",
           json::array{json::object{{"name", package.manifest.name},
                                    {"digest", json::object{{"sha256", root_digest(resources)}}}}}},
          {"predicateType", kPredicateType},
          {"predicate",
           json::object{{"serialization", serialization}, {"resources", std::move(list)}}}};
}

Result<Resources> parse_statement(const json::value& document) {
  const json::value* predicate = member(document, "predicate");
  const json::value* serialization = member(predicate, "serialization");
  if (text_of(member(serialization, "method")) != "files" ||
      text_of(member(serialization, "hash_type")) != "sha256") {
    return invalid("it signs shards or digests other than SHA-256; sign whole files with SHA-256");
  }
  const json::value* list = member(predicate, "resources");
  if (list == nullptr || !list->is_array()) return invalid("it names no resources");
  Resources resources;
  for (const json::value& one : list->get_array()) {
    const std::string_view name = text_of(member(one, "name")),
                           digest = text_of(member(one, "digest"));
    if (name.empty() || text_of(member(one, "algorithm")) != "sha256" || !is_sha256(digest)) {
      return invalid("a resource must have a name and a SHA-256 digest");
    }
    resources.emplace_back(name, digest);
  }
  const json::value* subjects = member(document, "subject");
  if (subjects == nullptr || !subjects->is_array() || subjects->get_array().size() != 1)
    return invalid("it must have one subject");
  const std::string root = root_digest(resources);
  if (text_of(member(member(subjects->get_array()[0], "digest"), "sha256")) != root) {
    return invalid("its subject's digest is not that of its resources");
  }
  return resources;
}

// Both ways: nothing signed is missing, and nothing in the package is unsigned.
Status compare(const Resources& here, const Resources& resources) {
  std::map<std::string_view, std::string_view> was_signed;
  for (const auto& [path, digest] : resources) was_signed.emplace(path, digest);
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
  SERIN_TRY_ASSIGN(const auto signature, read_signature(package));
  if (!signature) return fail(Code::kPermissionDenied, "is not signed: there is no model.sig");
  auto signer = trust.verify(signature->bundle.envelope, signature->bundle.voucher);
  if (!signer) return fail(std::move(signer.error()).within(kSignatureFile));
  SERIN_TRY(compare(resources_of(package), signature->resources));
  return signer;
}

}  // namespace

Result<Signature> parse_signature(std::string_view text) {
  Signature signature;
  SERIN_TRY_ASSIGN(signature.bundle, read_bundle(text, kPredicateType));
  SERIN_TRY_ASSIGN(signature.resources, parse_statement(signature.bundle.statement));
  return signature;
}

Result<std::optional<Signature>> read_signature(const Package& package) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  const auto text = folder.read(kSignatureFile, kSignatureLimit);
  if (!text && text.error().code == Code::kNotFound) return std::optional<Signature>();
  if (!text) return fail(text.error());
  auto signature = parse_signature(*text);
  if (!signature) return fail(std::move(signature.error()).within(kSignatureFile));
  return std::optional(*std::move(signature));
}

Status check_covers(const Signature& signature, const Package& package) {
  auto covered = compare(resources_of(package), signature.resources);
  if (covered) return {};
  covered.error().message += "; `serin package sign` signs what is there now";
  return fail(std::move(covered.error()).within(kSignatureFile));
}

Status sign_package(const Package& package, const SigningKey& key) {
  return write_file(package.root / kSignatureFile,
                    write_bundle(statement(package, resources_of(package)), &key));
}

Result<std::string> verify_signature(const Package& package, const Trust& trust) {
  auto signer = verify(package, trust);
  if (!signer) return fail(std::move(signer.error()).within(package.root.string()));
  return signer;
}

}  // namespace serin::model
