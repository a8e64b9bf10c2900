// SPDX-License-Identifier: Apache-2.0
// Spans of HTTP requests under OpenTelemetry's names
// (https://opentelemetry.io/docs/specs/semconv/http/http-spans/), gRPC's where it is gRPC. What
// comes from the network is cut and made printable. From any thread; a span that does not record
// costs nothing more.
#pragma once

#include <cstdint>
#include <string_view>

#include "net/http/message.h"
#include "net/http/uri.h"
#include "telemetry/trace.h"

namespace serin::telemetry {

// Of a request that a client sent; its trace goes on with it, or begins. `route`: the path with the
// names in it left out, "/v1/videos/{id}"; empty: not known.
Span start_server_span(const Tracer& tracer, const net::RequestHead& head, std::string_view route);
// The answer's status. A server has failed from 500 on: the client's mistakes are none of its own.
void end_server_span(Span& span, std::uint16_t status);

// Of a request that is sent on because of `cause`.
Span start_client_span(const Tracer& tracer, const SpanContext& cause, const net::RequestHead& head,
                       std::string_view route);
// To whom, once that is known.
void set_server(Span& span, const net::Endpoint& to);
// A client has failed from 400 on, and where there was no whole answer: `error` says why; empty:
// there was one.
void end_client_span(Span& span, std::uint16_t status, std::string_view error);

}  // namespace serin::telemetry
