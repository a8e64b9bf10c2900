// SPDX-License-Identifier: Apache-2.0
// Azure Blob Storage: block blobs of one container. Large objects go in blocks that become visible
// by one list; blocks that a killed process leaves are never visible, and Azure drops them after a
// week.
#pragma once

#include <memory>
#include <string>

#include "objects/azure_settings.h"
#include "objects/http.h"
#include "objects/object_store.h"
#include "objects/retry.h"

namespace serin::objects {

struct AzureContainer {
  std::string account, container;
  std::string prefix;  // keys of the store are names below it
};

// Asks nothing of the network yet.
Result<std::unique_ptr<ObjectStore>> create_azure_store(const AzureContainer& container,
                                                        AzureSettings settings,
                                                        const HttpOptions& http,
                                                        const RetryPolicy& retry);

}  // namespace serin::objects
