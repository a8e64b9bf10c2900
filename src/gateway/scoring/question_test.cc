// SPDX-License-Identifier: Apache-2.0
// Questions of Serin's own, by the admin API, to services of real servers.
#include "gateway/scoring/question.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>

#include "gateway/gateway_for_test.h"

namespace serin::gateway {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAsk = R"({"instances":[{"answer":"x"}]})";

net::Response asked(const TestGateway& gateway, const std::string& service,
                    const std::string& within = "60s") {
  return gateway.admin("POST", "/ask?service=" + service + "&within=" + within, std::string(kAsk));
}

TEST(Question, GoesToTheStableVersionAndIsEvidenceOfNothing) {
  FakeWorker stable(says(R"({"predictions":[]})")), candidate(says("no"));
  Service service = service_of("a", {stable.url()});
  service.versions.push_back({"v2", {}, false, {{"r2", candidate.url()}}});
  service.split.candidate = "v2";
  service.split.weight = 1;
  service.sample = 1;
  service.access.key_file = "/no/such/file";
  const TestGateway gateway({service});
  const net::Response answer = asked(gateway, "a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"predictions":[]})");
  ASSERT_EQ(stable.asked().size(), 1u);
  const auto [head, body] = stable.asked().at(0);
  EXPECT_EQ(head.method + " " + head.path, "POST /v1/models/a:predict");
  EXPECT_EQ(head.headers.get("serin-copy"), "score");
  EXPECT_EQ(body, kAsk);
  EXPECT_TRUE(gateway.evidence("a").empty());
  EXPECT_EQ(gateway.admin("GET", "/samples?service=a&scorer=judge").body, "");
}

TEST(Question, IsAnsweredWithWhatTheWorkerSaysIsWrong) {
  FakeWorker worker(says("answer: is not a field of this model", 400));
  const TestGateway gateway({service_of("a", {worker.url()})});
  const net::Response answer = asked(gateway, "a");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "answer: is not a field of this model");
}

TEST(Question, ToNobodyOrToOneWhoSaysNothingOrTooMuchFails) {
  Holder holder;
  FakeWorker hangs(holder.answer()), talks(says(std::string(70'000, 'x')));
  const TestGateway gateway(
      {service_of("hangs", {hangs.url()}), service_of("talks", {talks.url()})});
  EXPECT_EQ(asked(gateway, "nobody").status, 404);
  EXPECT_THAT(asked(gateway, "nobody").body, HasSubstr("there is no service"));
  const net::Response late = asked(gateway, "hangs", "200ms");
  EXPECT_EQ(late.status, 504);
  EXPECT_THAT(late.body, HasSubstr("hangs gave no answer: deadline"));
  EXPECT_THAT(asked(gateway, "talks").body, HasSubstr("longer than 64 KiB"));
  EXPECT_EQ(asked(gateway, "talks", "soon").status, 400);
}

TEST(Question, MustSayHowLongThereIs) {
  FakeWorker worker(says("yes"));
  const TestGateway gateway({service_of("a", {worker.url()})});
  const net::Response answer = gateway.admin("POST", "/ask?service=a", std::string(kAsk));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("within must say"));
}

TEST(Question, EndsWithWhoAsked) {
  std::atomic<bool> told{false};
  FakeWorker hangs([&](const std::shared_ptr<net::Exchange>& exchange, const std::string&) {
    exchange->on_gone([&told, exchange] { told = true; });
  });
  const TestGateway gateway({service_of("a", {hangs.url()})});
  net::ClientRequest request = gateway.admin_request("POST", "/ask?service=a&within=600s");
  request.body = kAsk;
  const CancelToken cancel = request.cancel;
  const auto asker =
      std::async(std::launch::async, [&] { return gateway.client().fetch(std::move(request)); });
  ASSERT_TRUE(eventually([&] { return hangs.asked().size() == 1; }));
  cancel.cancel();
  EXPECT_TRUE(eventually([&] { return told.load(); }));
}

TEST(Question, IsBoundedAsCopiesAre) {
  FakeWorker worker(says("yes"));
  GatewayOptions options;
  options.copies.of_service = 0;
  const TestGateway gateway({service_of("a", {worker.url()})}, 1, options);
  const net::Response answer = asked(gateway, "a");
  EXPECT_EQ(answer.status, 429);
  EXPECT_THAT(answer.body, HasSubstr("--copies"));
  EXPECT_TRUE(worker.asked().empty());
}

}  // namespace
}  // namespace serin::gateway
