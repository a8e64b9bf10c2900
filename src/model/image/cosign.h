// SPDX-License-Identifier: Apache-2.0
// Signatures of images as cosign writes and reads them beside an image in its registry: an image
// tagged sha256-HEX.sig, each layer a "simple signing" statement that names the signed digest, its
// signature an annotation. Block while they speak with the registry.
#pragma once

#include <string>
#include <string_view>

#include "model/dsse.h"
#include "objects/oci_registry.h"

namespace serin::model {

// The tag of an image's signatures.
std::string signature_tag(std::string_view digest);
// What is signed: that an image of this repository has this digest.
std::string signed_statement(std::string_view repository, std::string_view digest);
// kInvalidArgument or kDataLoss when it is no such statement, or of another image.
Status check_statement(std::string_view statement, std::string_view digest);

// Adds a signature of what has `digest` in the registry's repository; where the key has signed it
// already, nothing. kInvalidArgument for a key that is not on P-256, and what asking the registry
// ended with: a signature is not written where it is not known whether there is one.
Status sign_image(objects::OciRegistry& registry, const std::string& digest, const SigningKey& key,
                  const CancelToken& cancel);

// Who signed it. kPermissionDenied where nobody did whom `trust` knows, whatever else is there
// instead; other errors are those of asking.
Result<std::string> verify_image(objects::OciRegistry& registry, const std::string& digest,
                                 const Trust& trust, const CancelToken& cancel);

}  // namespace serin::model
