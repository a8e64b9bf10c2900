// SPDX-License-Identifier: Apache-2.0
#include "model/package.h"

#include <algorithm>
#include <span>

#include "base/digest.h"
#include "base/files.h"
#include "model/folder.h"

namespace serin::model {
namespace {

constexpr std::string_view kManifest = "model.yaml";
constexpr std::uint64_t kManifestLimit = std::uint64_t{8} << 20;

// Files that say something about a package and are no part of it.
bool outside(std::string_view path) {
  return path == "model.sig" || path.starts_with("attestations/");
}

Error in_package(Error error, const std::filesystem::path& root) {
  return std::move(error).within(root.string());
}

// Both lists are sorted by path.
Status compare(const std::vector<FileEntry>& listed, const std::vector<FoundFile>& found) {
  auto file = found.begin();
  for (const FileEntry& entry : listed) {
    if (file != found.end() && file->path < entry.path) break;
    if (file == found.end() || file->path != entry.path) {
      return fail(Code::kDataLoss, entry.path + ": is missing; model.yaml lists it");
    }
    if (file->size != entry.size) {
      return fail(Code::kDataLoss, entry.path + ": has " + std::to_string(file->size) +
                                       " bytes; model.yaml says " + std::to_string(entry.size));
    }
    ++file;
  }
  if (file == found.end()) return {};
  return invalid(file->path +
                 ": is not listed in model.yaml; remove it, or list it with serin package seal");
}

Status check_digests(const Folder& folder, const std::vector<FileEntry>& files) {
  for (const FileEntry& entry : files) {
    SERIN_TRY_ASSIGN(const std::string digest, folder.sha256(entry.path));
    if (digest != entry.sha256) {
      return fail(Code::kDataLoss,
                  entry.path + ": its SHA-256 is " + digest + "; model.yaml says " + entry.sha256);
    }
  }
  return {};
}

// What model.yaml lists or must list: everything but itself and what stands outside.
Result<std::vector<FoundFile>> content(const Folder& folder) {
  SERIN_TRY_ASSIGN(auto files, folder.files());
  const auto has_manifest = std::ranges::binary_search(
      files, kManifest, {}, [](const FoundFile& f) { return std::string_view(f.path); });
  if (!has_manifest) return fail(Code::kNotFound, "there is no model.yaml, so it is not a package");
  std::erase_if(files,
                [](const FoundFile& file) { return file.path == kManifest || outside(file.path); });
  return files;
}

// Of the package itself, the folder first.
Result<std::vector<Stamp>> stamps_of(const Folder& folder) {
  SERIN_TRY_ASSIGN(auto stamps, folder.stamps());
  std::erase_if(stamps,
                [](const Stamp& one) { return outside(one.path) || one.path == "attestations"; });
  return stamps;
}

Result<Package> open_folder(const std::filesystem::path& root, const Folder& folder, Verify how) {
  SERIN_TRY_ASSIGN(auto stamps, stamps_of(folder));
  SERIN_TRY_ASSIGN(const auto found, content(folder));
  SERIN_TRY_ASSIGN(const std::string yaml, folder.read(kManifest, kManifestLimit));
  Package package;
  package.root = root;
  package.manifest_sha256 = sha256_hex(yaml);
  package.stamps = std::move(stamps);
  SERIN_TRY_ASSIGN(package.manifest, parse_manifest(yaml));
  SERIN_TRY_ASSIGN(package.digest, manifest_digest(yaml));
  SERIN_TRY(compare(package.manifest.files, found));
  if (how == Verify::kDigests) SERIN_TRY(check_digests(folder, package.manifest.files));
  return package;
}

Result<Sealing> prepare_folder(const std::filesystem::path& root, const Folder& folder) {
  SERIN_TRY_ASSIGN(const auto found, content(folder));
  SERIN_TRY_ASSIGN(const std::string yaml, folder.read(kManifest, kManifestLimit));
  SERIN_TRY(parse_draft(yaml));  // before the time that digests take
  std::vector<FileEntry> files;
  for (const FoundFile& file : found) {
    SERIN_TRY_ASSIGN(std::string digest, folder.sha256(file.path));
    files.push_back({file.path, file.size, std::move(digest)});
  }
  SERIN_TRY(parse_with_files(yaml, files));
  Sealing sealing;
  SERIN_TRY_ASSIGN(sealing.yaml, replace_files(yaml, files));
  Package& package = sealing.package;
  package.root = root;
  package.manifest_sha256 = sha256_hex(sealing.yaml);
  SERIN_TRY_ASSIGN(package.manifest, parse_manifest(sealing.yaml));
  SERIN_TRY_ASSIGN(package.digest, manifest_digest(sealing.yaml));
  return sealing;
}

}  // namespace

Result<Package> open_package(const std::filesystem::path& root, Verify how) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(root));
  auto package = open_folder(root, folder, how);
  if (!package) return fail(in_package(std::move(package).error(), root));
  return package;
}

Status check_digests(const Package& package) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  Status same = check_digests(folder, package.manifest.files);
  if (!same) return fail(in_package(std::move(same).error(), package.root));
  return same;
}

Status check_unchanged(const Package& package) {
  const auto changed = [&](const std::string& path) {
    return fail(Error{Code::kDataLoss,
                      package.file(path).string() +
                          ": changed while the package was loaded; start again when nobody writes "
                          "to the folder",
                      "package_changed"});
  };
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(package.root));
  SERIN_TRY_ASSIGN(const auto now, stamps_of(folder));
  if (now == package.stamps) return {};
  // The folder itself changes with what is in it; what is in it says more.
  const std::span was = std::span(package.stamps).subspan(1), is = std::span(now).subspan(1);
  const auto [before, after] = std::ranges::mismatch(was, is);
  if (before == was.end()) return changed(after == is.end() ? "" : after->path);
  return changed(after == is.end() ? before->path : std::min(before->path, after->path));
}

Result<Sealing> prepare_seal(const std::filesystem::path& root) {
  SERIN_TRY_ASSIGN(const Folder folder, Folder::open(root));
  auto sealing = prepare_folder(root, folder);
  if (!sealing) return fail(in_package(std::move(sealing).error(), root));
  return sealing;
}

Result<Package> finish_seal(const Sealing& sealing) {
  const std::filesystem::path& root = sealing.package.root;
  const auto before = read_file(root / kManifest, kManifestLimit);
  if (!before || *before != sealing.yaml) SERIN_TRY(write_file(root / kManifest, sealing.yaml));
  return open_package(root, Verify::kStructure);
}

Result<Package> seal_package(const std::filesystem::path& root) {
  SERIN_TRY_ASSIGN(const Sealing sealing, prepare_seal(root));
  return finish_seal(sealing);
}

}  // namespace serin::model
