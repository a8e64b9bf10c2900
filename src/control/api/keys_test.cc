// SPDX-License-Identifier: Apache-2.0
#include "control/api/keys.h"

#include <gmock/gmock.h>

#include "base/digest.h"
#include "base/files.h"
#include "base/log.h"

namespace serin::control::api {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

std::string key_text(const std::string& name, const std::string& secret,
                     const std::string& more = "scopes: [read]") {
  return "- {name: " + name + ", hashes: [" + sha256_hex(secret) + "], " + more + "}\n";
}

TEST(ControlKeys, AreKnownByTheirHashesAndHaveScopes) {
  const auto ring = KeyRing::parse(
      "keys:\n" + key_text("ci", "one", "scopes: [read, write]") + key_text("eyes", "two"), "keys");
  ASSERT_TRUE(ring.has_value()) << ring.error().message;
  EXPECT_TRUE(ring->find("one")->write);
  EXPECT_EQ(ring->find("two")->name, "eyes");
  EXPECT_FALSE(ring->find("two")->write);
  EXPECT_EQ(ring->find(sha256_hex("two")), nullptr);
}

TEST(ControlKeys, WhatIsWrongIsSaidWithItsPlace) {
  const auto error = [](const std::string& text) {
    return KeyRing::parse(text, "keys.yaml").error().message;
  };
  EXPECT_THAT(error("keys:\n- {name: a, hashes: [12ab], scopes: [read]}\n"),
              HasSubstr("keys.yaml:2:22: keys[0].hashes: must be SHA-256"));
  EXPECT_THAT(error("keys:\n" + key_text("a", "x", "scopes: [admin]")),
              HasSubstr("keys[0].scopes"));
  EXPECT_THAT(error("keys:\n" + key_text("a", "x", "scopes: []")), HasSubstr("keys[0].scopes"));
  EXPECT_THAT(error("keys:\n- {name: a, hashes: [12]}\n"), HasSubstr("scopes"));
  EXPECT_THAT(error("keys:\n" + key_text("a", "x") + key_text("a", "y")), HasSubstr("this name"));
  EXPECT_THAT(error("keys:\n" + key_text("a", "x") + key_text("b", "x")), HasSubstr("twice"));
  EXPECT_THAT(error("keys:\n" + key_text("a", "x", "scopes: [read], expires: 2027-02-30")),
              HasSubstr("must be a day"));
  EXPECT_THAT(error("[nonsense"), HasSubstr("keys.yaml:"));
}

class ControlKeyFile : public testing::Test {
 protected:
  ControlKeyFile() : folder_(*TemporaryDirectory::create("keys")) {
    log::configure({log::Level::kError, log::Form::kAuto});
  }
  std::filesystem::path file() { return folder_.path() / "keys.yaml"; }
  void write(const std::string& text) { ASSERT_TRUE(write_file(file(), text)); }

  TemporaryDirectory folder_;
  ManualClock clock_;
};

TEST_F(ControlKeyFile, AdmitsByScopeAndDay) {
  EXPECT_FALSE(KeyFile::open(file(), clock_).has_value());
  write("keys:\n" + key_text("eyes", "one") + key_text("hands", "two", "scopes: [write]") +
        key_text("past", "three", "scopes: [read], expires: 1970-01-01"));
  auto keys = KeyFile::open(file(), clock_);
  ASSERT_TRUE(keys.has_value()) << keys.error().message;
  EXPECT_EQ(keys->admit("Bearer one", Scope::kRead).value_or(""), "eyes");
  EXPECT_EQ(keys->admit("Bearer one", Scope::kWrite).error().reason, "scope_missing");
  EXPECT_EQ(keys->admit("Bearer two", Scope::kWrite).value_or(""), "hands");
  EXPECT_EQ(keys->admit("Bearer two", Scope::kRead).error().code, Code::kPermissionDenied);
  EXPECT_EQ(keys->admit("Bearer three", Scope::kRead).error().reason, "expired_api_key");
  for (const char* wrong : {"", "Bearer four", "Basic one", "Bearer "})
    EXPECT_EQ(keys->admit(wrong, Scope::kRead).error().reason, "invalid_api_key") << wrong;
}

TEST_F(ControlKeyFile, IsReadAgainWhenItChangesAndMistakesChangeNothing) {
  write("keys:\n" + key_text("old", "one"));
  auto keys = KeyFile::open(file(), clock_);
  write("keys:\n" + key_text("new", "two"));
  EXPECT_TRUE(keys->admit("Bearer one", Scope::kRead).has_value());
  clock_.advance(seconds(1));
  EXPECT_FALSE(keys->admit("Bearer one", Scope::kRead).has_value());
  EXPECT_TRUE(keys->admit("Bearer two", Scope::kRead).has_value());
  write("keys: [nonsense");
  clock_.advance(seconds(1));
  EXPECT_TRUE(keys->admit("Bearer two", Scope::kRead).has_value());
  std::filesystem::remove(file());
  clock_.advance(seconds(1));
  EXPECT_TRUE(keys->admit("Bearer two", Scope::kRead).has_value());
}

}  // namespace
}  // namespace serin::control::api
