// SPDX-License-Identifier: Apache-2.0
// Faults on purpose, fallbacks, and how an attempt's end is named.
#include <gtest/gtest.h>

#include "gateway/policy/attempt.h"
#include "gateway/policy/fallback.h"
#include "gateway/policy/fault.h"

namespace serin::gateway {
namespace {

TEST(Attempt, IsNamedByWhoseFaultItWas) {
  for (const auto& [status, end] : {std::pair{200, AttemptEnd::kAnswered},
                                    {404, AttemptEnd::kAnswered},
                                    {429, AttemptEnd::kFull},
                                    {500, AttemptEnd::kServerError},
                                    {501, AttemptEnd::kServerError},
                                    {502, AttemptEnd::kGatewayError},
                                    {504, AttemptEnd::kGatewayError},
                                    {505, AttemptEnd::kServerError}})
    EXPECT_EQ(end_of_status(static_cast<std::uint16_t>(status)), end) << status;
}

TEST(Faults, ComeInTheirPercentages) {
  const FaultRules rules{.delay_percentage = 10,
                         .fixed_delay = milliseconds(500),
                         .abort_percentage = 1,
                         .http_status = 418};
  EXPECT_EQ(fault_for(rules, {}, 0.0999, 0.5).delay, milliseconds(500));
  EXPECT_EQ(fault_for(rules, {}, 0.1, 0.5).delay, Duration{});
  EXPECT_EQ(fault_for(rules, {}, 0.5, 0.0099).status, 418);
  EXPECT_EQ(fault_for(rules, {}, 0.5, 0.01).status, 0);
  const Fault both = fault_for(rules, {}, 0, 0);
  EXPECT_EQ(both.status, 418);
  EXPECT_EQ(both.delay, milliseconds(500));
}

TEST(Faults, OfAHundredPercentAlwaysCome) {
  EXPECT_EQ(fault_for({.abort_percentage = 100}, {}, 0.999999, 0.999999).status, 503);
}

TEST(Faults, MayBeForMarkedRequestsOnly) {
  const FaultRules rules{.abort_percentage = 100, .header = "x-test-faults"};
  EXPECT_EQ(fault_for(rules, {}, 0, 0).status, 0);
  EXPECT_EQ(fault_for(rules, {{"x-test-faults", ""}}, 0, 0).status, 503);
}

TEST(Faults, AreNoneByDefault) {
  EXPECT_EQ(fault_for({}, {}, 0, 0).status, 0);
  EXPECT_EQ(fault_for({}, {}, 0, 0).delay, Duration{});
}

TEST(Fallback, GoesToTheOtherVersionThenAnotherServiceThenAFixedAnswer) {
  const FallbackRules rules{
      .other_version = true, .service = "small", .answer = FixedAnswer{200, "text/plain", "later"}};
  Visited visited{{"big"}, {"v2"}};
  EXPECT_EQ(next_fallback(rules, visited, {"v1", "v2"}), Fallback(ToVersion{"v1"}));
  visited.versions.emplace_back("v1");
  EXPECT_EQ(next_fallback(rules, visited, {"v1", "v2"}), Fallback(ToService{"small"}));
  visited.services.emplace_back("small");
  EXPECT_EQ(next_fallback(rules, visited, {"v1", "v2"}),
            Fallback(FixedAnswer{200, "text/plain", "later"}));
}

TEST(Fallback, IsNoneByDefault) {
  EXPECT_FALSE(next_fallback({}, {{"big"}, {"v1"}}, {"v1", "v2"}));
}

TEST(Fallback, NeedsAnotherVersionThatThereIs) {
  EXPECT_FALSE(next_fallback({.other_version = true, .service = {}, .answer = {}},
                             {{"big"}, {"v1"}}, {"v1", ""}));
}

TEST(Fallback, EndsWhereServicesFallBackOnEachOther) {
  const FallbackRules to_a{.other_version = false, .service = "a", .answer = {}};
  EXPECT_EQ(next_fallback(to_a, {{"b"}, {}}, {}), Fallback(ToService{"a"}));
  EXPECT_FALSE(next_fallback(to_a, {{"a", "b"}, {}}, {}));
  EXPECT_FALSE(next_fallback({.other_version = false, .service = "e", .answer = {}},
                             {{"a", "b", "c", "d"}, {}}, {}))
      << "four services are enough";
}

}  // namespace
}  // namespace serin::gateway
