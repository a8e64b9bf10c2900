// SPDX-License-Identifier: Apache-2.0
#include "model/source.h"

#include <optional>

#include "base/digest.h"
#include "base/file_head.h"
#include "base/files.h"
#include "model/archive.h"
#include "model/image/image.h"
#include "model/import.h"
#include "model/registry.h"
#include "objects/oci_copy.h"
#include "objects/open_store.h"

namespace serin::model {
namespace {

namespace fs = std::filesystem;

// As zstd does.
bool begins_as_archive(const fs::path& path) { return head_of(path, 4) == "\x28\xb5\x2f\xfd"; }

Result<Archive> file_archive(const fs::path& path) {
  if (const auto kind = recognise(path)) {
    return invalid(path.string() + ": is a model (" + std::string(name_of(*kind)) +
                   "), not a package; serin package import makes a package of it");
  }
  SERIN_TRY_ASSIGN(const objects::Body body, objects::Body::file(path));
  if (!begins_as_archive(path)) {
    return invalid(path.string() +
                   ": is neither a package's folder nor an archive that `serin package pack` made");
  }
  SERIN_TRY_ASSIGN(const std::string digest, body.sha256());
  Archive archive{path.string(), "sha256:" + digest, {{body.size(), digest}}, {}};
  archive.read = [body](std::uint64_t offset, const auto& sink) {
    return body.piece(offset, body.size() - offset).each(sink);
  };
  return archive;
}

Result<Archive> object_archive(const std::string& url, const SourceOptions& options) {
  SERIN_TRY_ASSIGN(const auto location, objects::parse_object_url(url));
  SERIN_TRY_ASSIGN(auto opened, objects::open_store(location.store, options.environment));
  const std::shared_ptr<objects::ObjectStore> store = std::move(opened);
  SERIN_TRY_ASSIGN(const auto info, store->head(location.key, options.cancel));
  Archive archive{url, url + "\n" + info.etag, {{info.size}}, {}};
  archive.read = [store, info, cancel = options.cancel](std::uint64_t offset,
                                                        const auto& sink) -> Status {
    objects::GetOptions piece;
    piece.offset = offset;
    piece.if_etag = info.etag;
    SERIN_TRY(store->get(info.key, piece, sink, cancel));
    return {};
  };
  return archive;
}

// From `offset` of all layers together on.
Status read_layers(objects::OciRegistry& registry, const std::vector<objects::OciBlob>& layers,
                   std::uint64_t offset, const objects::Sink& sink, const CancelToken& cancel) {
  std::uint64_t before = 0;
  for (const objects::OciBlob& layer : layers) {
    const std::uint64_t from = offset > before ? offset - before : 0;
    if (from < layer.size) SERIN_TRY(registry.pull_blob(layer, from, sink, cancel));
    before += layer.size;
  }
  return {};
}

Result<Archive> artifact_archive(const std::string& url, const SourceOptions& options) {
  SERIN_TRY_ASSIGN(auto reference, objects::parse_oci_url(url));
  SERIN_TRY_ASSIGN(auto opened,
                   objects::OciRegistry::create(std::move(reference), options.environment));
  const std::shared_ptr<objects::OciRegistry> registry = std::move(opened);
  SERIN_TRY_ASSIGN(const auto document, registry->pull_image(options.cancel));
  auto manifest = objects::parse_oci_manifest(document.text);
  if (!manifest) return fail(std::move(manifest).error().within(url));
  if (manifest->artifact_type != kArtifactType) {
    return invalid(url +
                   ": is an image, not a package's artifact; `serin package push` and `serin " +
                   "image build --artifact` make those");
  }
  Archive archive{url, document.digest(), {}, {}};
  for (const objects::OciBlob& layer : manifest->layers) {
    if (!is_artifact_layer(layer.media_type))
      return invalid(url + ": has a layer that is no archive: " + layer.media_type);
    archive.parts.push_back({layer.size, layer.digest.substr(7)});
  }
  archive.read = [registry, layers = manifest->layers, cancel = options.cancel](
                     std::uint64_t offset, const objects::Sink& sink) {
    return read_layers(*registry, layers, offset, sink, cancel);
  };
  return archive;
}

// Where a path or a file:// URL leads on this machine.
Result<fs::path> local_path(const std::string& source) {
  constexpr std::string_view kFile = "file://";
  if (!source.starts_with(kFile)) return fs::path(source);
  if (source.size() == kFile.size() || source[kFile.size()] != '/')
    return invalid("write file:///path, with three slashes: " + source);
  return fs::path(source.substr(kFile.size()));
}

Result<Archive> archive_of(const std::string& source, const SourceOptions& options) {
  if (source.starts_with("oci://")) return artifact_archive(source, options);
  if (is_url(source) && !source.starts_with("file://")) return object_archive(source, options);
  SERIN_TRY_ASSIGN(const fs::path path, local_path(source));
  return file_archive(path);
}

// The same archive, telling how far it has come.
Archive with_progress(Archive archive, const SourceOptions& options) {
  archive.read = [read = std::move(archive.read), total = archive.size(), tell = options.progress](
                     std::uint64_t offset, const auto& sink) {
    return read(offset, [&, done = offset](std::string_view bytes) mutable -> Status {
      SERIN_TRY(sink(bytes));
      done += bytes.size();
      tell(done, total);
      return {};
    });
  };
  return archive;
}

Status check_digest(const std::string& source, const std::string& given,
                    const std::string& wanted) {
  if (wanted.empty() || given == wanted) return {};
  return fail(Code::kDataLoss, source + " is the package " + given + ", not " + wanted);
}

Status push_archive(const fs::path& archive, const std::string& destination, bool replace,
                    const SourceOptions& options) {
  SERIN_TRY_ASSIGN(const objects::Body body, objects::Body::file(archive));
  SERIN_TRY_ASSIGN(const auto location, objects::parse_object_url(destination));
  SERIN_TRY_ASSIGN(const auto store, objects::open_store(location.store, options.environment));
  const auto condition = replace ? objects::Condition::none() : objects::Condition::absent();
  const auto put = store->put(location.key, body, condition, options.cancel);
  if (put) return {};
  if (put.error().code != Code::kAborted || replace) return fail(put.error());
  // Packing gives the same bytes each time, so the same package may be there already.
  Sha256 there;
  SERIN_TRY(store->get(
      location.key, {},
      [&](std::string_view bytes) -> Status {
        there.update(bytes);
        return {};
      },
      options.cancel));
  SERIN_TRY_ASSIGN(const std::string ours, body.sha256());
  if (there.hex() == ours) return {};
  return fail(Code::kAlreadyExists,
              destination + " holds something else; --replace writes over it");
}

// What the tag that is pushed to points at already; nothing where it is free. kAlreadyExists when
// it is another package's.
Result<std::optional<objects::OciDocument>> tagged(objects::OciRegistry& registry,
                                                   const Package& package,
                                                   const SourceOptions& options) {
  auto there = registry.pull_document(registry.reference().tag, options.cancel);
  if (!there && there.error().code == Code::kNotFound) return std::nullopt;
  if (!there && there.error().code != Code::kInvalidArgument) return fail(there.error());
  const auto manifest = there ? objects::parse_oci_manifest(there->text)
                              : Result<objects::OciManifest>(fail(there.error()));
  const auto said = manifest ? manifest->annotations : objects::OciAnnotations();
  const auto digest = said.find(kPackageAnnotation);
  if (digest != said.end() && digest->second == package.digest) return *std::move(there);
  return fail(Code::kAlreadyExists, "oci://" + registry.reference().text() +
                                        " is another artifact; --replace moves the tag");
}

// As `serin image build --artifact` makes it. The tag is looked at before the package is copied
// into an artifact, which takes long for a large one.
Result<std::string> push_artifact(const Package& package, const std::string& destination,
                                  bool replace, const SourceOptions& options) {
  SERIN_TRY_ASSIGN(auto reference, objects::parse_oci_url(destination));
  if (!reference.digest.empty())
    return invalid(destination + " names a digest; name a tag to push to");
  SERIN_TRY_ASSIGN(const auto registry,
                   objects::OciRegistry::create(std::move(reference), options.environment));
  std::optional<objects::OciDocument> there;
  if (!replace) {
    SERIN_TRY_ASSIGN(there, tagged(*registry, package, options));
  }
  SERIN_TRY_ASSIGN(const auto folder, TemporaryDirectory::create("serin-push"));
  SERIN_TRY_ASSIGN(auto layout, objects::OciLayout::create(folder.path()));
  SERIN_TRY_ASSIGN(const objects::OciBlob artifact, build_artifact(package, layout));
  if (there && there->digest() == artifact.digest) return artifact.digest;
  if (there)
    return fail(Code::kAlreadyExists,
                destination + " has this package in another artifact; --replace moves the tag");
  return objects::push_image(layout, artifact, *registry, options.progress, options.cancel);
}

Status check_registry(const std::string& name, const SourceOptions& options) {
  if (!options.registry.empty()) return {};
  return fail(Code::kNotFound, name + " is a package by name, and there is no registry here");
}

Result<Pushed> push_name(const fs::path& root, const Reference& name, bool replace,
                         const SourceOptions& options) {
  SERIN_TRY(check_registry(name.text(), options));
  SERIN_TRY_ASSIGN(Registry registry, Registry::open(options.registry));
  SERIN_TRY_ASSIGN(const HeldPackage held, registry.add(root, Registry::Take::kCopy));
  SERIN_TRY(registry.tag(name, held.digest, replace));
  return Pushed{held.digest, held.digest};
}

}  // namespace

bool is_url(std::string_view source) { return source.find("://") != std::string_view::npos; }

Result<HeldPackage> fetch_package(const std::string& source, const SourceOptions& options) {
  if (const auto name = parse_reference(source)) {
    SERIN_TRY(check_registry(source, options));
    SERIN_TRY_ASSIGN(Registry registry, Registry::open_existing(options.registry));
    SERIN_TRY_ASSIGN(HeldPackage held, registry.find(*name));
    SERIN_TRY(check_digest(source, held.digest, options.digest));
    return held;
  }
  std::error_code problem;
  if (!is_url(source) || source.starts_with("file://")) {
    SERIN_TRY_ASSIGN(const fs::path path, local_path(source));
    if (fs::is_directory(path, problem)) {
      if (options.digest.empty()) return HeldPackage{path, {}, Descriptor()};
      SERIN_TRY_ASSIGN(Package package, open_package(path, Verify::kStructure));
      SERIN_TRY(check_digest(source, package.digest, options.digest));
      return HeldPackage{path, package.digest, Descriptor()};
    }
  }
  SERIN_TRY_ASSIGN(Archive archive, archive_of(source, options));
  const PackageCache cache(options.cache, options.cache_bytes);
  SERIN_TRY_ASSIGN(HeldPackage held,
                   cache.get(with_progress(std::move(archive), options), options.cancel));
  SERIN_TRY(check_digest(source, held.digest, options.digest));
  return held;
}

Result<std::string> digest_of_package(const std::string& source, const SourceOptions& options) {
  if (source.starts_with("oci://")) {
    SERIN_TRY_ASSIGN(auto reference, objects::parse_oci_url(source));
    SERIN_TRY_ASSIGN(const auto registry,
                     objects::OciRegistry::create(std::move(reference), options.environment));
    SERIN_TRY_ASSIGN(const auto document, registry->pull_image(options.cancel));
    auto manifest = objects::parse_oci_manifest(document.text);
    if (!manifest) return fail(std::move(manifest).error().within(source));
    const auto said = manifest->annotations.find(kPackageAnnotation);
    if (said != manifest->annotations.end() && objects::is_oci_digest(said->second))
      return said->second;
  }
  SERIN_TRY_ASSIGN(const HeldPackage held, fetch_package(source, options));
  return held.digest;
}

Result<Pushed> push_package(const fs::path& root, const std::string& destination, bool replace,
                            const SourceOptions& options) {
  if (const auto name = parse_reference(destination))
    return push_name(root, *name, replace, options);
  SERIN_TRY_ASSIGN(const Package package, open_package(root, Verify::kDigests));
  if (destination.starts_with("oci://")) {
    SERIN_TRY_ASSIGN(std::string stored, push_artifact(package, destination, replace, options));
    return Pushed{package.digest, std::move(stored)};
  }
  SERIN_TRY_ASSIGN(const auto folder, TemporaryDirectory::create("serin-push"));
  const fs::path archive = folder.path() / (package.manifest.name + ".serin");
  SERIN_TRY(pack_package(root, archive));
  SERIN_TRY(push_archive(archive, destination, replace, options));
  SERIN_TRY_ASSIGN(const std::string stored, sha256_hex_of_file(archive));
  return Pushed{package.digest, "sha256:" + stored};
}

}  // namespace serin::model
