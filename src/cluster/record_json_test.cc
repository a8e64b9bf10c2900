// SPDX-License-Identifier: Apache-2.0
#include "cluster/record_json.h"

#include <gmock/gmock.h>

#include "control/record_for_test.h"

namespace serin::cluster {
namespace {

using control::ServiceRecord;

std::string refused(const json::value& value) {
  const auto read = service_from(value);
  if (read) return "it was read";
  EXPECT_EQ(read.error().code, Code::kDataLoss);
  return read.error().message;
}

// `service` as JSON with another value at a field.
json::value with(std::string_view field, json::value value) {
  json::object object = to_json(control::a_service());
  object[field] = std::move(value);
  return object;
}

TEST(RecordJson, GivesBackAServiceWithAllThatItHas) {
  ServiceRecord service = control::a_service();
  service.targets["chat"] = R"({"url":"https://example.com"})";
  service.rollout->undo = true;
  service.rollout->ending = control::Ending::kRolledBack;
  service.rollout->ended = control::at(99);
  const auto read = service_from(to_json(service));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, service);
}

TEST(RecordJson, IsReadableWhateverAWorkerSaid) {
  control::Event event = {.id = 1,
                          .time = control::at(1),
                          .service = "story",
                          .version = "v1",
                          .reason = "WorkerEnded",
                          .message = "it said: caf\xc3"};
  const auto read = parse_json(json::serialize(to_json(event)));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(event_from(*read)->message, "it said: caf?");
  event.message = "it said: café";
  EXPECT_EQ(event_from(to_json(event))->message, event.message);
}

TEST(RecordJson, LeavesUnsetWhatIsNotThere) {
  ServiceRecord service = control::a_service();
  service.rollout->unready_since.reset();
  EXPECT_EQ(service_from(to_json(service))->rollout, service.rollout);
  service.rollout.reset();
  EXPECT_EQ(*service_from(to_json(service)), service);
}

TEST(RecordJson, ReadsWhatTheReleaseBeforeOrAfterWrote) {
  const auto read = service_from({{"name", "story"}, {"later", {1, 2, 3}}});
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ServiceRecord expected;
  expected.name = "story";
  EXPECT_EQ(*read, expected);
}

TEST(RecordJson, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(refused(7), "it is no object");
  EXPECT_EQ(refused(with("name", 7)), "name is no text");
  EXPECT_EQ(refused(with("generation", "many")), "generation is no whole number");
  EXPECT_EQ(refused(with("generation", 1.5)), "generation is no whole number");
  EXPECT_EQ(refused(with("routed", "yes")), "routed is neither true nor false");
  EXPECT_EQ(refused(with("targets", json::array())), "targets is no object");
  EXPECT_EQ(refused(with("targets", {{"chat", 7}})), "targets.chat is no text");
  EXPECT_EQ(refused(with("versions", 7)), "versions is no list");
  EXPECT_EQ(refused(with("versions", {{{"state", "dancing"}}})),
            "versions: state: the stored state \"dancing\" is not known");
  EXPECT_EQ(refused(with("rollout", {{"stableCrashes", -1}})),
            "rollout: stableCrashes is no whole number");
}

}  // namespace
}  // namespace serin::cluster
