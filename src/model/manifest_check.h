// SPDX-License-Identifier: Apache-2.0
// Whether the sections of a manifest fit together: names that refer to each other, dtypes, shapes.
// Pure.
#pragma once

#include "model/manifest.h"
#include "model/manifest_reader.h"

namespace serin::model {

// Adds the first contradiction, in the order of the sections.
void check_references(const Manifest& manifest, Problems& problems);

// Those with files: that what is named is listed. Apart, since a draft has no list yet.
void check_files(const Manifest& manifest, Problems& problems);

}  // namespace serin::model
