// SPDX-License-Identifier: Apache-2.0
#include "platform/local/cgroups.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "base/descriptor.h"
#include "base/files.h"

namespace serin::platform::local {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kPeriodMicroseconds = 100'000;
constexpr std::int64_t kLeastQuota = 1'000;  // what the kernel takes

// Not write_file(): the files of a control group are written in place.
Status set(const fs::path& file, const std::string& value) {
  const Descriptor opened(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (opened.open() &&
      ::write(opened.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size()))
    return {};
  return fail(error_of_errno(errno, "cannot set " + file.string()));
}

std::string get(const fs::path& file) { return read_file(file, 65'536).value_or(""); }

std::vector<std::string> words(std::string_view text, char between) {
  std::vector<std::string> found;
  std::istringstream stream{std::string(text)};
  for (std::string word; std::getline(stream, word, between);) found.push_back(word);
  return found;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

std::uint64_t counter(const std::string& text, std::string_view name) {
  std::istringstream stream(text);
  std::string word;
  std::uint64_t value = 0;
  while (stream >> word >> value) {
    if (word == name) return value;
  }
  return 0;
}

// The mount of a hierarchy, and what of it is mounted there.
struct Mount {
  std::string root, place;
};
Mount mount_of(std::string_view mounts, std::string_view controller) {
  for (const std::string& line : words(mounts, '\n')) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const auto before = words(std::string_view(line).substr(0, dash), ' ');
    const auto after = words(std::string_view(line).substr(dash + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const bool second = after[0] == "cgroup2" && controller.empty();
    const bool first =
        after[0] == "cgroup" && !controller.empty() && has(words(after[2], ','), controller);
    if (first || second) return {before[3], before[4]};
  }
  return {};
}

void kill_all(const fs::path& group) {
  if (set(group / "cgroup.kill", "1")) return;
  std::istringstream pids(get(group / "cgroup.procs"));
  for (int pid = 0; pids >> pid;) {
    if (pid > 1) ::kill(pid, SIGKILL);
  }
}

}  // namespace

fs::path own_group(std::string_view cgroups, std::string_view mounts, std::string_view controller) {
  const Mount mount = mount_of(mounts, controller);
  if (mount.place.empty()) return {};
  for (const std::string& line : words(cgroups, '\n')) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? !names.empty() : !has(words(names, ','), controller)) continue;
    std::string path = line.substr(second + 1);
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    return (fs::path(mount.place) / fs::path(path).relative_path()).lexically_normal();
  }
  return {};
}

Result<Cgroups> Cgroups::open(const std::string& name) {
  auto second = open_second(name);
  if (second) return second;
  auto first = open_first(name);
  if (first) return first;
  return fail(Code::kFailedPrecondition, second.error().message + "; " + first.error().message);
}

Result<Cgroups> Cgroups::open_second(const std::string& name) {
  const fs::path own = own_group(get("/proc/self/cgroup"), get("/proc/self/mountinfo"), "");
  if (own.empty())
    return fail(Code::kFailedPrecondition, "there are no control groups of version 2");
  // A group with processes in it gives no controllers to groups below it, but for the root: beside
  // us then.
  for (const fs::path& above : {own, own.parent_path()}) {
    const std::string offered = get(above / "cgroup.controllers");
    if (offered.find("memory") == std::string::npos) continue;
    std::error_code problem;
    const fs::path ours = above / ("serin-" + name);
    fs::create_directory(ours, problem);
    if (problem) continue;
    for (const fs::path& group : {above, ours}) {
      for (const char* controller : {"+memory", "+cpu"})
        static_cast<void>(set(group / "cgroup.subtree_control", controller));
    }
    // What was not given is not there.
    const std::string given = get(ours / "cgroup.subtree_control");
    if (given.find("memory") != std::string::npos)
      return Cgroups(true, {{ours, true, given.find("cpu") != std::string::npos}});
    fs::remove(ours, problem);
  }
  return fail(Code::kFailedPrecondition, "no memory controller of version 2 is given to us");
}

Result<Cgroups> Cgroups::open_first(const std::string& name) {
  std::vector<Hierarchy> hierarchies;
  for (const std::string& controller : {std::string("memory"), std::string("cpu")}) {
    const fs::path own =
        own_group(get("/proc/self/cgroup"), get("/proc/self/mountinfo"), controller);
    if (own.empty()) continue;
    const fs::path ours = own / ("serin-" + name);
    std::error_code problem;
    fs::create_directory(ours, problem);
    if (problem) continue;
    auto made = std::ranges::find(hierarchies, ours, &Hierarchy::folder);
    // Both controllers may share a hierarchy.
    if (made == hierarchies.end()) made = hierarchies.insert(made, {ours, false, false});
    (controller == "memory" ? made->memory : made->cpu) = true;
  }
  if (std::ranges::any_of(hierarchies, &Hierarchy::memory))
    return Cgroups(false, std::move(hierarchies));
  return fail(Code::kFailedPrecondition, "no memory controller of version 1 is given to us");
}

Status Cgroups::limit(const Hierarchy& hierarchy, const fs::path& group,
                      const Resources& resources) const {
  if (hierarchy.memory && resources.memory_bytes > 0) {
    const std::string bytes = std::to_string(resources.memory_bytes);
    SERIN_TRY(set(group / (second_ ? "memory.max" : "memory.limit_in_bytes"), bytes));
    // Memory that swaps answers nobody in time. Absent where the kernel does not count swap.
    static_cast<void>(second_ ? set(group / "memory.swap.max", "0")
                              : set(group / "memory.memsw.limit_in_bytes", bytes));
  }
  if (hierarchy.cpu && resources.cpus > 0) {
    const auto quota =
        std::max(kLeastQuota, static_cast<std::int64_t>(resources.cpus * kPeriodMicroseconds));
    const std::string period = std::to_string(kPeriodMicroseconds);
    if (second_) return set(group / "cpu.max", std::to_string(quota) + " " + period);
    SERIN_TRY(set(group / "cpu.cfs_period_us", period));
    SERIN_TRY(set(group / "cpu.cfs_quota_us", std::to_string(quota)));
  }
  return {};
}

Result<std::vector<fs::path>> Cgroups::make(const std::string& id, const Resources& resources) {
  std::vector<fs::path> groups;
  if (resources.memory_bytes == 0 && resources.cpus <= 0) return groups;
  remove(id);
  for (const Hierarchy& hierarchy : hierarchies_) {
    const fs::path group = hierarchy.folder / id;
    std::error_code problem;
    fs::create_directory(group, problem);
    if (problem)
      return fail(Code::kUnavailable, "cannot make " + group.string() + ": " + problem.message());
    SERIN_TRY(limit(hierarchy, group, resources));
    groups.push_back(group);
  }
  return groups;
}

bool Cgroups::bounds_memory(const std::string& id) const {
  return std::ranges::any_of(hierarchies_, [&](const Hierarchy& hierarchy) {
    return hierarchy.memory && !get(hierarchy.folder / id / "cgroup.procs").empty();
  });
}

bool Cgroups::out_of_memory(const std::string& id) const {
  return std::ranges::any_of(hierarchies_, [&](const Hierarchy& hierarchy) {
    const char* file = second_ ? "memory.events" : "memory.oom_control";
    return hierarchy.memory && counter(get(hierarchy.folder / id / file), "oom_kill") > 0;
  });
}

void Cgroups::remove(const std::string& id) {
  for (const Hierarchy& hierarchy : hierarchies_) {
    const fs::path group = hierarchy.folder / id;
    std::error_code problem;
    if (!fs::exists(group, problem)) continue;
    kill_all(group);
    fs::remove(group, problem);
  }
}

void Cgroups::remove_others(const std::vector<std::string>& living) {
  for (const Hierarchy& hierarchy : hierarchies_) {
    std::vector<std::string> found;
    std::error_code problem;
    for (fs::directory_iterator at(hierarchy.folder, problem), end; !problem && at != end;
         at.increment(problem)) {
      if (at->is_directory(problem)) found.push_back(at->path().filename().string());
    }
    for (const std::string& id : found) {
      if (!has(living, id)) remove(id);
    }
  }
}

void Cgroups::remove_all() {
  remove_others({});
  std::error_code problem;
  for (const Hierarchy& hierarchy : hierarchies_) fs::remove(hierarchy.folder, problem);
}

}  // namespace serin::platform::local
