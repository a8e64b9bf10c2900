// SPDX-License-Identifier: Apache-2.0
#include "net/http/router.h"

#include <gtest/gtest.h>

namespace serin::net {
namespace {

class RouterTest : public testing::Test {
 protected:
  void add(const std::string& method, const std::string& pattern) {
    router_.add(method, pattern,
                [this, pattern](auto, const PathParameters&) { called_ = pattern; });
  }
  // The pattern that `path` goes to; empty for none.
  std::string route(const std::string& method, const std::string& path) {
    match_ = router_.match(method, path);
    called_.clear();
    if (match_.handler) (*match_.handler)(nullptr, match_.parameters);
    return called_;
  }
  Router router_;
  Router::Match match_;
  std::string called_;
};

TEST_F(RouterTest, TakesParametersAndWhatFollowsThem) {
  add("GET", "/v1/models/{model}");
  add("POST", "/v1/models/{model}:predict");
  EXPECT_EQ(route("GET", "/v1/models/a b"), "/v1/models/{model}");
  EXPECT_EQ(match_.parameters.at("model"), "a b");
  EXPECT_EQ(route("POST", "/v1/models/m:v1:predict"), "/v1/models/{model}:predict");
  EXPECT_EQ(match_.parameters.at("model"), "m:v1");
  EXPECT_EQ(route("POST", "/v1/models/:predict"), "");
  EXPECT_EQ(route("GET", "/v1/models/"), "");
  EXPECT_EQ(route("GET", "/v1/models/a/b"), "");
  EXPECT_EQ(route("GET", "v1/models/a"), "");
  EXPECT_EQ(route("GET", ""), "");
}

TEST_F(RouterTest, PrefersLiteralsWhateverTheOrder) {
  add("GET", "/v2/models/{model}/ready");
  add("GET", "/v2/models/{model}/{what}");
  add("GET", "/v2/{any}/x/ready");
  EXPECT_EQ(route("GET", "/v2/models/x/ready"), "/v2/models/{model}/ready");
  EXPECT_EQ(route("GET", "/v2/models/x/stats"), "/v2/models/{model}/{what}");
  EXPECT_EQ(match_.parameters.at("what"), "stats");
  EXPECT_EQ(route("GET", "/v2/other/x/ready"), "/v2/{any}/x/ready");
}

TEST_F(RouterTest, NamesTheMethodsOfAPath) {
  add("POST", "/a");
  add("DELETE", "/a");
  add("GET", "/b");
  EXPECT_EQ(route("GET", "/a"), "");
  EXPECT_EQ(match_.allowed, (std::vector<std::string>{"DELETE", "POST"}));
  EXPECT_EQ(route("GET", "/c"), "");
  EXPECT_TRUE(match_.allowed.empty());
}

TEST_F(RouterTest, AbortsWhenARouteIsAddedTwice) {
  add("GET", "/a/{x}");
  EXPECT_DEATH(add("GET", "/a/{x}"), "");
}

}  // namespace
}  // namespace serin::net
