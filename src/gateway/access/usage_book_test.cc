// SPDX-License-Identifier: Apache-2.0
#include "gateway/access/usage_book.h"

#include <gtest/gtest.h>
#include <sys/file.h>

#include <fstream>

#include "base/files.h"

namespace serin::gateway {
namespace {

class UsageBookTest : public testing::Test {
 protected:
  static constexpr std::int64_t kDay = 20'786;
  // What a book that is opened now knows of it.
  KeyUsage read(const std::string& key, std::int64_t day = kDay) {
    return UsageBook(path_, day).used({"keys", key}, day);
  }
  void write(const std::string& bytes) { std::ofstream(path_, std::ios::app) << bytes; }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  std::filesystem::path path_ = folder_.path() / "quotas";
  UsageBook::Who a_{"keys", "a"}, b_{"keys", "b"};
};

TEST_F(UsageBookTest, AddsUpAndKnowsItAgain) {
  UsageBook book(path_, kDay);
  book.add(a_, kDay, {1, 10});
  book.add(a_, kDay, {1, 20.5});
  book.add(b_, kDay, {1, 1});
  EXPECT_EQ(book.used(a_, kDay).requests, 2);
  EXPECT_EQ(read("a").requests, 2);
  EXPECT_EQ(read("a").tokens, 30.5);
  EXPECT_EQ(read("b").tokens, 1);
  EXPECT_EQ(read("c").requests, 0);
  EXPECT_EQ(UsageBook(path_, kDay).used({"other keys", "a"}, kDay).requests, 0);
}

TEST_F(UsageBookTest, ForgetsDaysThatAreOver) {
  UsageBook book(path_, kDay);
  book.add(a_, kDay, {5, 5});
  book.add(b_, kDay + 1, {1, 1});
  EXPECT_EQ(book.used(a_, kDay).requests, 0);
  EXPECT_EQ(book.used(a_, kDay + 1).requests, 0);
  EXPECT_EQ(read("a", kDay + 1).requests, 0);
  EXPECT_EQ(read("b", kDay + 1).requests, 1);
  EXPECT_EQ(read("b", kDay + 2).requests, 0);
}

TEST_F(UsageBookTest, PassesOverALineThatWasTornAnywhere) {
  const std::string whole =
      framed_line(R"({"day":20786,"keys":"keys","key":"a","requests":1,"tokens":7})");
  for (std::size_t cut = 1; cut + 1 < whole.size(); ++cut) {
    std::filesystem::remove(path_);
    write(whole + whole.substr(0, cut));
    EXPECT_EQ(read("a").requests, 1) << cut;
    UsageBook(path_, kDay).add(a_, kDay, {1, 7});
    EXPECT_EQ(read("a").requests, 2) << cut;
  }
}

TEST_F(UsageBookTest, PassesOverWhatItDoesNotUnderstand) {
  write(framed_line("{}") + framed_line("[]") + framed_line("x") +
        framed_line(R"({"day":20786,"keys":"keys","key":"a","requests":"1","tokens":7})") +
        framed_line(R"({"day":20786,"keys":"keys","key":"a","requests":1,"tokens":7})"));
  EXPECT_EQ(read("a").requests, 1);
}

TEST_F(UsageBookTest, IsBoundedAndLosesNothingWhenItIsWrittenAnew) {
  constexpr std::uint64_t kMost = 1000;
  UsageBook book(path_, kDay, kMost);
  for (int i = 0; i < 500; ++i) book.add(i % 3 == 0 ? b_ : a_, kDay, {1, 2});
  EXPECT_LE(std::filesystem::file_size(path_), kMost + 200);
  EXPECT_EQ(read("a").requests, 333);
  EXPECT_EQ(read("b").requests, 167);
  EXPECT_EQ(read("a").tokens, 666);
  // As many keys as fill it: it is not written anew at each request.
  for (int i = 0; i < 90; ++i) book.add({"keys", std::to_string(i)}, kDay, {1, 1});
  const auto size = std::filesystem::file_size(path_);
  book.add(a_, kDay, {1, 1});
  EXPECT_GT(std::filesystem::file_size(path_), size);
  EXPECT_EQ(read("89").requests, 1);
}

TEST_F(UsageBookTest, HasWhatTwoWritersAddWhileOneTakesOver) {
  UsageBook old(path_, kDay), young(path_, kDay);
  old.add(a_, kDay, {1, 1});
  young.add(a_, kDay, {1, 1});
  EXPECT_EQ(read("a").requests, 2);
}

TEST_F(UsageBookTest, LosesNothingOfTwoWritersOfWhomOneWritesItAnew) {
  constexpr std::uint64_t kMost = 1000;
  UsageBook old(path_, kDay), young(path_, kDay, kMost);
  for (int i = 0; i < 100; ++i) {
    old.add(a_, kDay, {1, 2});
    young.add(b_, kDay, {1, 1});
    young.add(a_, kDay, {1, 1});
  }
  EXPECT_EQ(read("a").requests, 200);
  EXPECT_EQ(read("a").tokens, 300);
  EXPECT_EQ(read("b").requests, 100);
  EXPECT_LE(std::filesystem::file_size(path_), 2 * kMost);
}

TEST_F(UsageBookTest, TellsOnceWhatOthersAdded) {
  UsageBook young(path_, kDay);
  UsageBook old(path_, kDay, 500);
  young.add(a_, kDay, {1, 1});
  for (int i = 0; i < 20; ++i) old.add(i % 2 == 0 ? a_ : b_, kDay, {1, 3});
  EXPECT_EQ(young.used(b_, kDay).requests, 0) << "it has not looked yet";
  const auto told = young.used_elsewhere(kDay);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told.at(a_).requests, 10);
  EXPECT_EQ(told.at(b_).tokens, 30);
  EXPECT_EQ(young.used(a_, kDay).requests, 11);
  EXPECT_TRUE(young.used_elsewhere(kDay).empty());
  old.add(b_, kDay, {1, 3});
  young.add(a_, kDay, {1, 1});
  EXPECT_EQ(young.used(b_, kDay).requests, 11);
  EXPECT_TRUE(young.used_elsewhere(kDay).empty()) << "used() said so";
}

TEST_F(UsageBookTest, WaitsForNobodyWhoHoldsTheLock) {
  UsageBook book(path_, kDay);
  const Descriptor lock = *open_lock(path_.string() + ".lock");
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  book.add(a_, kDay, {1, 1});
  EXPECT_EQ(book.used(a_, kDay).requests, 1);
  EXPECT_EQ(std::filesystem::file_size(path_), 0u);
  ASSERT_EQ(::flock(lock.get(), LOCK_UN), 0);
  book.used_elsewhere(kDay);
  EXPECT_EQ(read("a").requests, 1);
}

TEST_F(UsageBookTest, PassesOverARequestThatEndsAfterOneOfTheNextDay) {
  UsageBook book(path_, kDay);
  book.add(a_, kDay + 1, {1, 1});
  book.add(b_, kDay, {1, 1});
  book.add(a_, kDay + 1, {1, 1});
  EXPECT_EQ(book.used(a_, kDay + 1).requests, 2);
  EXPECT_EQ(read("a", kDay + 1).requests, 2);
}

TEST_F(UsageBookTest, IsForItsUserAlone) {
  UsageBook book(path_, kDay, 100);
  std::filesystem::create_symlink(folder_.path() / "elsewhere", path_.string() + ".new");
  for (int i = 0; i < 10; ++i) book.add(a_, kDay, {1, 1});
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(path_).permissions(), perms::owner_read | perms::owner_write);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "elsewhere"));
  EXPECT_EQ(read("a").requests, 10);
}

TEST_F(UsageBookTest, CountsWithoutAFileToo) {
  UsageBook none("", kDay);
  none.add(a_, kDay, {1, 1});
  EXPECT_EQ(none.used(a_, kDay).requests, 1);
  UsageBook nowhere(folder_.path() / "none" / "x", kDay);
  nowhere.add(a_, kDay, {1, 1});
  EXPECT_EQ(nowhere.used(a_, kDay).requests, 1);
  std::filesystem::create_symlink("/dev/full", path_);
  UsageBook full(path_, kDay);
  full.add(a_, kDay, {1, 1});
  full.add(a_, kDay, {1, 1});
  EXPECT_EQ(full.used(a_, kDay).requests, 2);
  // A disk that becomes full: the next one finds what was written before.
  std::filesystem::remove(path_);
  UsageBook book(path_, kDay);
  book.add(a_, kDay, {1, 1});
  std::filesystem::rename(path_, folder_.path() / "kept");
  std::filesystem::create_symlink("/dev/full", path_);
  book.add(a_, kDay, {1, 1});
  EXPECT_EQ(book.used(a_, kDay).requests, 2);
  std::filesystem::rename(folder_.path() / "kept", path_);
  EXPECT_EQ(read("a").requests, 1);
}

}  // namespace
}  // namespace serin::gateway
