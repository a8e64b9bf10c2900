// SPDX-License-Identifier: Apache-2.0
#include "platform/local/plan.h"

#include <gmock/gmock.h>

#include <map>

namespace serin::platform::local {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

Seat seat(std::int64_t serial, ReplicaState state, bool current = true) {
  Seat made;
  made.serial = serial;
  made.state = state;
  made.current = current;
  return made;
}
Wish wish(int replicas, std::vector<Seat> seats = {}) {
  Wish made;
  made.service = "story";
  made.label = "v1";
  made.replicas = replicas;
  made.seats = std::move(seats);
  return made;
}
std::vector<std::int64_t> retired(const Plan& plan) {
  std::vector<std::int64_t> serials;
  for (const Retire& one : plan.retires) serials.push_back(one.serial);
  return serials;
}

TEST(LocalPlan, StartsWhatIsMissing) {
  const Plan made = plan({wish(3, {seat(1, ReplicaState::kReady)})}, {});
  EXPECT_EQ(made.starts.size(), 2U);
  EXPECT_THAT(made.retires, IsEmpty());
}

TEST(LocalPlan, LeavesEnoughAlone) {
  for (const ReplicaState state :
       {ReplicaState::kReady, ReplicaState::kUnready, ReplicaState::kBackoff,
        ReplicaState::kCrashLoop, ReplicaState::kStarting}) {
    const Plan made = plan({wish(1, {seat(1, state)})}, {});
    EXPECT_THAT(made.starts, IsEmpty());
    EXPECT_THAT(made.retires, IsEmpty());
  }
}

TEST(LocalPlan, RetiresTheYoungestOfThoseThatAreNotReadyFirst) {
  const Plan made = plan({wish(1, {seat(1, ReplicaState::kReady), seat(2, ReplicaState::kUnready),
                                   seat(3, ReplicaState::kReady)})},
                         {});
  EXPECT_THAT(retired(made), ElementsAre(2, 3));
}

TEST(LocalPlan, StartsASuccessorBesideTheOldOne) {
  const Plan made = plan({wish(1, {seat(1, ReplicaState::kReady, false)})}, {});
  EXPECT_EQ(made.starts.size(), 1U);
  EXPECT_THAT(made.retires, IsEmpty());
}

TEST(LocalPlan, KeepsTheOldOneUntilItsSuccessorIsReady) {
  const Seat old = seat(1, ReplicaState::kReady, false);
  Plan made = plan({wish(1, {old, seat(2, ReplicaState::kStarting)})}, {});
  EXPECT_THAT(made.starts, IsEmpty());
  EXPECT_THAT(made.retires, IsEmpty());
  made = plan({wish(1, {old, seat(2, ReplicaState::kReady)})}, {});
  EXPECT_THAT(retired(made), ElementsAre(1));
}

TEST(LocalPlan, ReplacesManyOneAfterTheOtherWithOneMoreThanWanted) {
  std::vector<Seat> seats;
  for (int i = 1; i <= 3; ++i) seats.push_back(seat(i, ReplicaState::kReady, false));
  std::int64_t next = 4;
  std::size_t most = 0;
  for (int round = 0; round < 20; ++round) {
    const Plan made = plan({wish(3, seats)}, {});
    for (const std::int64_t serial : retired(made))
      std::erase_if(seats, [&](const Seat& one) { return one.serial == serial; });
    for (std::size_t i = 0; i < made.starts.size(); ++i)
      seats.push_back(seat(next++, ReplicaState::kReady));
    EXPECT_GE(seats.size(), 3U);
    most = std::max(most, seats.size());
  }
  EXPECT_EQ(most, 4U);
  EXPECT_TRUE(std::ranges::all_of(seats, &Seat::current));
}

TEST(LocalPlan, DropsAnOldOneAtOnceThatServesNobody) {
  const Plan made = plan({wish(1, {seat(1, ReplicaState::kCrashLoop, false)})}, {});
  EXPECT_THAT(retired(made), ElementsAre(1));
  EXPECT_EQ(made.starts.size(), 1U);
}

TEST(LocalPlan, EndsEverythingOfAVersionThatNobodyWants) {
  const Plan made =
      plan({wish(0, {seat(1, ReplicaState::kReady), seat(2, ReplicaState::kReady, false)})}, {});
  EXPECT_THAT(retired(made), ElementsAre(1, 2));
  EXPECT_THAT(made.starts, IsEmpty());
}

TEST(LocalPlan, GivesEachReplicaGpusOfItsOwn) {
  Wish wanted = wish(2);
  wanted.resources.gpus = 2;
  Wish other = wish(1, {seat(1, ReplicaState::kReady)});
  other.seats[0].gpus = {1};
  other.seats[0].resources.gpus = other.resources.gpus = 1;
  Room room;
  room.gpus = 6;
  const Plan made = plan({other, wanted}, room);
  ASSERT_EQ(made.starts.size(), 2U);
  EXPECT_THAT(made.starts[0].gpus, ElementsAre(0, 2));
  EXPECT_THAT(made.starts[1].gpus, ElementsAre(3, 4));
}

TEST(LocalPlan, LetsTheOldOneGoFirstWhereThereIsNoRoomForBoth) {
  Wish wanted = wish(1, {seat(1, ReplicaState::kReady, false)});
  wanted.resources.gpus = wanted.seats[0].resources.gpus = 1;
  wanted.seats[0].gpus = {0};
  Room room;
  room.gpus = 1;
  Plan made = plan({wanted}, room);
  EXPECT_THAT(made.starts, IsEmpty());
  ASSERT_THAT(retired(made), ElementsAre(1));
  EXPECT_TRUE(made.retires[0].made_room);
  wanted.seats[0].state = ReplicaState::kStopping;
  made = plan({wanted}, room);
  EXPECT_THAT(made.starts, IsEmpty());
  EXPECT_THAT(made.refusals, IsEmpty());
  wanted.seats.clear();
  EXPECT_EQ(plan({wanted}, room).starts.size(), 1U);
}

TEST(LocalPlan, KeepsTheOldOneWhenItsSuccessorWouldNotFitWithoutItEither) {
  Wish wanted = wish(1, {seat(1, ReplicaState::kReady, false)});
  wanted.resources.memory_bytes = 8 * kGiB;
  wanted.seats[0].resources.memory_bytes = kGiB;
  Room room;
  room.memory_bytes = 4 * kGiB;
  const Plan made = plan({wanted}, room);
  EXPECT_THAT(made.retires, IsEmpty());
  ASSERT_EQ(made.refusals.size(), 1U);
  EXPECT_EQ(made.refusals[0].missing, 1);
  EXPECT_THAT(made.refusals[0].why, HasSubstr("it needs 8192 MiB, and 3072 MiB"));
}

TEST(LocalPlan, SaysWhatDoesNotFitAndStartsTheRest) {
  Wish large = wish(3);
  large.resources.memory_bytes = kGiB;
  Room room;
  room.memory_bytes = 2 * kGiB;
  const Plan made = plan({large, wish(1)}, room);
  EXPECT_EQ(made.starts.size(), 3U);
  ASSERT_EQ(made.refusals.size(), 1U);
  EXPECT_EQ(made.refusals[0].wish, 0U);
  EXPECT_EQ(made.refusals[0].missing, 1);
}

TEST(LocalPlan, BoundsTheReplicasOfTheMachine) {
  Room room;
  room.replicas = 2;
  const Plan made = plan({wish(5)}, room);
  EXPECT_EQ(made.starts.size(), 2U);
  ASSERT_EQ(made.refusals.size(), 1U);
  EXPECT_EQ(made.refusals[0].missing, 3);
}

}  // namespace
}  // namespace serin::platform::local
