// SPDX-License-Identifier: Apache-2.0
#include "gateway/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "gateway/hash.h"

namespace serin::gateway {
namespace {

using rollout::Arm;

Split sticky(double weight, std::string salt = "one") {
  Split split;
  split.stable = "v1";
  split.candidate = "v2";
  split.weight = weight;
  split.salt = std::move(salt);
  split.sticky_by = StickyBy::kUser;
  return split;
}

std::string user(int number) { return "user-" + std::to_string(number); }

std::set<int> candidates(const Split& split, int users) {
  std::set<int> found;
  for (int i = 0; i < users; ++i)
    if (assign(split, user(i), 0).arm == Arm::kCandidate) found.insert(i);
  return found;
}

TEST(Split, GivesTheCandidateItsPartOfTheUsers) {
  for (const double weight : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    const auto share = static_cast<double>(candidates(sticky(weight), 20'000).size()) / 20'000;
    EXPECT_NEAR(share, weight, 0.01);
  }
}

TEST(Split, MovesUsersOnceWhileTheWeightGrows) {
  std::set<int> before;
  for (int percent = 0; percent <= 100; percent += 5) {
    const std::set<int> now = candidates(sticky(percent / 100.0), 2000);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()));
    before = now;
  }
  EXPECT_EQ(before.size(), 2000u);
  EXPECT_TRUE(candidates(sticky(0), 2000).empty());
}

TEST(Split, DealsUsersAnewWithAnotherSalt) {
  const std::set<int> one = candidates(sticky(0.5), 4000),
                      two = candidates(sticky(0.5, "two"), 4000);
  std::set<int> both;
  std::set_intersection(one.begin(), one.end(), two.begin(), two.end(),
                        std::inserter(both, both.end()));
  EXPECT_NEAR(static_cast<double>(both.size()), 1000, 120);
}

TEST(Split, KeepsAUsersSideAndKeyFromOneReleaseToTheNext) {
  // Who is on which side must not change when a gateway is replaced by a newer one.
  const Assignment made = assign(sticky(0.5), "ada", 0);
  EXPECT_EQ(made.key, hash_bytes("ada", hash_bytes("one", 2)));
  EXPECT_EQ(hash_bytes("ada", 1), 0xbc32b4c807d5c736u);
  EXPECT_EQ(hash_bytes("somebody@example.org", 0), 0xf0331423309c3250u);
}

TEST(Split, TellsNothingOfTheArmByTheKey) {
  int greater = 0, all = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Assignment made = assign(sticky(0.3), user(i), 0);
    if (made.arm != Arm::kCandidate) continue;
    ++all;
    greater += made.key > (~std::uint64_t{0} >> 1) ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(greater) / all, 0.5, 0.03);
}

TEST(Split, TakesARequestWithoutAUserByItself) {
  EXPECT_EQ(assign(sticky(0.5), "", 0).arm, Arm::kCandidate);
  EXPECT_EQ(assign(sticky(0.5), "", ~std::uint64_t{0}).arm, Arm::kStable);
  EXPECT_EQ(assign(sticky(0.5), "", 0).key, rollout::Request::kOwnKey);
  Split each = sticky(0.5);
  each.sticky_by = StickyBy::kRequest;
  EXPECT_EQ(assign(each, "ada", ~std::uint64_t{0}).arm, Arm::kStable);
  EXPECT_EQ(assign(each, "ada", 0).key, rollout::Request::kOwnKey);
}

TEST(Split, DrawsForAShadowAsForACanary) {
  Split shadow = sticky(0.5);
  for (const std::string user : {"ada", "bob", "cleo", "dan", "eve", "fred"}) {
    shadow.shadow = false;
    const Arm canary = assign(shadow, user, 0).arm;
    shadow.shadow = true;
    EXPECT_EQ(assign(shadow, user, 0).arm, canary);
  }
}

TEST(Split, SendsNobodyToNoCandidate) {
  Split alone = sticky(0);
  alone.candidate.clear();
  EXPECT_EQ(assign(alone, "ada", 0).arm, Arm::kStable);
}

}  // namespace
}  // namespace serin::gateway
