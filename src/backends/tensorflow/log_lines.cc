// SPDX-License-Identifier: Apache-2.0
#include "backends/tensorflow/log_lines.h"

#include <absl/log/globals.h>
#include <absl/log/log_entry.h>
#include <absl/log/log_sink.h>
#include <absl/log/log_sink_registry.h>

#include <mutex>

#include "base/log.h"

namespace serin::backends {
namespace {

// TensorFlow's warnings are about its own build and graph, nothing that an operator can mend.
log::Level level_of(absl::LogSeverity severity) {
  switch (severity) {
    case absl::LogSeverity::kInfo:
    case absl::LogSeverity::kWarning:
      return log::Level::kDebug;
    case absl::LogSeverity::kError:
      return log::Level::kWarning;
    case absl::LogSeverity::kFatal:
      return log::Level::kError;
  }
  return log::Level::kError;
}

class OurLog final : public absl::LogSink {
 public:
  void Send(const absl::LogEntry& entry) override {
    const auto text = entry.text_message();
    const auto file = entry.source_basename();
    log::write(level_of(entry.log_severity()), "TensorFlow says",
               {{"said", std::string_view(text.data(), text.size())},
                {"file", std::string_view(file.data(), file.size())},
                {"line", entry.source_line()}});
  }
};

}  // namespace

void log_what_tensorflow_says() {
  static std::once_flag once;
  std::call_once(once, [] {
    absl::SetStderrThreshold(absl::LogSeverityAtLeast::kInfinity);
    static OurLog sink;  // TensorFlow's threads outlive main(): nobody removes it
    absl::AddLogSink(&sink);
  });
}

}  // namespace serin::backends
