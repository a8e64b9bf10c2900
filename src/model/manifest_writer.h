// SPDX-License-Identifier: Apache-2.0
// model.yaml as text, in the form that docs/package-format.md shows. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "model/manifest.h"

namespace serin::model {

// Remarks by the place that they stand above: "inputs[1]", "outputs". One '#' line for each line of
// the remark.
using Remarks = std::map<std::string, std::string, std::less<>>;

// A text that parse_draft reads back as `manifest` (parse_manifest, when it lists its files).
// Requests of golden samples are written as JSON, which YAML contains.
std::string write_manifest(const Manifest& manifest, const Remarks& remarks = {});

// `text` as YAML reads it back: plain where that is safe, else in double quotes.
std::string yaml_scalar(std::string_view text);

// "- {path: model.pt, size: 1, sha256: …}" with each line after `indent`.
std::string write_files(const std::vector<FileEntry>& files, std::string_view indent = "");

}  // namespace serin::model
