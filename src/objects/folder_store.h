// SPDX-License-Identifier: Apache-2.0
// Objects as files below one folder of this machine (or of a shared file system with working
// locks). What is written goes to .serin/tmp first, reaches the disk, and then takes its name in
// one step; writers of one key exclude each other by a lock below .serin/lock, readers need none.
// No path is followed out of the folder, through a link or otherwise. An etag is the SHA-256 of the
// content. "a" and "a/b" cannot both be objects here: the second is kFailedPrecondition.
#pragma once

#include <filesystem>
#include <memory>

#include "objects/object_store.h"

namespace serin::objects {

// The folder must exist; kNotFound otherwise. Nothing is written before the first put.
Result<std::unique_ptr<ObjectStore>> create_folder_store(const std::filesystem::path& root);

}  // namespace serin::objects
