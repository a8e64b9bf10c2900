// SPDX-License-Identifier: Apache-2.0
#include "platform/local/records.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace serin::platform::local {
namespace {

class RecordBookTest : public testing::Test {
 protected:
  void SetUp() override { open(); }
  void open() {
    book_.reset();
    auto opened = RecordBook::open(folder_.path() / "local.db");
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    book_.emplace(*std::move(opened));
  }
  Records load() {
    auto records = book_->load();
    EXPECT_TRUE(records.has_value()) << records.error().message;
    return records ? *std::move(records) : Records();
  }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  std::optional<RecordBook> book_;
};

TEST_F(RecordBookTest, HasEverythingAgainWhenItIsOpenedAgain) {
  VersionRecord version;
  version.spec.service = "story";
  version.spec.label = "v1";
  version.spec.model = {"story:v1", "sha256:1", "/registry/1"};
  version.spec.replicas = 2;
  version.spec.resources = {1.5, 7, 2};
  version.remote = true;
  version.crashes = 3;
  ASSERT_TRUE(book_->put(version).has_value());
  ReplicaRecord replica;
  replica.service = "story";
  replica.label = "v1";
  replica.generation = "g";
  replica.resources = {1.5, 7, 2};
  replica.gpus = {0, 3};
  replica.process = {42, 99, "boot"};
  replica.ready = replica.leaving = true;
  replica.profile = "cpu";
  replica.reproducible = "bitwise";
  replica.restarts = 4;
  replica.short_runs = 5;
  replica.message = "it's \"quoted\"";
  ASSERT_TRUE(book_->put(replica).has_value());
  EXPECT_GT(replica.serial, 0);
  EXPECT_EQ(replica.id(), "story-v1-" + std::to_string(replica.serial));
  GatewayRecord gateway{0, {43, 98, "boot"}, "g"};
  ASSERT_TRUE(book_->put(gateway).has_value());
  ASSERT_TRUE(book_->set_number("port", 8080).has_value());
  open();
  const Records records = load();
  ASSERT_EQ(records.versions.size(), 1U);
  EXPECT_EQ(records.versions[0].spec.model.root, "/registry/1");
  EXPECT_EQ(records.versions[0].spec.replicas, 2);
  EXPECT_EQ(records.versions[0].spec.resources.cpus, 1.5);
  EXPECT_EQ(records.versions[0].crashes, 3U);
  EXPECT_TRUE(records.versions[0].remote);
  ASSERT_EQ(records.replicas.size(), 1U);
  EXPECT_EQ(records.replicas[0].process, replica.process);
  EXPECT_EQ(records.replicas[0].gpus, replica.gpus);
  EXPECT_EQ(records.replicas[0].message, replica.message);
  EXPECT_EQ(records.replicas[0].short_runs, 5);
  EXPECT_TRUE(records.replicas[0].ready && records.replicas[0].leaving);
  ASSERT_EQ(records.gateways.size(), 1U);
  EXPECT_EQ(records.gateways[0].process, gateway.process);
  EXPECT_EQ(*book_->number("port"), 8080);
  EXPECT_EQ(*book_->number("other"), 0);
}

TEST_F(RecordBookTest, NeverGivesASerialTwice) {
  ReplicaRecord first, second;
  ASSERT_TRUE(book_->put(first).has_value());
  ASSERT_TRUE(book_->drop_replica(first.serial).has_value());
  open();
  ASSERT_TRUE(book_->put(second).has_value());
  EXPECT_GT(second.serial, first.serial);
}

TEST_F(RecordBookTest, PutsTheSameAgainInItsPlace) {
  ReplicaRecord replica;
  ASSERT_TRUE(book_->put(replica).has_value());
  replica.message = "later";
  ASSERT_TRUE(book_->put(replica).has_value());
  ASSERT_EQ(load().replicas.size(), 1U);
  EXPECT_EQ(load().replicas[0].message, "later");
  EXPECT_EQ(load().replicas[0].serial, replica.serial);
}

TEST_F(RecordBookTest, ForgetsWhatIsDropped) {
  VersionRecord version;
  version.spec.service = "story";
  version.spec.label = "v1";
  ASSERT_TRUE(book_->put(version).has_value());
  ASSERT_TRUE(book_->drop_version("story", "v1").has_value());
  EXPECT_TRUE(load().versions.empty());
}

TEST(TrafficRecord, ComesBackAsItWas) {
  Traffic traffic;
  traffic.service = "story";
  traffic.stable = "v1";
  traffic.candidate = "v2";
  traffic.weight = 30;
  traffic.salt = "s";
  traffic.shadow = traffic.by_user = true;
  traffic.user_header = "x-user";
  traffic.sample = 0.25;
  traffic.resilience = {{"timeout", "5s"}};
  traffic.access = {{"keyFile", "/etc/keys.yaml"}};
  const auto read = read_traffic(write_traffic(traffic));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(write_traffic(*read), write_traffic(traffic));
  EXPECT_EQ(read->weight, 30);
  EXPECT_TRUE(read->shadow && read->by_user);
  EXPECT_EQ(read->access, traffic.access);
  for (const char* wrong : {"", "[]", "{}", R"({"service":"story","stable":"v1","weight":101})",
                            R"({"service":"story","stable":"v1","access":"keys"})"})
    EXPECT_FALSE(read_traffic(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace serin::platform::local
