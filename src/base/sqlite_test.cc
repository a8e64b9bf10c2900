// SPDX-License-Identifier: Apache-2.0
#include "base/sqlite.h"

#include <gmock/gmock.h>

#include <array>

#include "base/files.h"

namespace serin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array<std::string_view, 2> kSteps{
    "CREATE TABLE birds(name TEXT PRIMARY KEY, grams REAL);",
    "ALTER TABLE birds ADD COLUMN eggs INTEGER;",
};

class Sqlite : public testing::Test {
 protected:
  Sqlite() : folder_(*TemporaryDirectory::create("sqlite")) {}
  Result<Database> open(std::size_t steps, int readable = 1) {
    return Database::open(folder_.path() / "birds.db", std::span(kSteps).first(steps), readable);
  }
  static std::vector<std::string> names(Database& database) {
    std::vector<std::string> found;
    EXPECT_TRUE(database.each("SELECT name FROM birds ORDER BY name", {}, [&](const SqlRow& row) {
      found.push_back(row.text(0));
      return Status();
    }));
    return found;
  }

  TemporaryDirectory folder_;
};

TEST_F(Sqlite, KeepsWhatIsWritten) {
  {
    auto database = open(2);
    ASSERT_TRUE(database) << database.error().message;
    ASSERT_TRUE(database->run("INSERT INTO birds VALUES (?1, ?2, ?3)",
                              {std::string("serin"), 12.5, std::int64_t{4}}));
    ASSERT_TRUE(database->run("INSERT INTO birds VALUES (?1, ?2, NULL)",
                              {std::string("o'kea\0x", 7), std::monostate()}));
  }
  auto database = open(2);
  ASSERT_TRUE(database);
  int rows = 0;
  ASSERT_TRUE(database->each("SELECT * FROM birds ORDER BY name DESC", {}, [&](const SqlRow& row) {
    if (++rows == 1) {
      EXPECT_EQ(row.text(0), "serin");
      EXPECT_EQ(row.real(1), 12.5);
      EXPECT_EQ(row.integer(2), 4);
    } else {
      EXPECT_EQ(row.text(0), std::string("o'kea\0x", 7));
      EXPECT_TRUE(row.is_null(1));
      EXPECT_EQ(row.text(2), "");
    }
    return Status();
  }));
  EXPECT_EQ(rows, 2);
}

TEST_F(Sqlite, ATransactionIsAllOrNothing) {
  auto database = open(2);
  ASSERT_TRUE(database);
  const Status undone = database->transaction([&]() -> Status {
    SERIN_TRY(database->run("INSERT INTO birds(name) VALUES ('wren')"));
    return fail(Code::kAborted, "no");
  });
  EXPECT_EQ(undone.error().message, "no");
  EXPECT_TRUE(database->transaction(
      [&] { return database->run("INSERT INTO birds(name) VALUES ('kite')"); }));
  EXPECT_THAT(names(*database), ElementsAre("kite"));
}

TEST_F(Sqlite, AnOlderProgramReadsWhatANewerOneLeft) {
  ASSERT_TRUE(open(2, 1)->run("INSERT INTO birds(name) VALUES ('rook')"));
  auto older = open(1);
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_THAT(names(*older), ElementsAre("rook"));
  auto newer = open(2);
  ASSERT_TRUE(newer);
  EXPECT_THAT(names(*newer), ElementsAre("rook"));
}

TEST_F(Sqlite, AnOlderProgramRefusesWhatItCannotRead) {
  ASSERT_TRUE(open(2, 2));
  const auto older = open(1);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(older.error().message, HasSubstr("newer Serin"));
}

TEST_F(Sqlite, SaysWhatIsWrong) {
  auto database = open(1);
  ASSERT_TRUE(database);
  EXPECT_THAT(database->run("INSERT INTO fish VALUES (1)").error().message, HasSubstr("fish"));
  ASSERT_TRUE(database->run("INSERT INTO birds(name) VALUES ('wren')"));
  EXPECT_EQ(database->run("INSERT INTO birds(name) VALUES ('wren')").error().code,
            Code::kAlreadyExists);

  const auto text = folder_.path() / "no.db";
  ASSERT_TRUE(write_file(text, "this is no database at all, however long it may be ......"));
  EXPECT_EQ(Database::open(text, {}, 0).error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace serin
