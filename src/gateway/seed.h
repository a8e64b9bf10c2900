// SPDX-License-Identifier: Apache-2.0
// Where a generation's seed stands in a request of each API, and putting one there where the client
// gave none: so every try, copy and hedge of a request gives the same answer. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/body_fields.h"
#include "net/http/message.h"

namespace serin::gateway {

enum class SeedPlace : std::uint8_t {
  kNone,
  kTop,         // a field of the JSON body
  kParameters,  // a field of its `parameters`: the Open Inference Protocol
  kGrpc,        // the same over gRPC
};
SeedPlace seed_place(const net::RequestHead& head, std::string_view target);

// A JSON body with the seed. nullopt: it has one, or is malformed.
std::optional<std::string> seeded(std::string_view body, const BodyFields& fields, SeedPlace place,
                                  std::uint64_t seed);
// The same of KServe's ModelInfer, one message with its prefix; of a compressed one always nullopt.
std::optional<std::string> seeded_grpc(std::string_view body, std::uint64_t seed);

// Of a v2 body that tensors follow in binary, so many bytes are JSON: the field that says so, when
// the JSON is longer by `more`. Empty: there is no such field, or it is no number.
std::string json_length(const net::Headers& headers, std::size_t more);

}  // namespace serin::gateway
