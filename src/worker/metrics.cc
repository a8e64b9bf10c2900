// SPDX-License-Identifier: Apache-2.0
#include "worker/metrics.h"

namespace serin::worker {

using telemetry::Buckets;

Metrics::Metrics(const std::string& service, const std::string& version, const std::string& package)
    : registry_({{"serin_service", service}, {"serin_version", version}}),
      queue_(registry_.histogram("serin_request_queue_seconds",
                                 "Time from admission to the first call of the model.",
                                 Buckets::seconds())),
      time_to_first_token_(registry_.histogram("gen_ai_server_time_to_first_token_seconds",
                                               "Time from the request to its first token.",
                                               Buckets::seconds())),
      time_per_output_token_(registry_.histogram("gen_ai_server_time_per_output_token_seconds",
                                                 "Time between two tokens of one answer.",
                                                 Buckets::token_seconds())),
      batch_rows_(registry_.histogram("serin_batch_rows", "Requests in one call of the model.",
                                      Buckets::sizes())),
      step_seconds_(registry_.histogram("serin_step_seconds", "Time of one call of the model.",
                                        Buckets::token_seconds())),
      padded_rows_(registry_.counter("serin_batch_padded_rows_total",
                                     "Rows that were computed only to fill a batch.")),
      prompt_tokens_(registry_.counter("serin_tokens_total", "Tokens read and written.",
                                       {{"gen_ai_token_type", "input"}})),
      completion_tokens_(registry_.counter("serin_tokens_total", "Tokens read and written.",
                                           {{"gen_ai_token_type", "output"}})),
      cancelled_(registry_.counter("serin_requests_cancelled_total",
                                   "Requests whose client went away before the answer.")) {
  registry_
      .gauge("serin_package_info", "The package that is served; always 1.", {{"digest", package}})
      .set(1);
}

RouteMetrics::RouteMetrics(telemetry::Registry& registry, std::string route)
    : registry_(&registry),
      route_(std::move(route)),
      duration_(registry.histogram("gen_ai_server_request_duration_seconds",
                                   "Time from a request's head to the end of its answer.",
                                   Buckets::seconds(), {{"http_route", route_}})) {}

void RouteMetrics::answered(std::uint16_t status, Duration took) {
  auto& place = by_status_.at(status < by_status_.size() ? status : 599);
  telemetry::Counter* counter = place.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &registry_->counter(
        "serin_requests_total", "Requests answered.",
        {{"http_route", route_}, {"http_response_status_code", std::to_string(status)}});
    place.store(counter, std::memory_order_release);
  }
  // In this order: a scrape reads durations first, by their name, and never finds more of them than
  // answers.
  counter->add();
  duration_.observe(std::chrono::duration<double>(took).count());
}

void Metrics::failed(const std::string& code) {
  // Codes are few and ours; those of a server behind this one are not.
  constexpr std::size_t kMostCodes = 100;
  const std::lock_guard lock(mutex_);
  const std::string_view name =
      errors_.size() < kMostCodes || errors_.contains(code) ? std::string_view(code) : "other";
  auto found = errors_.find(name);
  if (found == errors_.end()) {
    telemetry::Counter& counter =
        registry_.counter("serin_errors_total", "Errors told to clients, by their code.",
                          {{"code", std::string(name)}});
    found = errors_.emplace(std::string(name), &counter).first;
  }
  found->second->add();
}

void Metrics::tokens(std::int64_t prompt, std::int64_t completion) {
  prompt_tokens_.add(static_cast<std::uint64_t>(prompt));
  completion_tokens_.add(static_cast<std::uint64_t>(completion));
}

void Metrics::batch_ran(std::int64_t rows, std::int64_t padded_rows, Duration took) {
  batch_rows_.observe(static_cast<double>(rows));
  padded_rows_.add(static_cast<std::uint64_t>(padded_rows - rows));
  step_seconds_.observe(seconds(took));
}

}  // namespace serin::worker
