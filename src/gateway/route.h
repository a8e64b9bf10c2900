// SPDX-License-Identifier: Apache-2.0
// Which service a request is for, as far as its head and its body say so. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http/message.h"

namespace serin::gateway {

// A service's name and, where the request pins one, a version's label.
struct Name {
  std::string service;
  std::string version;  // empty: the split decides
};

// "NAME" or "NAME:VERSION".
Name parse_name(std::string_view text);

struct HeadRoute {
  std::optional<Name> name;  // unset: the head does not say
  std::string target;        // what the worker is asked for
};

// In this order: the header Serin-Service; the path /services/NAME/rest, of which the worker sees
// the rest; /v2/models/NAME… and /v1/models/NAME….
HeadRoute route_by_head(const net::RequestHead& head);

// The path of what workers answer, without the names in it: "/v1/videos/{id}". Empty for other
// paths, so that there are few of them.
std::string_view route_template(std::string_view target);

// The same target for another service, where its path names one.
std::string target_for(std::string_view target, std::string_view service);

// The name of the model in the first message of a gRPC call (KServe's messages have it as field 1,
// and the version as field 2), from as much of the body as has come.
struct GrpcName {
  bool known = false;  // false: more bytes are needed
  Name name;           // empty where the message has none
};
GrpcName grpc_name(std::string_view bytes, bool whole);

// Whether a body is the one message of a gRPC call, with its prefix, not compressed and not cut.
bool is_whole_grpc_message(std::string_view body);
// Such a message with further fields at its end. Any other body is left as it is: who reads it is
// to see what is wrong with it.
std::string with_grpc_fields(std::string_view body, std::string_view fields);
// The same with another model's name, of no version in particular.
std::string with_grpc_name(std::string_view body, std::string_view name);

// Whether its answer, when it is streamed, is tokens of a text in OpenAI's chunks.
bool streams_text(const net::RequestHead& head, std::string_view target);
// Whether sending it twice makes nothing twice: everything but what makes or removes a stored job.
bool repeatable(const net::RequestHead& head, std::string_view target);

}  // namespace serin::gateway
