// SPDX-License-Identifier: Apache-2.0
#include "worker/lifecycle/preparation.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/json.h"
#include "engine/loaded_package.h"

namespace serin::worker {
namespace {

// What the child says when it has to compile, before its answer.
constexpr char kCompiling = 'C';

void say(int pipe, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(pipe, text.data(), text.size());
    if (wrote < 0 && errno != EINTR) return;
    text.remove_prefix(wrote > 0 ? static_cast<std::size_t>(wrote) : 0);
  }
}

// The child: never returns. It answers nothing when all went well.
[[noreturn]] void prepare(const model::Package& package, const engine::EngineOptions& options,
                          int answer) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const Status done = engine::prepare_package(
      package, options, [answer] { say(answer, std::string_view(&kCompiling, 1)); });
  if (done) ::_exit(0);
  const Error& error = done.error();
  say(answer, json::serialize(json::object{{"code", static_cast<int>(error.code)},
                                           {"message", error.message},
                                           {"reason", error.reason}}));
  ::_exit(1);
}

std::string read_all(int pipe, const std::function<void()>& compiling) {
  std::string text;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t got = ::read(pipe, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (text.front() != kCompiling) continue;
    text.erase(0, 1);
    if (compiling) compiling();
  }
}

Error parse_answer(const std::string& text) {
  const auto parsed = parse_json(text);
  const json::object* fields = parsed ? parsed->if_object() : nullptr;
  if (fields == nullptr || fields->size() != 3)
    return Error{Code::kInternal, "the process that compiles the model ended without an answer"};
  return Error{static_cast<Code>(fields->at("code").as_int64()),
               std::string(fields->at("message").as_string()),
               std::string(fields->at("reason").as_string())};
}

}  // namespace

Result<std::unique_ptr<Preparation>> Preparation::start(const model::Package& package,
                                                        const engine::EngineOptions& options) {
  if (!engine::needs_preparation(package.manifest)) return nullptr;
  std::filesystem::path folder = engine::prepared_folder(package, options);
  std::error_code ignored;  // what is not there cannot be allowed
  std::filesystem::create_directories(folder, ignored);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(error_of_errno(errno, "pipe"));
  const pid_t child = ::fork();
  if (child == 0) prepare(package, options, ends[1]);
  const int problem = errno;
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return fail(error_of_errno(problem, "cannot start a process"));
  }
  return std::unique_ptr<Preparation>(new Preparation(child, ends[0], std::move(folder)));
}

Preparation::~Preparation() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(answer_);
}

Status Preparation::finish(const std::function<void()>& compiling) {
  const std::string answer = read_all(answer_, compiling);
  int status = 0;
  while (::waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(parse_answer(answer));
}

}  // namespace serin::worker
