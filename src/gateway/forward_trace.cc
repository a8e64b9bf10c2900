// SPDX-License-Identifier: Apache-2.0
// The spans of a request: one for all of it, and below that one for each try and each copy, whose
// context the worker is given (telemetry/http_spans.h has OpenTelemetry's names).
#include <utility>

#include "gateway/forward.h"
#include "telemetry/http_spans.h"

namespace serin::gateway {

void Forward::begin_span() {
  const auto route = core_.tracer.recording() ? route_template(route_.target) : std::string_view();
  span_ = telemetry::start_server_span(core_.tracer, exchange_->head(), route);
}

void Forward::end_span(const TryEnd& tried) {
  if (!span_.recording()) return;
  span_.set("serin.request_id", request_id_);
  span_.set("serin.end", std::string(name_of(tried.end)));
  if (home_ != nullptr) {
    span_.set("serin.service", home_->name);
    span_.set("serin.version", assigned_version_->label);
    span_.set("serin.arm",
              std::string(assignment_.arm == rollout::Arm::kCandidate ? "candidate" : "stable"));
  }
  if (retries_ > 0) span_.set("serin.retries", std::int64_t{retries_});
  // A stream's status was told before it broke.
  if (tried.end == End::kBroken || tried.end == End::kDeadline) span_.fail(name_of(tried.end));
  telemetry::end_server_span(span_, status_);
}

// Why the next try is made.
std::string_view Forward::kind_of_try() const {
  if (started_) return "continuation";
  if (!is_assigned_version()) return "fallback";
  return retries_ > 0 ? "retry" : "first";
}

telemetry::Span Forward::span_below() const {
  const auto route = span_.recording() ? route_template(route_.target) : std::string_view();
  return telemetry::start_client_span(core_.tracer, span_.context(), exchange_->head(), route);
}

// `kind`: as Serin-Copy tells the worker.
telemetry::Span Forward::span_of_copy(const ServiceEntry& service, const VersionEntry& version,
                                      std::string_view kind) const {
  telemetry::Span span = span_below();
  if (!span.recording()) return span;
  span.set("serin.copy", std::string(kind));
  span.set("serin.service", service.name);
  span.set("serin.version", version.label);
  return span;
}

telemetry::Span Forward::span_of_try(const ReplicaEntry& replica, std::string_view kind) const {
  telemetry::Span span = span_below();
  if (!span.recording()) return span;
  telemetry::set_server(span, *replica.endpoint);
  span.set("serin.try", std::string(kind));
  span.set("serin.version", version_->label);
  span.set("serin.replica", replica.id);
  if (retries_ > 0) span.set("http.request.resend_count", std::int64_t{retries_});
  return span;
}

void Forward::end_span_of_try(const TryEnd& tried) {
  const bool whole = tried.end == End::kAnswer;
  telemetry::end_client_span(try_span_, tried.status, whole ? "" : name_of(tried.end));
}

}  // namespace serin::gateway
