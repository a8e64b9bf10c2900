// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/platform/facts.h"

#include <gmock/gmock.h>

#include <atomic>

#include "base/eventually_for_test.h"
#include "net/http/server.h"
#include "platform/kubernetes/objects/names.h"
#include "platform/kubernetes/platform/loopback_for_test.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;

class FactsTest : public testing::Test {
 protected:
  FactsTest() {
    net::ServerOptions options;
    options.address = kAddress;
    options.port = kWorkerPort;
    server_ = *net::Server::create(options, [this](const std::shared_ptr<net::Exchange>& exchange) {
      ++asked_;
      exchange->respond({200, {}, says_});
    });
  }
  static Object pod(const std::string& uid, bool ready, const std::string& label = "v1") {
    json::value made{
        {"metadata", {{"name", uid}, {"uid", uid}, {"labels", {{kVersionLabel, label}}}}},
        {"status",
         {{"podIP", kAddress},
          {"conditions",
           json::array{json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}}}}}}};
    return std::make_shared<const json::value>(std::move(made));
  }

  static inline const std::string kAddress = loopback(0);
  std::string says_ = R"({"serin_profile": "cpu/avx2/1", "serin_reproducible": "bitwise"})";
  std::atomic<int> asked_{0};
  std::unique_ptr<net::Server> server_;
  ManualClock clock_;
  std::unique_ptr<FactsOfWorkers> facts_ = *FactsOfWorkers::create(clock_);
};

TEST_F(FactsTest, AreAskedOnceOfAWorkerThatIsReady) {
  EXPECT_THAT(facts_->of({pod("a", false), pod("gateway", true, "")}), IsEmpty());
  ASSERT_TRUE(eventually([&] { return facts_->of({pod("a", true)}).contains("a"); }));
  EXPECT_EQ(facts_->of({pod("a", true)}).at("a").reproducible, "bitwise");
  EXPECT_EQ(facts_->of({pod("a", false)}).at("a").profile, "cpu/avx2/1");  // also while it is busy
  EXPECT_EQ(asked_, 1);
  EXPECT_THAT(facts_->of({}), IsEmpty());
}

TEST_F(FactsTest, AreAskedAgainAfterAWhileWhereNothingWasSaid) {
  says_ = "{}";
  ASSERT_TRUE(eventually([&] { return facts_->of({pod("a", true)}).empty() && asked_ == 1; }));
  clock_.advance(11s);
  ASSERT_TRUE(eventually([&] { return facts_->of({pod("a", true)}).empty() && asked_ == 2; }));
}

}  // namespace
}  // namespace serin::platform::kubernetes
