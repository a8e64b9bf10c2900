// SPDX-License-Identifier: Apache-2.0
#include "telemetry/merge.h"

#include <gtest/gtest.h>

#include "telemetry/metrics.h"

namespace serin::telemetry {
namespace {

TEST(MergeExpositions, KeepsAFamilyTogetherAndSaysOnceWhatItIs) {
  Registry one({{"namespace", "a"}});
  Registry two({{"namespace", "b"}});
  one.counter("serin_passes_total", "Passes.").add(3);
  two.counter("serin_passes_total", "Passes.").add(4);
  one.gauge("serin_age", "Its age.").set(1);
  two.gauge("serin_weight", "Its weight.").set(2);
  EXPECT_EQ(merge_expositions({one.expose(), two.expose()}),
            "# HELP serin_age Its age.\n"
            "# TYPE serin_age gauge\n"
            "serin_age{namespace=\"a\"} 1\n"
            "# HELP serin_passes_total Passes.\n"
            "# TYPE serin_passes_total counter\n"
            "serin_passes_total{namespace=\"a\"} 3\n"
            "serin_passes_total{namespace=\"b\"} 4\n"
            "# HELP serin_weight Its weight.\n"
            "# TYPE serin_weight gauge\n"
            "serin_weight{namespace=\"b\"} 2\n");
}

TEST(MergeExpositions, OfOneTextIsThatText) {
  Registry registry({{"namespace", "a"}});
  registry.histogram("serin_seconds", "How long.", {0.1, 10, 10}).observe(0.5);
  EXPECT_EQ(merge_expositions({registry.expose()}), registry.expose());
  EXPECT_EQ(merge_expositions({}), "");
}

}  // namespace
}  // namespace serin::telemetry
