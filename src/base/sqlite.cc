// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <sqlite3.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/overload.h"

namespace serin {
namespace {

constexpr int kBusyMilliseconds = 5'000;  // how long to wait for another process's lock

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementPointer = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

Code code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Code::kUnavailable;
    case SQLITE_FULL:
      return Code::kResourceExhausted;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return Code::kPermissionDenied;
    case SQLITE_CANTOPEN:
      return Code::kNotFound;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kDataLoss;
    case SQLITE_CONSTRAINT:
      return Code::kAlreadyExists;
    default:
      return Code::kInternal;
  }
}

int bind(sqlite3_stmt* statement, int place, const SqlValue& value) {
  return std::visit(
      Overload{
          [&](std::monostate) { return sqlite3_bind_null(statement, place); },
          [&](std::int64_t number) { return sqlite3_bind_int64(statement, place, number); },
          [&](double number) { return sqlite3_bind_double(statement, place, number); },
          [&](const std::string& text) {
            return sqlite3_bind_text64(statement, place, text.data(), text.size(), SQLITE_STATIC,
                                       SQLITE_UTF8);
          },
      },
      value);
}

// Ends a statement's run however its user leaves it.
class Run {
 public:
  explicit Run(sqlite3_stmt* statement) : statement_(statement) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

}  // namespace

std::int64_t SqlRow::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double SqlRow::real(int column) const { return sqlite3_column_double(statement_, column); }
std::string SqlRow::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}
bool SqlRow::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

struct Database::State {
  std::string name;  // of the file, for messages
  std::unique_ptr<sqlite3, CloseDatabase> handle;
  std::unordered_map<std::string, StatementPointer> prepared;

  tl::unexpected<Error> failed(int result) const {
    return fail(code_of(result), name + ": " + sqlite3_errmsg(handle.get()));
  }
  Status execute(const std::string& script) const {
    const int result = sqlite3_exec(handle.get(), script.c_str(), nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) return failed(result);
    return {};
  }
  Result<sqlite3_stmt*> statement(std::string_view sql) {
    if (const auto found = prepared.find(std::string(sql)); found != prepared.end()) {
      return found->second.get();
    }
    sqlite3_stmt* made = nullptr;
    const int result = sqlite3_prepare_v3(handle.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (result != SQLITE_OK) return failed(result);
    return prepared.emplace(sql, made).first->second.get();
  }
  Result<std::int64_t> number(std::string_view sql) {
    SERIN_TRY_ASSIGN(sqlite3_stmt * asked, statement(sql));
    const Run run(asked);
    const int result = sqlite3_step(asked);
    if (result != SQLITE_ROW) return failed(result);
    return sqlite3_column_int64(asked, 0);
  }
};

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::filesystem::path& file,
                                std::span<const std::string_view> migrations, int readable) {
  auto state = std::make_unique<State>();
  state->name = file.string();
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int result = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  state->handle.reset(handle);
  if (result != SQLITE_OK) return state->failed(result);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  SERIN_TRY(
      state->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "PRAGMA foreign_keys=ON;"
                     "CREATE TABLE IF NOT EXISTS serin_readable(least INTEGER NOT NULL);"));

  Database database(std::move(state));
  const auto known = static_cast<std::int64_t>(migrations.size());
  SERIN_TRY_ASSIGN(std::int64_t seen, database.state_->number("PRAGMA user_version"));
  SERIN_TRY_ASSIGN(const std::int64_t least,
                   database.state_->number("SELECT coalesce(max(least), 0) FROM serin_readable"));
  if (known < least) {
    return fail(
        Code::kFailedPrecondition,
        file.string() + " was written by a newer Serin, in a form that this one cannot use");
  }
  while (seen < known) {
    SERIN_TRY(database.transaction([&]() -> Status {
      SERIN_TRY(database.state_->execute(std::string(migrations[static_cast<std::size_t>(seen)])));
      SERIN_TRY(database.run("DELETE FROM serin_readable"));
      SERIN_TRY(database.run("INSERT INTO serin_readable VALUES (?1)",
                             {std::min<std::int64_t>(readable, seen + 1)}));
      return database.state_->execute("PRAGMA user_version=" + std::to_string(seen + 1));
    }));
    ++seen;
  }
  return database;
}

Status Database::run(std::string_view sql, std::initializer_list<SqlValue> values) {
  return each(sql, values, [](const SqlRow&) { return Status(); });
}

Status Database::each(std::string_view sql, std::initializer_list<SqlValue> values,
                      const std::function<Status(const SqlRow&)>& row) {
  SERIN_TRY_ASSIGN(sqlite3_stmt * statement, state_->statement(sql));
  const Run run(statement);
  int place = 0;
  for (const SqlValue& value : values) {
    if (const int bound = bind(statement, ++place, value); bound != SQLITE_OK) {
      return state_->failed(bound);
    }
  }
  while (true) {
    const int result = sqlite3_step(statement);
    if (result == SQLITE_DONE) return {};
    if (result != SQLITE_ROW) return state_->failed(result);
    SERIN_TRY(row(SqlRow(statement)));
  }
}

Status Database::transaction(const std::function<Status()>& work) {
  SERIN_TRY(state_->execute("BEGIN IMMEDIATE"));
  Status done = work();
  if (done) done = state_->execute("COMMIT");
  if (!done && sqlite3_get_autocommit(state_->handle.get()) == 0) {
    if (auto undone = state_->execute("ROLLBACK"); !undone) return undone;
  }
  return done;
}

}  // namespace serin
