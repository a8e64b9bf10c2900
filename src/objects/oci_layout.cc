// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>

#include "base/digest.h"
#include "base/files.h"
#include "base/json_members.h"
#include "base/words.h"
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

std::string path_below(const OciBlob& blob) { return "blobs/sha256/" + blob.digest.substr(7); }

Result<Descriptor> open_folder(const fs::path& folder) {
  Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.open()) return fail(error_of_errno(errno, "cannot open " + folder.string()));
  return opened;
}

// A new file that becomes another one, or goes. Its name is random: processes of several
// containers may share a folder, and have the same numbers.
class NewFile {
 public:
  static Result<NewFile> create(const fs::path& folder) {
    fs::path path = folder / (".new-" + random_id());
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file.open()) return fail(error_of_errno(errno, "cannot make " + path.string()));
    return NewFile(std::move(path), std::move(file));
  }
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (file_.open()) ::unlink(path_.c_str());
  }

  Status write(std::string_view bytes) { return write_all(file_, bytes, path_.string()); }
  Status keep(const fs::path& target) {
    if (::fsync(file_.get()) != 0 || ::rename(path_.c_str(), target.c_str()) != 0)
      return fail(error_of_errno(errno, "cannot make " + target.string()));
    file_ = Descriptor();
    return {};
  }

 private:
  NewFile(fs::path path, Descriptor file) : path_(std::move(path)), file_(std::move(file)) {}

  fs::path path_;
  Descriptor file_;  // open until it is kept
};

Error error_of(std::error_code problem, const std::string& what) {
  return error_of_errno(problem.value(), what);
}

bool is_at(const Descriptor& file, const fs::path& path) {
  struct stat own{}, there{};
  return ::fstat(file.get(), &own) == 0 && ::stat(path.c_str(), &there) == 0 &&
         own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

// The file of that name, made when it is missing, as ours alone. Whoever had it before us may have
// renamed or removed what we waited for; then the name is another file's, or nobody's.
Result<Descriptor> lock_name(const fs::path& path, const CancelToken& cancel) {
  for (;;) {
    SERIN_TRY_ASSIGN(Descriptor file, open_lock(path));
    SERIN_TRY(lock_file(file, path.string(), cancel));
    if (is_at(file, path)) return file;
  }
}

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

// The files of blobs but for those that are reached and for fetches that may go on.
Result<std::vector<fs::path>> files_without(const fs::path& folder,
                                            const std::set<std::string>& reached) {
  std::vector<fs::path> files;
  std::error_code problem, ignored;
  const auto lately = fs::file_time_type::clock::now() - kMayGoOn;
  for (fs::directory_iterator at(folder, problem), end; !problem && at != end;
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    const bool cut = name.ends_with(".part") && at->last_write_time(ignored) > lately;
    if (!cut && !reached.contains("sha256:" + name) && at->is_regular_file(ignored))
      files.push_back(at->path());
  }
  if (problem) return fail(error_of(problem, "cannot read " + folder.string()));
  return files;
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

// index.json, and what its manifests are, in their order.
struct OciLayout::Index {
  json::object document;
  std::vector<OciBlob> manifests;

  const json::array& listed() const { return document.at("manifests").as_array(); }
  json::array without(std::string_view name) const {
    json::array left;
    for (std::size_t i = 0; i < manifests.size(); ++i) {
      if (name_of(manifests[i]) != name) left.push_back(listed()[i]);
    }
    return left;
  }
  static Result<Index> read(const Body& body) {
    SERIN_TRY_ASSIGN(const std::string text, body.text(kLargestIndex));
    SERIN_TRY_ASSIGN(json::value document, parse_json(text));
    if (!document.is_object()) return invalid("is no JSON object");
    SERIN_TRY_ASSIGN(std::vector<OciBlob> manifests, read_oci_index(document.as_object()));
    return Index{std::move(document.as_object()), std::move(manifests)};
  }
};

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
  if (problem) return fail(error_of(problem, "cannot make " + folder.string()));
  SERIN_TRY_ASSIGN(Descriptor blobs, open_folder(folder / "blobs" / "sha256"));
  if (::flock(blobs.get(), LOCK_SH) != 0)
    return fail(error_of_errno(errno, "cannot lock " + folder.string()));
  layout.in_use_ = std::make_shared<const Descriptor>(std::move(blobs));
  if (!fs::exists(folder / "index.json", problem))
    SERIN_TRY(layout.change_index([](const Index& index) { return index.listed(); }));
  if (!fs::exists(folder / "oci-layout", problem))
    SERIN_TRY(write_file(folder / "oci-layout", kVersion));
  SERIN_TRY(layout.check());
  return layout;
}

Status OciLayout::check() const {
  constexpr std::uint64_t kLargest = 4096;
  const auto body = file("oci-layout");
  if (!body && body.error().code != Code::kNotFound) return fail(body.error());
  const auto text = body ? body->text(kLargest) : Result<std::string>(std::string());
  if (!text && text.error().code != Code::kOutOfRange) return fail(text.error());
  const json::value document = parse_json(text.value_or("")).value_or(nullptr);
  if (text_of(member(document, "imageLayoutVersion")).starts_with("1.")) return {};
  return invalid(place_.string() +
                 ": is no OCI image layout: `docker save` (25 and later), `podman save --format "
                 "oci-archive` and `skopeo copy … oci:FOLDER` write one");
}

Result<Body> OciLayout::file(const std::string& path) const {
  if (inside_.empty()) return Body::file(place_ / path);
  const auto found = inside_.find(path);
  if (found != inside_.end()) return found->second;
  return fail(Code::kNotFound, place_.string() + ": has no " + path);
}

Result<OciLayout::Index> OciLayout::index() const {
  SERIN_TRY_ASSIGN(const Body body, file("index.json"));
  auto index = Index::read(body);
  if (!index) return fail(std::move(index).error().within((place_ / "index.json").string()));
  return index;
}

Result<std::vector<OciLayout::Named>> OciLayout::names() const {
  SERIN_TRY_ASSIGN(Index read, index());
  std::vector<Named> names;
  for (OciBlob& manifest : read.manifests)
    names.push_back({name_of(manifest), std::move(manifest)});
  std::ranges::sort(names, {}, &Named::name);
  return names;
}

Result<OciBlob> OciLayout::find(std::string_view name) const {
  SERIN_TRY_ASSIGN(std::vector<Named> all, names());
  if (name.empty() && all.size() == 1) return std::move(all.front().manifest);
  std::vector<std::string> there;
  for (Named& one : all) {
    if (!name.empty() && one.name == name) return std::move(one.manifest);
    there.push_back(one.name.empty() ? "one without a name" : printable(one.name));
  }
  const std::string wanted =
      name.empty() ? "must have one image alone" : "has no image " + std::string(name);
  return fail(Code::kNotFound, place_.string() + ": " + wanted + "; " + there_are(there));
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
  auto text = body.text(kLargestManifest);
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
  SERIN_TRY_ASSIGN(NewFile file, NewFile::create(place_ / "blobs" / "sha256"));
  SERIN_TRY(write([&](std::string_view bytes) -> Status {
    digest.update(bytes);
    made.size += bytes.size();
    return file.write(bytes);
  }));
  made.digest = "sha256:" + digest.hex();
  if (!has(made)) SERIN_TRY(file.keep(path_of(made)));
  return made;
}

Status OciLayout::fetch(const OciBlob& wanted, const ReadFrom& read, const CancelToken& cancel) {
  if (has(wanted)) return {};
  const fs::path target = path_of(wanted);
  fs::path part = target;
  part += ".part";
  SERIN_TRY_ASSIGN(const Descriptor lock, lock_name(part, cancel));
  std::error_code problem;
  if (has(wanted)) {  // another process was faster, and what we hold is a new file
    fs::remove(part, problem);
    return {};
  }
  auto done = download(part, {{wanted.size, wanted.digest.substr(7)}}, read);
  if (!done) return fail(std::move(done).error().within(wanted.digest));
  fs::rename(part, target, problem);
  if (problem) return fail(error_of(problem, "cannot make " + target.string()));
  return {};
}

Status OciLayout::change_index(
    const std::function<Result<json::array>(const Index& index)>& change) {
  SERIN_TRY_ASSIGN(const Descriptor folder, open_folder(place_));
  SERIN_TRY(lock_file(folder, place_.string(), {}));
  auto now = index();
  if (!now && now.error().code == Code::kNotFound) now = Index{empty_index(), {}};
  if (!now) return fail(now.error());
  SERIN_TRY_ASSIGN(now->document["manifests"], change(*now));
  return write_file(place_ / "index.json", canonical_json(now->document));
}

Status OciLayout::name(std::string_view name, const OciBlob& manifest) {
  return change_index([&](const Index& index) {
    json::array manifests = index.without(name);
    manifests.push_back(named_json(name, manifest));
    return manifests;
  });
}

Status OciLayout::unname(std::string_view name) {
  return change_index([&](const Index& index) -> Result<json::array> {
    json::array left = index.without(name);
    if (left.size() < index.manifests.size()) return left;
    return fail(Code::kNotFound, place_.string() + ": has no image " + std::string(name));
  });
}

Result<std::uint64_t> OciLayout::prune() {
  const fs::path folder = place_ / "blobs" / "sha256";
  SERIN_TRY_ASSIGN(const Descriptor blobs, open_folder(folder));
  if (::flock(blobs.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return fail(Code::kUnavailable, place_.string() + ": another process writes there");
    return fail(error_of_errno(errno, "cannot lock " + folder.string()));
  }
  SERIN_TRY_ASSIGN(const std::vector<Named> named, names());
  std::set<std::string> reached;
  for (const Named& one : named) SERIN_TRY(reach(*this, one.manifest, 0, reached));
  SERIN_TRY_ASSIGN(const std::vector<fs::path> going, files_without(folder, reached));
  std::uint64_t bytes = 0;
  for (const fs::path& path : going) {
    std::error_code problem;
    const std::uint64_t size = fs::file_size(path, problem);
    if (!problem) fs::remove(path, problem);
    if (problem) return fail(error_of(problem, "cannot remove " + path.string()));
    bytes += size;
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

  SERIN_TRY_ASSIGN(NewFile file,
                   NewFile::create(to.has_parent_path() ? to.parent_path() : fs::path(".")));
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
