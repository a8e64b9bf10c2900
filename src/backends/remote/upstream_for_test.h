// SPDX-License-Identifier: Apache-2.0
// For tests of the remote backend: a server of the Open Inference Protocol v2 with the models that
// the contract suite knows, affine, counter and identity, which compute what those of
// testdata/make_*.py compute.
#pragma once

#include "net/http/server.h"

namespace serin::backends {

// How a server speaks: with binary tensors and metadata of everything, as Triton; or in JSON,
// knowing its inputs alone.
enum class Form { kBinary, kJson };

// For a net::Server. Holds nothing: any number may serve at once.
net::Handler upstream_handler(Form form);

}  // namespace serin::backends
