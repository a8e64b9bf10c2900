// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <set>

#include "base/digest.h"
#include "base/files.h"
#include "base/write_all.h"
#include "objects/oci_reference.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVersion = R"({"imageLayoutVersion":"1.0.0"})";
constexpr const char* kName = "org.opencontainers.image.ref.name";
constexpr const char* kContainerdName = "io.containerd.image.name";
constexpr std::uint64_t kLargestIndex = std::uint64_t{16} << 20;
constexpr int kDeepestIndex = 4;
constexpr std::chrono::hours kMayGoOn{24};  // a fetch that was cut

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

// What a manifest of index.json is called: as containerd and docker write it, else as the others
// do.
std::string name_of(const OciBlob& manifest) {
  for (const char* key : {kContainerdName, kName}) {
    const auto found = manifest.annotations.find(key);
    if (found != manifest.annotations.end()) return found->second;
  }
  return {};
}

json::object named_json(std::string_view name, const OciBlob& manifest) {
  return {{"mediaType", manifest.media_type},
          {"digest", manifest.digest},
          {"size", manifest.size},
          {"annotations", {{kName, name}, {kContainerdName, name}}}};
}

json::object empty_index() {
  return {{"schemaVersion", 2}, {"mediaType", kOciIndexType}, {"manifests", json::array()}};
}

// The manifests of an index that was read, but for those of this name.
json::array without(const json::array& manifests, std::string_view name) {
  const auto blobs = parse_oci_index(canonical_json(json::object{{"manifests", manifests}}));
  json::array left;
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    if (name_of((*blobs)[i]) != name) left.push_back(manifests[i]);
  }
  return left;
}

Result<std::string> all_of(const Body& body, std::uint64_t limit) {
  if (body.size() > limit) return fail(Code::kOutOfRange, "is too large");
  std::string text;
  SERIN_TRY(body.each([&](std::string_view piece) -> Status {
    text += piece;
    return {};
  }));
  return text;
}

std::string path_below(const OciBlob& blob) { return "blobs/sha256/" + blob.digest.substr(7); }

Result<Descriptor> open_folder(const fs::path& folder) {
  Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.open()) return fail(error_of_errno(errno, "cannot open " + folder.string()));
  return opened;
}

// A new file that becomes another one, or goes.
class NewFile {
 public:
  explicit NewFile(fs::path folder) : path_(std::move(folder)) {
    static std::atomic<unsigned> counter{0};
    path_ /= ".new-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
    file_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    problem_ = errno;
  }
  ~NewFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  Status write(std::string_view bytes) {
    if (!file_.open()) return fail(error_of_errno(problem_, "cannot make " + path_.string()));
    return write_all(file_, bytes, path_.string());
  }
  Status keep(const fs::path& target) {
    if (::fsync(file_.get()) != 0 || ::rename(path_.c_str(), target.c_str()) != 0)
      return fail(error_of_errno(errno, "cannot make " + target.string()));
    return {};
  }

 private:
  fs::path path_;
  Descriptor file_;
  int problem_ = 0;  // why it is not open
};

// Everything that a manifest or an index names, itself included.
Status reach(const OciLayout& layout, const OciBlob& blob, int depth,
             std::set<std::string>& reached) {
  reached.insert(blob.digest);
  SERIN_TRY_ASSIGN(const std::string text, layout.text(blob));
  if (is_oci_index(blob.media_type)) {
    if (depth == kDeepestIndex) return invalid("indexes of indexes are nested too deep");
    SERIN_TRY_ASSIGN(const auto below, parse_oci_index(text));
    for (const OciBlob& one : below) {
      if (layout.has(one)) SERIN_TRY(reach(layout, one, depth + 1, reached));
    }
    return {};
  }
  SERIN_TRY_ASSIGN(const OciManifest manifest, parse_oci_manifest(text));
  reached.insert(manifest.config.digest);
  for (const OciBlob& layer : manifest.layers) reached.insert(layer.digest);
  return {};
}

// What `docker load` reads where it knows no layouts.
std::string docker_manifest(std::string_view name, const OciManifest& manifest) {
  json::array layers;
  for (const OciBlob& layer : manifest.layers) layers.emplace_back(path_below(layer));
  return canonical_json(json::array{json::object{{"Config", path_below(manifest.config)},
                                                 {"RepoTags", json::array{name}},
                                                 {"Layers", std::move(layers)}}});
}

}  // namespace

Result<OciLayout> OciLayout::open(const fs::path& place) {
  OciLayout layout(place);
  std::error_code problem;
  if (!fs::is_directory(place, problem)) {
    SERIN_TRY_ASSIGN(const Body archive, Body::file(place));
    auto files = tar_files(archive);
    if (!files) return fail(std::move(files).error().within(place.string()));
    for (const TarFile& file : *files)
      layout.inside_.insert_or_assign(file.path, archive.piece(file.offset, file.size));
  }
  SERIN_TRY(layout.check());
  return layout;
}

Result<OciLayout> OciLayout::create(const fs::path& folder) {
  OciLayout layout(folder);
  std::error_code problem;
  fs::create_directories(folder / "blobs" / "sha256", problem);
  if (problem) {
    return fail(Code::kPermissionDenied, folder.string() + " cannot be made: " + problem.message());
  }
  SERIN_TRY_ASSIGN(Descriptor blobs, open_folder(folder / "blobs" / "sha256"));
  if (::flock(blobs.get(), LOCK_SH) != 0)
    return fail(error_of_errno(errno, "cannot lock " + folder.string()));
  layout.in_use_ = std::make_shared<const Descriptor>(std::move(blobs));
  if (!fs::exists(folder / "index.json", problem))
    SERIN_TRY(layout.change_index([](json::array&) { return Status(); }));
  if (!fs::exists(folder / "oci-layout", problem))
    SERIN_TRY(write_file(folder / "oci-layout", kVersion));
  SERIN_TRY(layout.check());
  return layout;
}

Status OciLayout::check() const {
  const auto body = file("oci-layout");
  const auto text = body ? all_of(*body, 4096) : Result<std::string>(fail(body.error()));
  const auto document = text ? parse_json(*text) : Result<json::value>(fail(text.error()));
  const json::object* object = document ? document->if_object() : nullptr;
  if (object != nullptr && text_of(*object, "imageLayoutVersion").starts_with("1.")) return {};
  return invalid(place_.string() +
                 ": is no OCI image layout: `docker save` (25 and later), `podman save --format "
                 "oci-archive` and `skopeo copy … oci:FOLDER` write one");
}

Result<Body> OciLayout::file(const std::string& path) const {
  std::error_code problem;
  if (inside_.empty()) return Body::file(place_ / path);
  const auto found = inside_.find(path);
  if (found != inside_.end()) return found->second;
  return fail(Code::kNotFound, place_.string() + ": has no " + path);
}

Result<json::object> OciLayout::index() const {
  const auto broken = [this](Error error) {
    return fail(std::move(error).within((place_ / "index.json").string()));
  };
  SERIN_TRY_ASSIGN(const Body body, file("index.json"));
  const auto text = all_of(body, kLargestIndex);
  if (!text) return broken(text.error());
  const auto manifests = parse_oci_index(*text);
  if (!manifests) return broken(manifests.error());
  return parse_json(*text)->as_object();
}

Result<std::vector<OciLayout::Named>> OciLayout::names() const {
  SERIN_TRY_ASSIGN(const json::object object, index());
  SERIN_TRY_ASSIGN(std::vector<OciBlob> manifests, parse_oci_index(canonical_json(object)));
  std::vector<Named> names;
  for (OciBlob& manifest : manifests) names.push_back({name_of(manifest), std::move(manifest)});
  std::ranges::sort(names, {}, &Named::name);
  return names;
}

Result<OciBlob> OciLayout::find(std::string_view name) const {
  SERIN_TRY_ASSIGN(std::vector<Named> all, names());
  if (name.empty() && all.size() == 1) return std::move(all.front().manifest);
  std::string there;
  for (Named& one : all) {
    if (!name.empty() && one.name == name) return std::move(one.manifest);
    there += (there.empty() ? "" : ", ") + printable(one.name);
  }
  return fail(Code::kNotFound, place_.string() + ": has no image " + std::string(name) +
                                   (there.empty() ? "" : "; it has " + there));
}

fs::path OciLayout::path_of(const OciBlob& blob) const { return place_ / path_below(blob); }

bool OciLayout::has(const OciBlob& wanted) const { return blob(wanted).has_value(); }

Result<Body> OciLayout::blob(const OciBlob& blob) const {
  auto body = file(path_below(blob));
  if (!body && body.error().code == Code::kNotFound)
    return fail(Code::kNotFound, place_.string() + ": lacks " + blob.digest);
  if (!body || body->size() == blob.size) return body;
  return fail(Code::kDataLoss, place_.string() + ": " + blob.digest + " has " +
                                   std::to_string(body->size()) + " bytes, not " +
                                   std::to_string(blob.size));
}

Result<std::string> OciLayout::text(const OciBlob& named) const {
  SERIN_TRY_ASSIGN(const Body body, blob(named));
  auto text = all_of(body, kLargestManifest);
  if (!text) return fail(std::move(text).error().within(place_.string() + ": " + named.digest));
  if ("sha256:" + sha256_hex(*text) == named.digest) return text;
  return fail(Code::kDataLoss, place_.string() + ": " + named.digest + " is other bytes");
}

Result<OciDocument> OciLayout::image(const OciBlob& named) const {
  OciBlob manifest = named;
  for (int depth = 0; is_oci_index(manifest.media_type); ++depth) {
    if (depth == kDeepestIndex)
      return invalid(place_.string() + ": indexes of indexes are nested too deep");
    SERIN_TRY_ASSIGN(const std::string index, text(manifest));
    auto below = manifest_for_this_machine(index);
    if (!below) return fail(std::move(below).error().within(place_.string()));
    manifest = *std::move(below);
  }
  SERIN_TRY_ASSIGN(std::string read, text(manifest));
  return OciDocument{manifest.media_type, std::move(read)};
}

Result<OciBlob> OciLayout::add(std::string_view media_type, std::string_view bytes) {
  return add(media_type, [&](const Sink& sink) { return sink(bytes); });
}

Result<OciBlob> OciLayout::add(std::string_view media_type,
                               const std::function<Status(const Sink&)>& write) {
  OciBlob made{std::string(media_type), {}, 0, {}};
  Sha256 digest;
  NewFile file(place_ / "blobs" / "sha256");
  SERIN_TRY(write([&](std::string_view bytes) -> Status {
    digest.update(bytes);
    made.size += bytes.size();
    return file.write(bytes);
  }));
  SERIN_TRY(file.write({}));
  made.digest = "sha256:" + digest.hex();
  if (!has(made)) SERIN_TRY(file.keep(path_of(made)));
  return made;
}

Status OciLayout::fetch(const OciBlob& wanted, const ReadFrom& read, const CancelToken& cancel) {
  if (has(wanted)) return {};
  const fs::path target = path_of(wanted);
  fs::path part = target;
  part += ".part";
  SERIN_TRY_ASSIGN(const Descriptor lock, open_lock(part));
  SERIN_TRY(lock_file(lock, target.string(), cancel));
  if (has(wanted)) {  // another process was faster, and the file that we hold is the blob or
                      // nothing
    std::error_code ignored;
    fs::remove(part, ignored);
    return {};
  }
  const auto done = download(part, {{wanted.size, wanted.digest.substr(7)}}, read);
  if (!done) {
    Error error = done.error();
    return fail(std::move(error).within(wanted.digest));
  }
  std::error_code problem;
  fs::rename(part, target, problem);
  if (!problem) return {};
  return fail(Code::kUnknown, "cannot make " + target.string() + ": " + problem.message());
}

Status OciLayout::change_index(const std::function<Status(json::array& manifests)>& change) {
  SERIN_TRY_ASSIGN(const Descriptor folder, open_folder(place_));
  SERIN_TRY(lock_file(folder, place_.string(), {}));
  auto object = index();
  if (!object && object.error().code == Code::kNotFound) object = empty_index();
  if (!object) return fail(object.error());
  SERIN_TRY(change((*object)["manifests"].as_array()));
  return write_file(place_ / "index.json", canonical_json(*object));
}

Status OciLayout::name(std::string_view name, const OciBlob& manifest) {
  return change_index([&](json::array& manifests) -> Status {
    manifests = without(manifests, name);
    manifests.push_back(named_json(name, manifest));
    return {};
  });
}

Status OciLayout::unname(std::string_view name) {
  return change_index([&](json::array& manifests) -> Status {
    json::array left = without(manifests, name);
    if (left.size() == manifests.size())
      return fail(Code::kNotFound, place_.string() + ": has no image " + std::string(name));
    manifests = std::move(left);
    return {};
  });
}

Result<std::uint64_t> OciLayout::prune() {
  const fs::path folder = place_ / "blobs" / "sha256";
  SERIN_TRY_ASSIGN(const Descriptor blobs, open_folder(folder));
  if (::flock(blobs.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Code::kUnavailable, place_.string() + ": another process writes there");
  SERIN_TRY_ASSIGN(const std::vector<Named> named, names());
  std::set<std::string> reached;
  for (const Named& one : named) SERIN_TRY(reach(*this, one.manifest, 0, reached));
  std::uint64_t bytes = 0;
  std::error_code problem;
  std::vector<fs::path> going;
  const auto lately = fs::file_time_type::clock::now() - kMayGoOn;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    const std::string file = entry.path().filename().string();
    const bool cut = file.ends_with(".part") && entry.last_write_time(problem) > lately;
    if (!cut && !reached.contains("sha256:" + file)) going.push_back(entry.path());
  }
  for (const fs::path& path : going) {
    bytes += fs::file_size(path, problem);
    fs::remove(path, problem);
  }
  return bytes;
}

Status OciLayout::write_tar(const fs::path& to, std::string_view name,
                            const OciBlob& manifest) const {
  SERIN_TRY_ASSIGN(const OciDocument document, image(manifest));
  SERIN_TRY_ASSIGN(const OciManifest parsed, parse_oci_manifest(document.text));
  json::object index = empty_index();
  index["manifests"].as_array().push_back(named_json(name, document.blob()));
  std::map<std::string, OciBlob> blobs = {{document.digest(), document.blob()},
                                          {parsed.config.digest, parsed.config}};
  for (const OciBlob& layer : parsed.layers) blobs.emplace(layer.digest, layer);

  NewFile file(to.has_parent_path() ? to.parent_path() : fs::path("."));
  TarWriter tar([&](std::string_view bytes) { return file.write(bytes); });
  SERIN_TRY(tar.file("oci-layout", kVersion));
  SERIN_TRY(tar.file("index.json", canonical_json(index)));
  if (parsed.artifact_type.empty())
    SERIN_TRY(tar.file("manifest.json", docker_manifest(name, parsed)));
  SERIN_TRY(tar.folder("blobs"));
  SERIN_TRY(tar.folder("blobs/sha256"));
  for (const auto& [digest, one] : blobs) {
    SERIN_TRY_ASSIGN(const Body body, blob(one));
    SERIN_TRY(
        tar.file(path_below(one), one.size, [&body](const Sink& sink) { return body.each(sink); }));
  }
  SERIN_TRY(tar.end());
  return file.keep(to);
}

}  // namespace serin::objects
