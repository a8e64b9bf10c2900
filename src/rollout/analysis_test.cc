// SPDX-License-Identifier: Apache-2.0
#include "rollout/analysis.h"

#include <gtest/gtest.h>

#include <random>

namespace serin::rollout {
namespace {


}  // namespace
}  // namespace serin::rollout
