// SPDX-License-Identifier: Apache-2.0
// From a URL to a store. The one list of the schemes there are.
//
//   file:///srv/backups                     a folder of this machine
//   s3://BUCKET[/PREFIX]                    s3_settings.h says where credentials come from
//   azblob://ACCOUNT/CONTAINER[/PREFIX]     azure_settings.h
//
// The text after the authority is taken as it stands: nothing in it is escaped. oci:// is no store
// (oci_registry.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/http.h"
#include "objects/object_store.h"

namespace serin::objects {

// Asks nothing of the network. kInvalidArgument for a URL that is none of these, kNotFound for a
// folder that is not there.
Result<std::unique_ptr<ObjectStore>> open_store(
    std::string_view url, const Environment& environment = process_environment());

// "s3://bucket/models/glyphs.serin" is the object "models/glyphs.serin" of the store "s3://bucket".
// kInvalidArgument when the URL names no object. Pure.
struct ObjectLocation {
  std::string store, key;
};
Result<ObjectLocation> parse_object_url(std::string_view url);

}  // namespace serin::objects
