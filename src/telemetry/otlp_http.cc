// SPDX-License-Identifier: Apache-2.0
#include "telemetry/otlp_http.h"

#include <utility>

#include "net/http/client.h"
#include "net/http/uri.h"

namespace serin::telemetry {
namespace {

Status post(net::Client& client, const std::string& url, const std::string& body) {
  net::ClientRequest request;
  request.url = url;
  request.method = "POST";
  request.headers.add("content-type", "application/json");
  request.body = body;
  request.timeout = std::chrono::seconds(10);
  SERIN_TRY_ASSIGN(const auto response, client.fetch(std::move(request)));
  if (response.status < 300) return {};
  return fail(Code::kUnavailable, "the collector answered " + std::to_string(response.status));
}

}  // namespace

Tracing::Tracing(std::unique_ptr<OtlpExporter> exporter, const Clock& clock, double share)
    : exporter_(std::move(exporter)), tracer_(exporter_.get(), clock, share) {}

Result<std::unique_ptr<Tracing>> Tracing::create(const TracingOptions& options, Attributes resource,
                                                 const Clock& clock) {
  std::unique_ptr<OtlpExporter> exporter;
  if (!options.endpoint.empty()) {
    const auto url = net::parse_url(options.endpoint);
    if (!url) return fail(Error(url.error()).within("the collector"));
    SERIN_TRY_ASSIGN(auto made, net::Client::create());
    OtlpOptions otlp;
    otlp.endpoint = options.endpoint;
    otlp.resource = std::move(resource);
    exporter = std::make_unique<OtlpExporter>(
        std::move(otlp),
        [client = std::shared_ptr<net::Client>(std::move(made))](
            const std::string& to, const std::string& body) { return post(*client, to, body); });
  }
  return std::unique_ptr<Tracing>(new Tracing(std::move(exporter), clock, options.share));
}

void Tracing::measure(Registry& registry) const {
  if (exporter_ == nullptr) return;
  const OtlpExporter* exporter = exporter_.get();
  registry.counter_read_by("serin_spans_sent_total", "Spans that the collector took.", {},
                           [exporter] { return exporter->sent(); });
  registry.counter_read_by("serin_spans_dropped_total",
                           "Spans that the collector did not take, or there was no room for.", {},
                           [exporter] { return exporter->dropped(); });
}

}  // namespace serin::telemetry
