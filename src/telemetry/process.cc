// SPDX-License-Identifier: Apache-2.0
#include "telemetry/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>

namespace serin::telemetry {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double cpu_seconds() {
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) != 0) return 0;
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Memory {
  double total = 0;  // bytes of address space
  double resident = 0;
};

Memory memory() {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                   &std::fclose);
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (file == nullptr || std::fscanf(file.get(), "%llu %llu", &total, &resident) != 2) return {};
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  return {static_cast<double>(total) * page, static_cast<double>(resident) * page};
}

double open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), &::closedir);
  if (folder == nullptr) return 0;
  int count = -3;  // ".", "..", and the folder's own
  while (::readdir(folder.get()) != nullptr) ++count;
  return count;
}

double most_descriptors() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

}  // namespace

void measure_process(Registry& registry, std::string_view build, const Clock& clock) {
  registry
      .gauge("serin_build_info", "The program that runs; always 1.",
             {{"build", std::string(build)}})
      .set(1);
  registry.gauge("process_start_time_seconds", "When the process began to count, since 1970.")
      .set(std::chrono::duration<double>(clock.wall().time_since_epoch()).count());
  registry.counter_read_by("process_cpu_seconds_total", "Time of processors, user and system.", {},
                           cpu_seconds);
  registry.gauge_read_by("process_resident_memory_bytes", "Memory that is resident.", {},
                         [] { return memory().resident; });
  registry.gauge_read_by("process_virtual_memory_bytes", "Address space.", {},
                         [] { return memory().total; });
  registry.gauge_read_by("process_open_fds", "File descriptors that are open.", {},
                         open_descriptors);
  registry.gauge_read_by("process_max_fds", "File descriptors that may be open.", {},
                         most_descriptors);
}

}  // namespace serin::telemetry
