// SPDX-License-Identifier: Apache-2.0
// Whether the sections of a manifest fit together: names that refer to each other, dtypes, shapes.
// Pure.
#pragma once

#include "model/manifest.h"
#include "model/manifest_reader.h"

namespace serin::model {

// Adds the first contradiction, in the order of the sections.
void check_references(const Manifest& manifest, Problems& problems);

// Who wrote `files`: nobody yet, somebody some time ago, or the sealing just now, from the folder.
enum class FileList { kNone, kWritten, kFresh };

// Those with files: that what is named is listed. What a fresh list lacks does not exist.
void check_files(const Manifest& manifest, FileList list, Problems& problems);

}  // namespace serin::model
