// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "objects/oci_login.h"
#include "objects/oci_manifest.h"
#include "objects/xml.h"

// Whatever a store or a registry sends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin::objects;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_store_error(text);
  (void)parse_upload_id(text);
  (void)parse_sts_credentials(text);
  for (const auto& page : {parse_s3_listing(text), parse_azure_listing(text)}) {
    if (!page) continue;
    for (const ObjectInfo& object : page->objects) {
      if (!check_key(object.key)) __builtin_trap();
    }
  }
  (void)parse_oci_manifest(text);
  (void)manifest_for_this_machine(text);
  (void)login_in(text, {"docker.io", "library/a", "b", ""});
  (void)login_of_helper(text);
  (void)parse_bearer_challenge(text);
  return 0;
}
