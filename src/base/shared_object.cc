// SPDX-License-Identifier: Apache-2.0
#include "base/shared_object.h"

#include <dlfcn.h>

#include <system_error>

namespace serin {
namespace {

std::string last_dl_error() {
  const char* message = ::dlerror();
  return message == nullptr ? "no reason given" : message;
}

}  // namespace

std::vector<std::filesystem::path> places_of_shared_object(const std::string& file) {
  std::error_code problem;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", problem);
  if (problem) return {};
  const std::filesystem::path folder = program.parent_path();
  return {folder / file, folder.parent_path() / "lib" / "serin" / file};
}

Result<void*> load_symbol(const std::filesystem::path& path, const char* symbol) {
  // Local: two frameworks bring symbols of the same names.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return fail(Code::kFailedPrecondition, last_dl_error());
  void* found = ::dlsym(library, symbol);
  if (found == nullptr) {
    return fail(Code::kInternal, path.string() + " is none of Serin's: " + last_dl_error());
  }
  return found;
}

}  // namespace serin
