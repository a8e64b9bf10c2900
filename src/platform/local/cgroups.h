// SPDX-License-Identifier: Apache-2.0
// Limits of memory and processors by control groups, version 2 or 1, where this user may make any:
// root, or who was given a subtree (systemd does so for `systemd --user`). Elsewhere memory.h
// watches. One thread.
//
//   OWN-OR-PARENT/serin-NAME/ID    one group a replica, in each hierarchy of version 1
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "platform/platform.h"

namespace serin::platform::local {

class Cgroups {
 public:
  // `name` tells the groups of one state folder from those of others. kFailedPrecondition, with
  // what is missing, where memory cannot be bounded so.
  static Result<Cgroups> open(const std::string& name);

  // A fresh group with these limits; the folders that a process joins. What bounds nothing is no
  // group.
  Result<std::vector<std::filesystem::path>> make(const std::string& id,
                                                  const Resources& resources);
  // Whether the memory of what runs in it is bounded.
  bool bounds_memory(const std::string& id) const;
  // Whether the kernel ended something in it for its memory.
  bool out_of_memory(const std::string& id) const;
  // Kills what is left in it. Groups that are still busy go at the next call.
  void remove(const std::string& id);
  // Removes the groups of nobody in `living`.
  void remove_others(const std::vector<std::string>& living);
  // And the folder of them all; nothing can be made any more.
  void remove_all();

 private:
  struct Hierarchy {
    std::filesystem::path folder;  // ours
    bool memory = false, cpu = false;
  };
  Cgroups(bool second, std::vector<Hierarchy> hierarchies)
      : second_(second), hierarchies_(std::move(hierarchies)) {}
  static Result<Cgroups> open_second(const std::string& name);
  static Result<Cgroups> open_first(const std::string& name);
  Status limit(const Hierarchy& hierarchy, const std::filesystem::path& group,
               const Resources& resources) const;

  bool second_;
  std::vector<Hierarchy> hierarchies_;
};

// Pure. Where a line of /proc/self/cgroup puts us in the hierarchy with `controller` ("" is version
// 2), and where that hierarchy is mounted, by /proc/self/mountinfo; empty when it is not.
std::filesystem::path own_group(std::string_view cgroups, std::string_view mounts,
                                std::string_view controller);

}  // namespace serin::platform::local
