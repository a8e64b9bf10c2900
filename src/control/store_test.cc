// SPDX-License-Identifier: Apache-2.0
#include "control/store.h"

#include <array>

#include "base/files.h"
#include "base/sqlite.h"
#include "control/store_contract_for_test.h"

namespace serin::control {
namespace {

// A file in a folder of its own.
class FileWorld final : public StoreWorld {
 public:
  std::unique_ptr<Store> open(const StoreLimits& limits) override {
    auto store = open_store(folder_.path() / "control.db", limits);
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
  }
  std::filesystem::path file() const { return folder_.path() / "control.db"; }

 private:
  TemporaryDirectory folder_ = *TemporaryDirectory::create("store");
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         testing::Values(MakeStoreWorld{
                             "Sqlite", [] { return std::make_unique<FileWorld>(); }}));

TEST(Store, AnErasedServiceLeavesItsEvents) {
  FileWorld world;
  const auto store = world.open({});
  const Event created = an_event("Created");
  const Event deleted = an_event("Deleted");
  ASSERT_TRUE(store->commit(a_service(), {&created, 1}));
  ASSERT_TRUE(store->erase("story", {&deleted, 1}));
  EXPECT_TRUE(store->load()->empty());
  EXPECT_TRUE(store->history("story", 10)->empty());
  EXPECT_THAT(reasons(*store, {}), testing::ElementsAre("Created", "Deleted"));
}

TEST(Store, SaysThatAStateIsOfANewerSerin) {
  FileWorld world;
  ASSERT_TRUE(world.open({})->commit(a_service(), {}));
  {
    constexpr std::array<std::string_view, 1> kNone{""};
    auto database = Database::open(world.file(), kNone, 1);
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE(database->run("UPDATE rollouts SET phase = 'dancing'"));
  }
  const auto loaded = world.open({})->load();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, Code::kDataLoss);
  EXPECT_THAT(loaded.error().message, testing::HasSubstr("dancing"));
}

}  // namespace
}  // namespace serin::control
