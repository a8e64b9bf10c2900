// SPDX-License-Identifier: Apache-2.0
#include "telemetry/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include "base/descriptor.h"

namespace serin::telemetry {
namespace {

double value_of(const Registry& registry, const std::string& name) {
  const std::string text = registry.expose();
  const std::size_t at = text.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
}

TEST(ProcessMetrics, SayWhatTheKernelKnows) {
  Registry registry;
  measure_process(registry, "1.2.3", Clock::real());
  EXPECT_THAT(registry.expose(), testing::HasSubstr("serin_build_info{build=\"1.2.3\"} 1\n"));
  EXPECT_GT(value_of(registry, "process_cpu_seconds_total"), 0);
  EXPECT_GT(value_of(registry, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(value_of(registry, "process_virtual_memory_bytes"),
            value_of(registry, "process_resident_memory_bytes"));
  EXPECT_GT(value_of(registry, "process_start_time_seconds"), 1.7e9);
  const double open = value_of(registry, "process_open_fds");
  EXPECT_GE(open, 3);
  EXPECT_GE(value_of(registry, "process_max_fds"), open);
  const Descriptor one_more(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(value_of(registry, "process_open_fds"), open + 1);
}

}  // namespace
}  // namespace serin::telemetry
