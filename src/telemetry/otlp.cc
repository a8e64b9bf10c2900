// SPDX-License-Identifier: Apache-2.0
#include "telemetry/otlp.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/json.h"
#include "base/log.h"

namespace serin::telemetry {
namespace {

json::value json_of(const AttributeValue& value) {
  json::object made;
  if (const auto* text = std::get_if<std::string>(&value)) made["stringValue"] = *text;
  // Protobuf's JSON writes 64-bit integers as strings.
  else if (const auto* whole = std::get_if<std::int64_t>(&value))
    made["intValue"] = std::to_string(*whole);
  else if (const auto* real = std::get_if<double>(&value))
    made["doubleValue"] = *real;
  else
    made["boolValue"] = std::get<bool>(value);
  return made;
}

json::array json_of(const Attributes& attributes) {
  json::array made;
  for (const auto& [name, value] : attributes)
    made.push_back({{"key", name}, {"value", json_of(value)}});
  return made;
}

std::string nanoseconds(std::chrono::system_clock::time_point time) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

json::object json_of(const SpanRecord& record) {
  json::object made;
  made["traceId"] = record.context.trace_hex();
  made["spanId"] = record.context.span_hex();
  const SpanContext parent{record.context.trace, record.parent};
  if (parent.valid()) made["parentSpanId"] = parent.span_hex();
  if (!record.context.state.empty()) made["traceState"] = record.context.state;
  made["name"] = record.name;
  made["kind"] = static_cast<int>(record.kind);
  made["startTimeUnixNano"] = nanoseconds(record.begin);
  made["endTimeUnixNano"] = nanoseconds(record.end);
  made["attributes"] = json_of(record.attributes);
  if (!record.events.empty()) {
    json::array events;
    for (const SpanRecord::Event& event : record.events) {
      events.push_back({{"name", event.name}, {"timeUnixNano", nanoseconds(event.time)}});
    }
    made["events"] = std::move(events);
  }
  if (record.failed) made["status"] = {{"code", 2}, {"message", record.failure}};
  return made;
}

}  // namespace

std::string otlp_json(const Attributes& resource, std::span<const SpanRecord> spans) {
  json::array list;
  for (const SpanRecord& record : spans) list.push_back(json_of(record));
  json::object scope;
  scope["scope"] = {{"name", "serin"}};
  scope["spans"] = std::move(list);
  json::object whole;
  whole["resource"] = {{"attributes", json_of(resource)}};
  whole["scopeSpans"] = json::array{std::move(scope)};
  json::object body;
  body["resourceSpans"] = json::array{std::move(whole)};
  return json::serialize(body);
}

struct OtlpExporter::State {
  OtlpOptions options;
  Post post;
  std::string url;

  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<SpanRecord> queue;
  bool hurry = false;  // somebody flushes
  bool sending = false;
  bool failing = false;  // the last post failed; said once in the log
  std::uint64_t sent = 0, dropped = 0;
  std::jthread sender;

  void serve(const std::stop_token& stop);
  void send(std::vector<SpanRecord> batch);
};

void OtlpExporter::State::send(std::vector<SpanRecord> batch) {
  const Status answer = post(url, otlp_json(options.resource, batch));
  const std::lock_guard lock(mutex);
  (answer ? sent : dropped) += batch.size();
  if (!answer && !failing)
    log::warning("traces are not taken", {{"url", url}, {"error", answer.error().message}});
  failing = !answer;
  sending = false;
  changed.notify_all();
}

void OtlpExporter::State::serve(const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait_for(lock, stop, options.interval,
                     [this] { return hurry || queue.size() >= options.batch_spans; });
    if (queue.empty()) {
      hurry = false;
      if (stop.stop_requested()) return;
      continue;
    }
    // At the end one batch is sent, so that stopping waits for at most one answer.
    const bool last = stop.stop_requested();
    const std::size_t count = std::min(queue.size(), options.batch_spans);
    std::vector<SpanRecord> batch(
        std::make_move_iterator(queue.begin()),
        std::make_move_iterator(queue.begin() + static_cast<std::ptrdiff_t>(count)));
    queue.erase(queue.begin(), queue.begin() + static_cast<std::ptrdiff_t>(count));
    sending = true;
    lock.unlock();
    send(std::move(batch));
    if (last) return;
    lock.lock();
  }
}

OtlpExporter::OtlpExporter(OtlpOptions options, Post post) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->post = std::move(post);
  state_->url = state_->options.endpoint;
  while (state_->url.ends_with('/')) state_->url.pop_back();
  state_->url += "/v1/traces";
  state_->sender =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->serve(stop); });
}

OtlpExporter::~OtlpExporter() {
  state_->sender.request_stop();
  state_->sender.join();
}

void OtlpExporter::take(SpanRecord record) {
  const std::lock_guard lock(state_->mutex);
  if (state_->queue.size() >= state_->options.queue_spans) {
    ++state_->dropped;
    return;
  }
  state_->queue.push_back(std::move(record));
  if (state_->queue.size() == state_->options.batch_spans) state_->changed.notify_all();
}

bool OtlpExporter::flush(std::chrono::milliseconds at_most) {
  std::unique_lock lock(state_->mutex);
  state_->hurry = true;
  state_->changed.notify_all();
  return state_->changed.wait_for(lock, at_most,
                                  [this] { return state_->queue.empty() && !state_->sending; });
}

std::uint64_t OtlpExporter::sent() const {
  const std::lock_guard lock(state_->mutex);
  return state_->sent;
}

std::uint64_t OtlpExporter::dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

}  // namespace serin::telemetry
