// SPDX-License-Identifier: Apache-2.0
// A package on disk, opened and checked. What it holds is untrusted until open_package() has
// returned, and its bytes until check_digests() has. A value; the files stay where they are, and
// whoever may write to the folder may change them later: check_unchanged() says whether somebody
// did.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "model/folder.h"
#include "model/manifest.h"

namespace serin::model {

struct Package {
  std::filesystem::path root;
  std::string digest;  // "sha256:…"
  Manifest manifest;
  std::string manifest_sha256;  // of model.yaml as it was read, in hexadecimal
  std::vector<Stamp> stamps;    // taken before anything was read

  std::filesystem::path file(std::string_view relative) const { return root / relative; }
};

enum class Verify {
  kStructure,  // model.yaml, sizes, no strangers, no links: no file is read
  kDigests,    // and every byte against its SHA-256
};

// Refuses links, absolute and climbing paths, files that model.yaml does not list, and special
// files. Blocks while it reads. kNotFound without a model.yaml; kInvalidArgument for what is wrong
// in it or in the folder; kDataLoss for a file that is missing or not the listed bytes.
Result<Package> open_package(const std::filesystem::path& root, Verify how);

// Every listed file against its SHA-256, for a package that was opened with kStructure: kDataLoss,
// naming the first that differs. Blocks while it reads; any thread.
Status check_digests(const Package& package);

// Whether what was read by path since the package was opened is what lay there then: kDataLoss,
// naming what was written, replaced, renamed, added or removed meanwhile.
Status check_unchanged(const Package& package);

// A package as it will be once it is sealed.
struct Sealing {
  Package package;   // without stamps
  std::string yaml;  // its model.yaml: the list of files, with their sizes and digests, is put into
                     // the text, and the rest, comments too, is as its author wrote it
};
// Writes nothing. Blocks while it reads every file. kInvalidArgument when what model.yaml says is
// wrong.
Result<Sealing> prepare_seal(const std::filesystem::path& root);
// Writes model.yaml, and opens the package.
Result<Package> finish_seal(const Sealing& sealing);
// Both.
Result<Package> seal_package(const std::filesystem::path& root);

// `yaml` with its `files` replaced, or put after `model` where there is none.
Result<std::string> replace_files(std::string_view yaml, const std::vector<FileEntry>& files);
// `yaml` with its `golden` replaced, or put at its end; comments inside the old one go with it.
Result<std::string> replace_golden(std::string_view yaml, const std::vector<Golden>& golden);

}  // namespace serin::model
