// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/usage_book.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/files.h"
#include "base/json.h"
#include "base/log.h"

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

}  // namespace

UsageBook::UsageBook(std::filesystem::path path, std::int64_t today, std::uint64_t most_bytes)
    : day_(today), least_bytes_(most_bytes), most_bytes_(most_bytes) {
  if (path.empty()) return;
  Status known;
  if (auto file = LineFile::open(std::move(path))) {
    file_ = *std::move(file);
    known = read();
  } else {
    known = fail(std::move(file).error());
  }
  if (!known) without_file(known.error());
}

void UsageBook::without_file(const Error& why) {
  log::error("what keys used of their quotas is kept in memory alone", {{"why", why.message}});
  file_.reset();
}

KeyUsage UsageBook::used(const Who& who, std::int64_t day) const {
  const std::lock_guard lock(mutex_);
  const auto found = today_.find(who);
  return day == day_ && found != today_.end() ? found->second : KeyUsage{};
}

void UsageBook::add(const Who& who, std::int64_t day, KeyUsage more) {
  const std::lock_guard lock(mutex_);
  count(who, day, more);
  if (!file_) return;
  Status written = file_->append(text_of(who, day, more));
  if (written && file_->bytes() > most_bytes_) written = write_sums();
  if (!written) without_file(written.error());
}

// A day that is over is of no more use.
void UsageBook::count(const Who& who, std::int64_t day, KeyUsage more) {
  if (std::exchange(day_, day) != day) today_.clear();
  KeyUsage& used = today_[who];
  used.requests += more.requests;
  used.tokens += more.tokens;
}

bool UsageBook::read_line(std::string_view text) {
  const auto value = parse_json(text);
  const json::object* fields = value ? value->if_object() : nullptr;
  if (fields == nullptr) return false;
  const auto member = [&](std::string_view name) -> const json::value* {
    return fields->if_contains(name);
  };
  const json::value *day = member("day"), *keys = member("keys"), *key = member("key"),
                    *requests = member("requests"), *tokens = member("tokens");
  if (day == nullptr || !day->is_int64() || keys == nullptr || !keys->is_string() ||
      key == nullptr || !key->is_string() || requests == nullptr || !requests->is_number() ||
      tokens == nullptr || !tokens->is_number())
    return false;
  if (day->get_int64() == day_)
    count({std::string(keys->get_string()), std::string(key->get_string())}, day_,
          {requests->to_number<double>(), tokens->to_number<double>()});
  return true;
}

// All that the file says of today, whoever wrote it.
Status UsageBook::read() {
  SERIN_TRY_ASSIGN(const std::string bytes, read_file(file_->path(), kReadable));
  const std::size_t passed_over =
      take_lines(bytes, [this](std::string_view text) { return read_line(text); });
  if (passed_over > 0)
    log::warning("lines about quotas were passed over",
                 {{"file", file_->path().string()}, {"lines", passed_over}});
  return {};
}

Status UsageBook::write_sums() {
  if (!file_->is_at_path()) return file_->reopen();  // another process has
  std::string lines;
  for (const auto& [who, used] : today_) lines += framed_line(text_of(who, day_, used));
  // Not by write_file(), which waits for the disk, and requests for it.
  const std::filesystem::path fresh = file_->path().string() + ".new";
  if (!(std::ofstream(fresh, std::ios::binary | std::ios::trunc) << lines << std::flush))
    return fail(Code::kUnknown, "cannot write " + fresh.string());
  std::error_code problem;
  std::filesystem::rename(fresh, file_->path(), problem);
  if (problem) return fail(Code::kUnknown, "cannot rename " + fresh.string());
  most_bytes_ = std::max<std::uint64_t>(least_bytes_, 2 * lines.size());
  return file_->reopen();
}

}  // namespace serin::gateway
