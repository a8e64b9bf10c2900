// SPDX-License-Identifier: Apache-2.0
// Where an Azure Blob store is and who we are there, as Azure's own tools find it; and Shared Key,
// the signature of its requests. Pure but for the environment that is passed in.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "objects/http.h"

namespace serin::objects {

struct AzureSettings {
  std::string endpoint =
      {};  // scheme://host[:port][/path]; empty: https://ACCOUNT.blob.core.windows.net
  std::string key = {};  // Shared Key, decoded; or
  std::string sas = {};  // a shared access signature, without '?'; or neither, for public ones
  // Objects larger than this are put in blocks of at least this size.
  std::uint64_t block_bytes = std::uint64_t{32} << 20;
};

// AZURE_STORAGE_CONNECTION_STRING (AccountName, AccountKey, SharedAccessSignature, BlobEndpoint),
// or AZURE_STORAGE_KEY, or AZURE_STORAGE_SAS_TOKEN; AZURE_STORAGE_BLOB_ENDPOINT for emulators.
// `account` is the URL's; a connection string or AZURE_STORAGE_ACCOUNT of another account is
// kInvalidArgument.
Result<AzureSettings> azure_settings_from(const Environment& environment, std::string_view account);

// The value of the Authorization header for a request whose URL is `endpoint` + path + query, as
// "Authorize with Shared Key" of Azure's documentation says. Every x-ms- header must be there
// already.
std::string azure_authorization(const HttpRequest& request, std::string_view account,
                                std::string_view key);

}  // namespace serin::objects
