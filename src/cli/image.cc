// SPDX-License-Identifier: Apache-2.0
// `serin image …`: packages as images and artifacts, on this machine and in registries.
#include "model/image/image.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/signing.h"
#include "cli/source.h"
#include "cli/takes.h"
#include "cli/version.h"
#include "model/folder.h"
#include "model/image/cosign.h"
#include "objects/oci_copy.h"

namespace serin::cli {
namespace {

namespace fs = std::filesystem;
using objects::OciBlob;
using objects::OciLayout;
using objects::OciReference;
using objects::OciRegistry;

constexpr const char* kImageHelp =
    "A name on this machine, or a layout: FILE.tar, ./FOLDER or /FOLDER";
constexpr const char* kReferenceHelp = "HOST/REPOSITORY[:TAG|@sha256:DIGEST]";

struct ImageLine {
  SourceLine from;
  std::string package, name, base = std::string("serin/runtime:") + kVersion;
  std::string image, destination, key;
  fs::path output;
  bool data = false, artifact = false, json = false;
};

fs::path store_folder() { return state_directory() / "images"; }

// Names never begin so, and end in a tag.
bool is_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with('.') || text.ends_with(".tar");
}

Result<OciLayout> open_store() {
  std::error_code problem;
  if (!fs::exists(store_folder() / "index.json", problem))
    return fail(Code::kNotFound, "there are no images on this machine");
  return OciLayout::open(store_folder());
}

struct Image {
  OciLayout layout;
  OciBlob blob;
  std::string name;
};

// The one that a file or folder has, or that has this name on this machine.
Result<Image> open_image(const std::string& text) {
  if (is_path(text)) {
    SERIN_TRY_ASSIGN(OciLayout layout, OciLayout::open(text));
    SERIN_TRY_ASSIGN(const auto names, layout.names());
    SERIN_TRY_ASSIGN(OciBlob blob, layout.find(""));
    return Image{std::move(layout), std::move(blob), names.front().name};
  }
  SERIN_TRY_ASSIGN(const OciReference reference, objects::parse_image_name(text));
  SERIN_TRY_ASSIGN(OciLayout store, open_store());
  SERIN_TRY_ASSIGN(OciBlob blob, store.find(reference.text()));
  return Image{std::move(store), std::move(blob), reference.text()};
}

Result<std::unique_ptr<OciRegistry>> open_registry(const std::string& text) {
  SERIN_TRY_ASSIGN(OciReference reference, objects::parse_image_name(text));
  if (reference.host.empty())
    return invalid("\"" + text + "\" names no registry; write " + kReferenceHelp);
  return OciRegistry::create(std::move(reference), objects::process_environment());
}

bool names_registry(const std::string& text) {
  const auto reference = objects::parse_image_name(text);
  return !is_path(text) && reference && !reference->host.empty();
}

void tell(const std::string& name, const std::string& digest) {
  std::cout << "image:  " << name << "\ndigest: " << digest << "\n";
}

// A name with a host is asked for in its registry, what that lacks comes into `to`.
Result<model::Base> open_base(const ImageLine& line, OciLayout& to) {
  if (names_registry(line.base)) {
    SERIN_TRY_ASSIGN(const auto registry, open_registry(line.base));
    SERIN_TRY_ASSIGN(OciBlob blob,
                     pull_image(*registry, to, source_options(line.from).progress, {}));
    return model::Base{to, std::move(blob), registry->reference().text()};
  }
  auto image = open_image(line.base);
  if (image) return model::Base{image->layout, image->blob, image->name};
  if (image.error().code != Code::kNotFound || is_path(line.base)) return fail(image.error());
  return fail(Code::kNotFound, "there is no image " + line.base +
                                   " on this machine; `serin image pull FILE.tar " + line.base +
                                   "` takes one over, and --base names another");
}

Result<OciBlob> build_into(OciLayout& to, const ImageLine& line, const model::Package& package) {
  if (line.artifact) return build_artifact(package, to);
  if (line.data) return build_data_image(package, to);
  SERIN_TRY_ASSIGN(const model::Base base, open_base(line, to));
  return build_model_image(package, base, to, {});
}

Result<std::string> name_for(const ImageLine& line, const model::Package& package) {
  SERIN_TRY_ASSIGN(
      const OciReference reference,
      objects::parse_image_name(line.name.empty() ? package.manifest.name : line.name));
  if (reference.digest.empty()) return reference.text();
  return invalid(line.name + " names a digest; an image has one of its own, give it a tag");
}

Result<OciBlob> build_named(const fs::path& folder, const std::string& name, const ImageLine& line,
                            const model::Package& package) {
  SERIN_TRY_ASSIGN(OciLayout layout, OciLayout::create(folder));
  SERIN_TRY_ASSIGN(OciBlob built, build_into(layout, line, package));
  SERIN_TRY(layout.name(name, built));
  return built;
}

Status build(const ImageLine& line) {
  SERIN_TRY_ASSIGN(const auto held, model::fetch_package(line.package, source_options(line.from)));
  SERIN_TRY_ASSIGN(const auto package, model::open_package(held.root, model::Verify::kDigests));
  SERIN_TRY_ASSIGN(const std::string name, name_for(line, package));
  if (line.output.extension() != ".tar") {
    const fs::path folder = line.output.empty() ? store_folder() : line.output;
    SERIN_TRY_ASSIGN(const OciBlob built, build_named(folder, name, line, package));
    tell(name, built.digest);
    return {};
  }
  const model::Partial folder(line.output);  // goes with all that it holds
  SERIN_TRY_ASSIGN(const OciBlob built, build_named(folder.path(), name, line, package));
  SERIN_TRY_ASSIGN(const OciLayout layout, OciLayout::open(folder.path()));
  SERIN_TRY(layout.write_tar(line.output, name, built));
  tell(name, built.digest);
  return {};
}

Status export_image(const Image& image, const fs::path& to) {
  if (to.extension() == ".tar") return image.layout.write_tar(to, image.name, image.blob);
  SERIN_TRY_ASSIGN(OciLayout layout, OciLayout::create(to));
  SERIN_TRY_ASSIGN(const OciBlob copied, copy_image(image.layout, image.blob, layout, {}));
  return layout.name(image.name, copied);
}

Status push(const ImageLine& line) {
  SERIN_TRY_ASSIGN(const Image image, open_image(line.image));
  const std::string destination = line.destination.empty() ? image.name : line.destination;
  if (is_path(destination)) {
    if (!line.key.empty()) return invalid("--sign-key is for registries: a file has no signatures");
    return export_image(image, destination);
  }
  std::optional<model::SigningKey> key;  // first of all, since it may be wrong
  if (!line.key.empty()) {
    SERIN_TRY_ASSIGN(key, signing_key(line.key));
  }
  SERIN_TRY_ASSIGN(const auto registry, open_registry(destination));
  SERIN_TRY_ASSIGN(const std::string digest, push_image(image.layout, image.blob, *registry,
                                                        source_options(line.from).progress, {}));
  if (key) SERIN_TRY(model::sign_image(*registry, digest, *key, {}));
  tell(registry->reference().text(), digest);
  return {};
}

Status pull(const ImageLine& line) {
  SERIN_TRY_ASSIGN(OciLayout store, OciLayout::create(store_folder()));
  std::string name = line.destination;
  OciBlob pulled;
  if (is_path(line.image)) {
    SERIN_TRY_ASSIGN(const Image image, open_image(line.image));
    SERIN_TRY_ASSIGN(pulled, copy_image(image.layout, image.blob, store, {}));
    if (name.empty()) name = image.name;
  } else {
    SERIN_TRY_ASSIGN(const auto registry, open_registry(line.image));
    SERIN_TRY_ASSIGN(pulled, pull_image(*registry, store, source_options(line.from).progress, {}));
    if (name.empty()) name = registry->reference().text();
  }
  SERIN_TRY_ASSIGN(const OciReference reference, objects::parse_image_name(name));
  SERIN_TRY(store.name(reference.text(), pulled));
  tell(reference.text(), pulled.digest);
  return {};
}

// A manifest with its config, from a registry or from here.
struct Inspected {
  objects::OciDocument document;
  std::string config;
};

Result<Inspected> look_at(const std::string& text) {
  Inspected seen;
  if (!names_registry(text)) {
    SERIN_TRY_ASSIGN(const Image image, open_image(text));
    SERIN_TRY_ASSIGN(seen.document, image.layout.image(image.blob));
    SERIN_TRY_ASSIGN(const auto manifest, objects::parse_oci_manifest(seen.document.text));
    SERIN_TRY_ASSIGN(seen.config, image.layout.text(manifest.config));
    return seen;
  }
  SERIN_TRY_ASSIGN(const auto registry, open_registry(text));
  SERIN_TRY_ASSIGN(seen.document, registry->pull_image({}));
  SERIN_TRY_ASSIGN(const auto manifest, objects::parse_oci_manifest(seen.document.text));
  SERIN_TRY_ASSIGN(seen.config,
                   registry->pull_text(manifest.config, objects::kLargestManifest, {}));
  return seen;
}

std::string kind_of(const objects::OciManifest& manifest) {
  if (manifest.artifact_type == model::kArtifactType) return "artifact";
  if (!manifest.artifact_type.empty()) return manifest.artifact_type;
  if (!manifest.annotations.contains(model::kPackageAnnotation)) return "image";
  return manifest.annotations.contains("org.opencontainers.image.base.digest") ? "model image"
                                                                               : "data image";
}

Status inspect(const ImageLine& line) {
  SERIN_TRY_ASSIGN(const Inspected seen, look_at(line.image));
  if (line.json) {
    SERIN_TRY_ASSIGN(const json::value manifest, parse_json(seen.document.text));
    SERIN_TRY_ASSIGN(const json::value config, parse_json(seen.config));
    std::cout << canonical_json(json::object{{"digest", seen.document.digest()},
                                             {"manifest", manifest},
                                             {"config", config}})
              << "\n";
    return {};
  }
  SERIN_TRY_ASSIGN(const auto manifest, objects::parse_oci_manifest(seen.document.text));
  std::cout << "digest: " << seen.document.digest() << "\nkind:   " << kind_of(manifest) << "\n";
  for (const auto& [name, value] : manifest.annotations) std::cout << name << ": " << value << "\n";
  for (const OciBlob& layer : manifest.layers) {
    std::cout << "layer:  " << layer.digest << "  " << layer.size << " bytes  " << layer.media_type
              << "\n";
  }
  return {};
}

Status verify(const ImageLine& line) {
  SERIN_TRY_ASSIGN(const auto trust, model::Trust::load(line.key));
  SERIN_TRY_ASSIGN(const auto registry, open_registry(line.image));
  SERIN_TRY_ASSIGN(const auto document, registry->pull_document(registry->reference().name(), {}));
  SERIN_TRY_ASSIGN(const std::string signer,
                   model::verify_image(*registry, document.digest(), trust, {}));
  std::cout << document.digest() << " signed by " << signer << "\n";
  return {};
}

Status list(const ImageLine& line) {
  const auto store = open_store();
  if (!store && store.error().code == Code::kNotFound) return {};
  if (!store) return fail(store.error());
  SERIN_TRY_ASSIGN(const auto names, store->names());
  for (const OciLayout::Named& one : names) {
    SERIN_TRY_ASSIGN(const auto document, store->image(one.manifest));
    SERIN_TRY_ASSIGN(const auto manifest, objects::parse_oci_manifest(document.text));
    std::uint64_t bytes = manifest.config.size;
    for (const OciBlob& layer : manifest.layers) bytes += layer.size;
    if (line.json) {
      std::cout << canonical_json(json::object{{"name", one.name},
                                               {"digest", one.manifest.digest},
                                               {"bytes", bytes},
                                               {"kind", kind_of(manifest)}})
                << "\n";
    } else {
      std::cout << one.name << "  " << one.manifest.digest << "  " << bytes << " bytes  "
                << kind_of(manifest) << "\n";
    }
  }
  return {};
}

Status remove(const ImageLine& line) {
  SERIN_TRY_ASSIGN(const OciReference reference, objects::parse_image_name(line.image));
  SERIN_TRY_ASSIGN(OciLayout store, open_store());
  SERIN_TRY(store.unname(reference.text()));
  const auto freed = store.prune();
  // Whoever builds or pulls meanwhile goes first; the next removal takes what is left.
  if (!freed && freed.error().code != Code::kUnavailable) return fail(freed.error());
  std::cout << "removed " << reference.text() << ", " << freed.value_or(0) << " bytes\n";
  return {};
}

void add_build(CLI::App& made, ImageLine& line) {
  takes_package(made.add_option("package", line.package, kSourceHelp))->required();
  made.add_option("-t,--tag", line.name, "[HOST/]REPOSITORY[:TAG]; default: the package's name");
  CLI::Option* base =
      made.add_option("--base", line.base,
                      "The runtime: a name of this machine, HOST/REPOSITORY:TAG or @sha256:DIGEST, "
                      "or a layout (FILE.tar, ./FOLDER)")
          ->capture_default_str();
  CLI::Option* data =
      made.add_flag("--data", line.data, "The package alone, for volumes of Kubernetes");
  CLI::Option* artifact =
      made.add_flag("--artifact", line.artifact,
                    "A CNCF ModelPack artifact, which `serin serve oci://…` fetches");
  data->excludes(artifact)->excludes(base);
  artifact->excludes(base);
  takes_path(made.add_option("-o,--output", line.output,
                             "Write FILE.tar or a folder instead of keeping it on this machine"));
  add_source_options(made, line.from);
}

}  // namespace

void add_image(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<ImageLine>();
  CLI::App* group =
      app.add_subcommand("image", "Make images and artifacts of packages, move and sign them");
  group->require_subcommand(1);
  auto command = [&](const std::string& name, const std::string& about,
                     Status (*action)(const ImageLine&)) {
    CLI::App* made = group->add_subcommand(name, about);
    made->callback([line, action, &chosen] { chosen = [line, action] { return action(*line); }; });
    return made;
  };
  add_build(*command("build",
                     "Make an image or an artifact of a package, the same to the byte "
                     "each time",
                     build),
            *line);

  CLI::App* out = command("push", "Store an image in a registry, or write it to a file", push);
  takes_path(out->add_option("image", line->image, kImageHelp))->required();
  out->add_option("destination", line->destination,
                  "HOST/REPOSITORY[:TAG], FILE.tar or ./FOLDER; default: the image's name");
  takes_file(out->add_option("--sign-key", line->key,
                             "Private key (PEM, P-256, or cosign's) to sign with as cosign does"));

  CLI::App* in = command("pull", "Take an image from a registry or a file to this machine", pull);
  takes_path(
      in->add_option("image", line->image, std::string(kReferenceHelp) + ", FILE.tar or ./FOLDER"))
      ->required();
  in->add_option("name", line->destination, "Its name here; default: its own");

  CLI::App* look = command("inspect", "Say what an image is", inspect);
  takes_path(
      look->add_option("image", line->image,
                       std::string(kReferenceHelp) + ", a name on this machine, or a layout"))
      ->required();
  look->add_flag("--json", line->json, "The manifest and the config, on one line");

  CLI::App* check = command("verify", "Check who signed an image in its registry", verify);
  check->add_option("image", line->image, kReferenceHelp)->required();
  takes_file(check->add_option("--key", line->key, "Public key (PEM) that must have signed"))
      ->required();

  command("list", "List the images of this machine", list)
      ->add_flag("--json", line->json, "One line of JSON an image");
  command("remove", "Remove an image from this machine", remove)
      ->add_option("image", line->image, "Its name")
      ->required();
}

}  // namespace serin::cli
