// SPDX-License-Identifier: Apache-2.0
#include "gateway/evidence_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"

namespace serin::gateway {
namespace {

EvidenceLine line(std::uint64_t number) {
  return {number, R"({"number":)" + std::to_string(number) + R"(,"version":"v1"})" + "\n"};
}

class EvidenceFileTest : public testing::Test {
 protected:
  EvidenceFile open(std::uint64_t most_bytes = EvidenceFile::kBytes) {
    auto opened = EvidenceFile::open(path_, most_bytes);
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return *std::move(opened);
  }
  EvidenceFile::Kept read(std::size_t most = 1000) {
    auto kept = open().read(most);
    EXPECT_TRUE(kept.has_value()) << kept.error().message;
    return *std::move(kept);
  }
  void write(const std::string& bytes) { std::ofstream(path_, std::ios::app) << bytes; }
  std::vector<std::uint64_t> numbers(std::size_t most = 1000) {
    std::vector<std::uint64_t> found;
    for (const EvidenceLine& one : read(most).lines) found.push_back(one.number);
    return found;
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  std::filesystem::path path_ = folder_.path() / "prose.evidence";
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(EvidenceFileTest, GivesItsLinesToWhoComesAfter) {
  EXPECT_EQ(open().last_number(), 0u);
  {
    EvidenceFile file = open();
    for (std::uint64_t i = 7; i < 12; ++i) ASSERT_TRUE(file.append(line(i)));
  }
  EXPECT_EQ(open().last_number(), 11u);
  const auto kept = read(2);
  EXPECT_EQ(kept.lines, (std::vector{line(10), line(11)}));
  EXPECT_EQ(kept.passed_over, 0u);
}

TEST_F(EvidenceFileTest, PassesOverALineThatWasTornAnywhere) {
  const std::string whole = framed(line(2));
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    std::filesystem::remove(path_);
    ASSERT_TRUE(open().append(line(1)));
    write(whole.substr(0, cut));
    EXPECT_EQ(open().last_number(), cut + 1 < whole.size() ? 1u : 2u) << cut;
    ASSERT_TRUE(open().append(line(3)));
    // Without its end alone it is whole.
    const bool torn = cut + 1 < whole.size();
    EXPECT_EQ(numbers(), torn ? (Numbers{1, 3}) : (Numbers{1, 2, 3})) << cut;
    EXPECT_EQ(read().passed_over, torn ? 1u : 0u) << cut;
  }
}

TEST_F(EvidenceFileTest, PassesOverWhatIsDamagedOrOfAnotherVersion) {
  ASSERT_TRUE(open().append(line(1)));
  std::string damaged = framed(line(2));
  damaged[damaged.size() - 5] ^= 1;
  std::string newer = framed(line(3));
  newer[0] = '2';
  write(damaged + newer + std::string(3, '\0') + "\n");
  ASSERT_TRUE(open().append(line(4)));
  EXPECT_EQ(numbers(), (Numbers{1, 4}));
  EXPECT_EQ(read().passed_over, 3u);
}

TEST_F(EvidenceFileTest, IsBounded) {
  const std::uint64_t most_bytes = 10 * framed(line(10)).size();
  EvidenceFile file = open(most_bytes);
  for (std::uint64_t i = 10; i < 60; ++i) ASSERT_TRUE(file.append(line(i)));
  EXPECT_LE(std::filesystem::file_size(path_), most_bytes);
  EXPECT_LE(std::filesystem::file_size(path_.string() + ".1"), most_bytes);
  const Numbers kept = numbers();
  EXPECT_GE(kept.size(), 11u);
  EXPECT_EQ(kept.back(), 59u);
  EXPECT_EQ(kept.back() - kept.front() + 1, kept.size());
}

TEST_F(EvidenceFileTest, HasTheLinesOfTwoWritersWhileOneTakesOver) {
  const std::uint64_t most_bytes = 10 * framed(line(1000)).size();
  EvidenceFile old = open(most_bytes);
  EvidenceFile young = open(most_bytes);
  for (std::uint64_t i = 0; i < 7; ++i) {
    ASSERT_TRUE(old.append(line(1000 + i)));
    ASSERT_TRUE(young.append(line(2000 + i)));
  }
  EXPECT_EQ(numbers(7), (Numbers{2000, 2001, 2002, 2003, 2004, 2005, 2006}));
  EXPECT_EQ(numbers().size(), 14u);
}

TEST_F(EvidenceFileTest, SaysThatThereIsNoRoomForIt) {
  EXPECT_FALSE(EvidenceFile::open(folder_.path() / "none" / "x"));
  std::filesystem::create_symlink("/dev/full", path_);
  EXPECT_FALSE(open().append(line(1)));
}

}  // namespace
}  // namespace serin::gateway
