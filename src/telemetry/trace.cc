// SPDX-License-Identifier: Apache-2.0
#include "telemetry/trace.h"

#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace serin::telemetry {
namespace {

template <std::size_t kSize>
std::string hex_of(const std::array<std::uint8_t, kSize>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

int digit_of(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;  // capitals are not allowed
  return -1;
}

template <std::size_t kSize>
bool read_hex(std::string_view text, std::array<std::uint8_t, kSize>& bytes) {
  for (std::size_t i = 0; i < kSize; ++i) {
    const int high = digit_of(text[i * 2]), low = digit_of(text[i * 2 + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

template <std::size_t kSize>
bool all_zero(const std::array<std::uint8_t, kSize>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// Ids need to be unlike each other, not unguessable: one generator a thread, seeded once by the
// system.
std::mt19937_64& generator() {
  thread_local std::mt19937_64 made = [] {
    std::uint64_t seed = 0;
    if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = std::random_device{}();
    return std::mt19937_64(seed);
  }();
  return made;
}

template <std::size_t kSize>
void randomise(std::array<std::uint8_t, kSize>& bytes) {
  do {
    for (std::size_t i = 0; i < kSize; i += 8) {
      const std::uint64_t word = generator()();
      std::memcpy(bytes.data() + i, &word, 8);
    }
  } while (all_zero(bytes));
}

}  // namespace

bool SpanContext::valid() const { return !all_zero(trace) && !all_zero(span); }
std::string SpanContext::trace_hex() const { return hex_of(trace); }
std::string SpanContext::span_hex() const { return hex_of(span); }

std::optional<SpanContext> parse_traceparent(std::string_view text, std::string_view tracestate) {
  constexpr std::size_t kSize = 55;  // 00-<32>-<16>-<2>
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-')
    return std::nullopt;
  std::array<std::uint8_t, 1> version{}, flags{};
  SpanContext context;
  if (!read_hex(text.substr(0, 2), version) || !read_hex(text.substr(3, 32), context.trace) ||
      !read_hex(text.substr(36, 16), context.span) || !read_hex(text.substr(53, 2), flags)) {
    return std::nullopt;
  }
  const bool more = text.size() > kSize;
  if (version[0] == 0xff || (version[0] == 0 && more) || (more && text[kSize] != '-'))
    return std::nullopt;
  if (!context.valid()) return std::nullopt;
  context.sampled = (flags[0] & 1) != 0;
  constexpr std::size_t kMostState = 512;  // what the standard asks to be passed on at least
  if (tracestate.size() <= kMostState) context.state = tracestate;
  return context;
}

std::string format_traceparent(const SpanContext& context) {
  return "00-" + context.trace_hex() + "-" + context.span_hex() + (context.sampled ? "-01" : "-00");
}

Span::Span(Span&& other) noexcept
    : record_(std::move(other.record_)), tracer_(std::exchange(other.tracer_, nullptr)) {}

Span& Span::operator=(Span&& other) noexcept {
  if (this == &other) return *this;
  end();
  record_ = std::move(other.record_);
  tracer_ = std::exchange(other.tracer_, nullptr);
  return *this;
}

void Span::rename(std::string_view name) {
  if (tracer_ != nullptr) record_.name = name;
}

void Span::set(std::string_view name, AttributeValue value) {
  if (tracer_ != nullptr) record_.attributes.emplace_back(name, std::move(value));
}

void Span::event(std::string_view name) {
  if (tracer_ != nullptr) record_.events.push_back({std::string(name), tracer_->clock_->wall()});
}

void Span::fail(std::string_view why) {
  if (tracer_ == nullptr) return;
  record_.failed = true;
  record_.failure = why;
}

void Span::end() {
  if (tracer_ == nullptr) return;
  const Tracer* tracer = std::exchange(tracer_, nullptr);
  record_.end = tracer->clock_->wall();
  const SpanContext kept = record_.context;
  tracer->sink_->take(std::move(record_));
  record_ = {};
  record_.context = kept;
}

Tracer::Tracer(SpanSink* sink, const Clock& clock, double share)
    : sink_(sink), clock_(&clock), share_(share) {}

Span Tracer::start(std::string_view name, SpanKind kind,
                   const std::optional<SpanContext>& parent) const {
  Span span;
  SpanRecord& record = span.record_;
  const bool goes_on = parent && parent->valid();
  if (goes_on) record.context = *parent;
  if (sink_ == nullptr) return span;
  if (goes_on) {
    record.parent = parent->span;
  } else {
    randomise(record.context.trace);
    // One decision a trace, from its id, so that everybody who decides by id decides alike.
    std::uint64_t low = 0;
    std::memcpy(&low, record.context.trace.data() + 8, 8);
    record.context.sampled = static_cast<double>(low >> 11) * 0x1p-53 < share_;
  }
  randomise(record.context.span);
  if (!record.context.sampled) return span;
  record.name = name;
  record.kind = kind;
  record.begin = clock_->wall();
  span.tracer_ = this;
  return span;
}

}  // namespace serin::telemetry
