// SPDX-License-Identifier: Apache-2.0
#include "objects/oci_copy.h"

namespace serin::objects {
namespace {

// What a manifest names, the config first.
std::vector<OciBlob> blobs_of(const OciManifest& manifest) {
  std::vector<OciBlob> blobs = {manifest.config};
  blobs.insert(blobs.end(), manifest.layers.begin(), manifest.layers.end());
  return blobs;
}

// Adds up what each blob's reader gives.
class Count {
 public:
  Count(const std::vector<OciBlob>& blobs, const CopyProgress& progress) : progress_(progress) {
    for (const OciBlob& blob : blobs) total_ += blob.size;
  }
  void add(std::uint64_t bytes) { progress_(done_ += bytes, total_); }
  void blob_is_there(std::uint64_t before, std::uint64_t size) {
    done_ = before + size;
    progress_(done_, total_);
  }
  std::uint64_t done() const { return done_; }

 private:
  const CopyProgress& progress_;
  std::uint64_t done_ = 0, total_ = 0;
};

Status fetch_all(const OciManifest& manifest, OciLayout& to, const CopyProgress& progress,
                 const CancelToken& cancel,
                 const std::function<Status(const OciBlob&, std::uint64_t, const Sink&)>& read) {
  const std::vector<OciBlob> blobs = blobs_of(manifest);
  Count count(blobs, progress);
  for (const OciBlob& blob : blobs) {
    const std::uint64_t before = count.done();
    const ReadFrom from = [&](std::uint64_t offset, const Sink& sink) {
      count.add(offset);
      return read(blob, offset, [&](std::string_view bytes) -> Status {
        SERIN_TRY(sink(bytes));
        count.add(bytes.size());
        return {};
      });
    };
    SERIN_TRY(to.fetch(blob, from, cancel));
    count.blob_is_there(before, blob.size);
  }
  return {};
}

}  // namespace

Result<OciBlob> pull_image(OciRegistry& from, OciLayout& to, const CopyProgress& progress,
                           const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(const OciDocument document, from.pull_image(cancel));
  auto manifest = parse_oci_manifest(document.text);
  if (!manifest) return fail(std::move(manifest).error().within(from.reference().text()));
  SERIN_TRY(fetch_all(*manifest, to, progress, cancel,
                      [&](const OciBlob& blob, std::uint64_t offset, const Sink& sink) {
                        return from.pull_blob(blob, offset, sink, cancel);
                      }));
  return to.add(document.media_type, document.text);
}

Result<OciBlob> copy_image(const OciLayout& from, const OciBlob& image, OciLayout& to,
                           const CancelToken& cancel) {
  SERIN_TRY_ASSIGN(const OciDocument document, from.image(image));
  SERIN_TRY_ASSIGN(const OciManifest manifest, parse_oci_manifest(document.text));
  SERIN_TRY(fetch_all(
      manifest, to, [](auto, auto) {}, cancel,
      [&](const OciBlob& blob, std::uint64_t offset, const Sink& sink) -> Status {
        SERIN_TRY_ASSIGN(const Body body, from.blob(blob));
        return body.piece(offset, body.size() - offset).each(sink);
      }));
  return to.add(document.media_type, document.text);
}

Result<std::string> push_image(const OciLayout& from, const OciBlob& image, OciRegistry& to,
                               const CopyProgress& progress, const CancelToken& cancel) {
  const OciReference& reference = to.reference();
  if (!reference.digest.empty())
    return invalid(reference.text() + " names a digest; name a tag to push to");
  SERIN_TRY_ASSIGN(const OciDocument document, from.image(image));
  SERIN_TRY_ASSIGN(const OciManifest manifest, parse_oci_manifest(document.text));
  const std::vector<OciBlob> blobs = blobs_of(manifest);
  Count count(blobs, progress);
  for (const OciBlob& blob : blobs) {
    SERIN_TRY_ASSIGN(const Body body, from.blob(blob));
    SERIN_TRY(to.push_blob(blob, body, cancel));
    count.add(blob.size);
  }
  SERIN_TRY(to.push_document(reference.tag, document, cancel));
  return document.digest();
}

}  // namespace serin::objects
