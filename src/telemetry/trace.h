// SPDX-License-Identifier: Apache-2.0
// Spans of work with W3C trace context (https://www.w3.org/TR/trace-context/), for any tracing
// system that reads OTLP.
//
// A Span belongs to whoever works on it and is handed to the Tracer when it ends. The request path
// never waits: what the sink cannot take is dropped and counted.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"

namespace serin::telemetry {

struct SpanContext {
  std::array<std::uint8_t, 16> trace{};
  std::array<std::uint8_t, 8> span{};
  bool sampled = false;
  std::string state = {};  // tracestate, passed on as it came

  bool valid() const;  // neither id is all zeros
  std::string trace_hex() const;
  std::string span_hex() const;
};

// Empty when the header is not as the standard says: the trace then starts anew. Versions above 00
// are read as 00.
std::optional<SpanContext> parse_traceparent(std::string_view traceparent,
                                             std::string_view tracestate = {});
std::string format_traceparent(const SpanContext& context);

enum class SpanKind : std::uint8_t { kInternal = 1, kServer = 2, kClient = 3 };  // OTLP's numbers
using AttributeValue = std::variant<std::string, std::int64_t, double, bool>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// A span that has ended.
struct SpanRecord {
  SpanContext context;
  std::array<std::uint8_t, 8> parent{};  // zeros: a root
  std::string name;
  SpanKind kind = SpanKind::kInternal;
  std::chrono::system_clock::time_point begin, end;
  Attributes attributes;
  struct Event {
    std::string name;
    std::chrono::system_clock::time_point time;
  };
  std::vector<Event> events;
  bool failed = false;
  std::string failure;
};

// Takes ended spans. Called from any thread; must not block.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void take(SpanRecord record) = 0;
};

class Tracer;

// Move-only; ends when it goes. Without a sink, or when its trace is not sampled, it costs a few
// stores.
class Span {
 public:
  Span() = default;
  ~Span() { end(); }
  Span(Span&& other) noexcept;
  Span& operator=(Span&& other) noexcept;

  const SpanContext& context() const { return record_.context; }
  bool recording() const { return tracer_ != nullptr; }
  void rename(std::string_view name);
  void set(std::string_view name, AttributeValue value);
  void event(std::string_view name);
  void fail(std::string_view why);
  void end();

 private:
  friend class Tracer;
  SpanRecord record_;
  const Tracer* tracer_ = nullptr;
};

// Shared by all threads; outlives its spans.
class Tracer {
 public:
  // `sink` may be null: then nothing is recorded, no trace begins, and a parent's context is passed
  // on as it came, so that no span names a parent that nobody has. `share` of the traces that begin
  // here are sampled; those that came with a decision keep it.
  Tracer(SpanSink* sink, const Clock& clock, double share = 1.0);

  bool recording() const { return sink_ != nullptr; }

  Span start(std::string_view name, SpanKind kind,
             const std::optional<SpanContext>& parent = {}) const;

 private:
  friend class Span;
  SpanSink* sink_;
  const Clock* clock_;
  double share_;
};

}  // namespace serin::telemetry
