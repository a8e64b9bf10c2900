// SPDX-License-Identifier: Apache-2.0
// Whole images and artifacts between registries and layouts. What is at the other side already is
// not moved again, so a copy that was cut goes on; a name is given last of all. Block.
#pragma once

#include <functional>

#include "base/cancel.h"
#include "objects/oci_layout.h"
#include "objects/oci_registry.h"

namespace serin::objects {

// How far all of it has come, now and then, on the calling thread.
using CopyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Into `to`, where it has no name yet; gives its manifest. Of an index, the image for this machine.
// Every byte is compared with its digest.
Result<OciBlob> pull_image(OciRegistry& from, OciLayout& to, const CopyProgress& progress,
                           const CancelToken& cancel);
// The same between layouts.
Result<OciBlob> copy_image(const OciLayout& from, const OciBlob& image, OciLayout& to,
                           const CancelToken& cancel);
// Makes the tag of the registry's reference point to it; gives its digest.
Result<std::string> push_image(const OciLayout& from, const OciBlob& image, OciRegistry& to,
                               const CopyProgress& progress, const CancelToken& cancel);

}  // namespace serin::objects
