// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/usage_book.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/write_all.h"

namespace serin::gateway {
namespace {

constexpr std::uint64_t kReadable = std::uint64_t{256} << 20;

std::string text_of(const UsageBook::Who& who, std::int64_t day, KeyUsage used) {
  return json::serialize(json::object{{"day", day},
                                      {"keys", who.keys},
                                      {"key", who.key},
                                      {"requests", used.requests},
                                      {"tokens", used.tokens}});
}

struct Line {
  UsageBook::Who who;
  std::int64_t day = 0;
  KeyUsage used;
};

std::optional<Line> line_of(std::string_view text) {
  const auto value = parse_json(text);
  const json::object* fields = value ? value->if_object() : nullptr;
  if (fields == nullptr) return std::nullopt;
  const auto member = [&](std::string_view name) -> const json::value* {
    return fields->if_contains(name);
  };
  const json::value *day = member("day"), *keys = member("keys"), *key = member("key"),
                    *requests = member("requests"), *tokens = member("tokens");
  if (day == nullptr || !day->is_int64() || keys == nullptr || !keys->is_string() ||
      key == nullptr || !key->is_string() || requests == nullptr || !requests->is_number() ||
      tokens == nullptr || !tokens->is_number())
    return std::nullopt;
  return Line{{std::string(keys->get_string()), std::string(key->get_string())},
              day->get_int64(),
              {requests->to_number<double>(), tokens->to_number<double>()}};
}

KeyUsage at(const UsageBook::Sums& sums, const UsageBook::Who& who) {
  const auto found = sums.find(who);
  return found == sums.end() ? KeyUsage{} : found->second;
}

}  // namespace

UsageBook::UsageBook(std::filesystem::path path, std::int64_t today, std::uint64_t most_bytes)
    : day_(today), least_bytes_(most_bytes), most_bytes_(most_bytes) {
  if (path.empty()) return;
  if (const Status opened = open(std::move(path)); !opened) without_file(opened.error());
  elsewhere_.clear();
}

UsageBook::~UsageBook() {
  if (!unwritten_.empty()) meet_others();
}

Status UsageBook::open(std::filesystem::path path) {
  SERIN_TRY_ASSIGN(lock_, open_lock(path.string() + ".lock"));
  SERIN_TRY_ASSIGN(file_, LineFile::open(std::move(path)));
  meet_others();
  return {};
}

void UsageBook::without_file(const Error& why) {
  log::error("what keys used of their quotas is kept in memory alone", {{"why", why.message}});
  file_.reset();
  unwritten_.clear();
}

// False: it is over. A day that is over is of no more use.
bool UsageBook::begin(std::int64_t day) {
  if (day > day_) {
    for (Sums* sums : {&today_, &unwritten_, &elsewhere_}) sums->clear();
    day_ = day;
  }
  return day == day_;
}

KeyUsage UsageBook::used(const Who& who, std::int64_t day) {
  const std::lock_guard lock(mutex_);
  elsewhere_.erase(who);
  return day == day_ ? at(today_, who) : KeyUsage{};
}

void UsageBook::add(const Who& who, std::int64_t day, KeyUsage more) {
  const std::lock_guard lock(mutex_);
  if (!begin(day)) return;
  today_[who] += more;
  if (!file_) return;
  unwritten_[who] += more;
  meet_others();
}

UsageBook::Sums UsageBook::used_elsewhere(std::int64_t day) {
  const std::lock_guard lock(mutex_);
  if (!begin(day)) return {};
  meet_others();
  return std::exchange(elsewhere_, {});
}

// Nothing where another process is at it at this moment.
void UsageBook::meet_others() {
  if (!file_ || ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) return;
  const Status done = read_and_write();
  ::flock(lock_.get(), LOCK_UN);
  if (!done) without_file(done.error());
}

Status UsageBook::read_and_write() {
  if (!file_->is_at_path()) {
    SERIN_TRY(file_->reopen());
    known_ = false;
  }
  for (const auto& [who, used] : news()) {
    today_[who] += used;
    elsewhere_[who] += used;
  }
  for (const auto& [who, used] : unwritten_) SERIN_TRY(file_->append(text_of(who, day_, used)));
  unwritten_.clear();
  return file_->bytes() > most_bytes_ ? write_sums() : Status{};
}

// What the file says beyond what was known of it.
UsageBook::Sums UsageBook::news() {
  if (std::exchange(known_, true)) return sums_in(file_->take_appended());
  Sums sums = sums_in(file_->tail(kReadable));
  for (auto& [who, sum] : sums) {
    const KeyUsage all = at(today_, who), unwritten = at(unwritten_, who);
    sum.requests = std::max(0.0, sum.requests - (all.requests - unwritten.requests));
    sum.tokens = std::max(0.0, sum.tokens - (all.tokens - unwritten.tokens));
  }
  std::erase_if(sums,
                [](const auto& one) { return one.second.requests == 0 && one.second.tokens == 0; });
  return sums;
}

// Of today, whoever wrote it.
UsageBook::Sums UsageBook::sums_in(std::string_view bytes) const {
  Sums sums;
  const std::size_t passed_over = take_lines(bytes, [&](std::string_view text) {
    const auto line = line_of(text);
    if (line && line->day == day_) sums[line->who] += line->used;
    return line.has_value();
  });
  if (passed_over > 0)
    log::warning("lines about quotas were passed over",
                 {{"file", file_->path().string()}, {"lines", passed_over}});
  return sums;
}

Status UsageBook::write_sums() {
  std::string lines;
  for (const auto& [who, used] : today_) lines += framed_line(text_of(who, day_, used));
  // Not by write_file(), which waits for the disk, and requests for it.
  const std::string fresh = file_->path().string() + ".new";
  ::unlink(fresh.c_str());
  const Descriptor made(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!made.open()) return fail(error_of_errno(errno, "cannot make " + fresh));
  SERIN_TRY(write_all(made, lines, fresh));
  if (::rename(fresh.c_str(), file_->path().c_str()) != 0)
    return fail(error_of_errno(errno, "cannot rename " + fresh));
  most_bytes_ = std::max<std::uint64_t>(least_bytes_, 2 * lines.size());
  return file_->reopen();
}

}  // namespace serin::gateway
