// SPDX-License-Identifier: Apache-2.0
// SQLite (https://sqlite.org), as values and Results. A Database is one connection: for one thread
// at a time. Files are opened in WAL mode with synchronous=FULL: what a transaction has committed
// survives the end of the process and of the machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace serin {

// One value of a row or of a statement's parameters; monostate is NULL. Blobs are texts.
using SqlValue = std::variant<std::monostate, std::int64_t, double, std::string>;

class SqlRow {
 public:
  explicit SqlRow(sqlite3_stmt* statement) : statement_(statement) {}
  // Columns from 0. NULL reads as 0 and as an empty text; is_null() tells it apart.
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Opens or makes the file. `migrations`: the steps from an empty file to what the caller wants,
  // each a text of SQL statements; those that the file has not seen run now, one transaction each.
  // A program that knows at least `readable` of them can use the file as this one leaves it: what
  // knows fewer gets kFailedPrecondition, for a newer Serin has changed the file.
  static Result<Database> open(const std::filesystem::path& file,
                               std::span<const std::string_view> migrations, int readable);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  // Runs one statement; `?1`, `?2` … in it are `values`. Statements are prepared once.
  Status run(std::string_view sql, std::initializer_list<SqlValue> values = {});
  // The same, with a call for each row of its result; an Error from it ends the reading.
  Status each(std::string_view sql, std::initializer_list<SqlValue> values,
              const std::function<Status(const SqlRow&)>& row);
  // All of `work` or nothing: an Error from it undoes what it did. Not nested.
  Status transaction(const std::function<Status()>& work);

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace serin
