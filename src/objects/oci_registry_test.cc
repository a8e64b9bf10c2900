// SPDX-License-Identifier: Apache-2.0
// Who is given credentials, and when. The rest of oci_registry.h is tested against a real registry,
// in oci_contract_test.cc.
#include "objects/oci_registry.h"

#include <gmock/gmock.h>

#include <mutex>

#include "base/base64.h"
#include "base/digest.h"
#include "base/files.h"
#include "net/http/server.h"
#include "objects/stores_for_test.h"

namespace serin::objects {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

const std::string kBasic = "Basic " + to_base64("user:secret");
const std::string kBytes = "the bytes";
const OciBlob kBlob{"application/octet-stream", "sha256:" + sha256_hex(kBytes), kBytes.size(), {}};

net::Response answer(std::uint16_t status, net::Headers headers = {}, std::string body = {}) {
  return {status, std::move(headers), std::move(body)};
}

// A server that remembers what it was asked: "METHOD path authorization".
class Host {
 public:
  explicit Host(std::function<net::Response(const net::RequestHead&)> reply)
      : reply_(std::move(reply)) {
    net::ServerOptions options;
    options.port = 0;
    server_ = *net::Server::create(std::move(options), [this](const auto& exchange) {
      exchange->read_body([this, exchange](const Result<std::string>&) {
        const net::RequestHead& head = exchange->head();
        const std::lock_guard lock(mutex_);
        asked_.push_back(head.method + " " + head.path + " " +
                         std::string(head.headers.get("authorization")));
        exchange->respond(reply_(head));
      });
    });
  }
  std::string name() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  std::vector<std::string> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  std::function<net::Response(const net::RequestHead&)> reply_;
  mutable std::mutex mutex_;
  std::vector<std::string> asked_;
  std::unique_ptr<net::Server> server_;
};

class OciRegistryTest : public testing::Test {
 protected:
  // With a file of logins that says this.
  std::unique_ptr<OciRegistry> open(const std::string& host, const std::string& logins) {
    const std::string file = (folder_->path() / "auth.json").string();
    EXPECT_TRUE(write_file(file, logins));
    const auto environment = [file](const char* name) {
      return std::string_view(name) == "REGISTRY_AUTH_FILE" ? std::optional(file) : std::nullopt;
    };
    return *OciRegistry::create(*parse_oci_url("oci://" + host + "/a:v1"), environment,
                                kRetryForTest);
  }
  static std::string login_for(const std::string& host) {
    return R"({"auths": {")" + host + R"(": {"auth": ")" + to_base64("user:secret") + R"("}}})";
  }
  static Status pull(OciRegistry& registry) {
    return registry.pull_blob(kBlob, 0, [](std::string_view) { return Status(); }, {});
  }

  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("registry");
};

// Somebody else, who wants a login, by itself or by a token service of its own.
class Stranger : public OciRegistryTest, public testing::WithParamInterface<const char*> {
 protected:
  Host stranger_{[this](const net::RequestHead& head) {
    if (head.path == "/token") return answer(200, {}, R"({"token": "t"})");
    std::string challenge = GetParam();
    if (challenge == "Bearer") challenge += " realm=\"http://" + stranger_.name() + "/token\"";
    return answer(401, {{"www-authenticate", challenge}});
  }};

  void expect_nothing_told() const {
    EXPECT_THAT(stranger_.asked(), Not(testing::IsEmpty()));
    EXPECT_THAT(stranger_.asked(), Each(AllOf(testing::EndsWith(" "), Not(HasSubstr("/token")))));
  }
};

INSTANTIATE_TEST_SUITE_P(Asking, Stranger, testing::Values("Bearer", "Basic realm=\"x\""));

TEST_P(Stranger, GetsNoCredentialsWhereABlobIs) {
  const Host registry([this](const net::RequestHead& head) {
    if (head.headers.get("authorization") != kBasic)
      return answer(401, {{"www-authenticate", "Basic realm=\"own\""}});
    return answer(307, {{"location", "http://" + stranger_.name() + "/blob"}});
  });
  const auto pulled = pull(*open(registry.name(), login_for(registry.name())));
  ASSERT_FALSE(pulled);
  EXPECT_EQ(pulled.error().code, Code::kUnauthenticated);
  EXPECT_THAT(pulled.error().message, HasSubstr(stranger_.name() + "/blob, where the registry"));
  EXPECT_THAT(registry.asked(), Contains(testing::EndsWith(kBasic)));
  expect_nothing_told();
}

TEST_P(Stranger, GetsNoCredentialsWhereABlobIsThatAnybodyMayHave) {
  const Host registry([this](const net::RequestHead&) {
    return answer(307, {{"location", "http://" + stranger_.name() + "/blob"}});
  });
  EXPECT_FALSE(pull(*open(registry.name(), login_for(registry.name()))));
  expect_nothing_told();
}

TEST_P(Stranger, GetsNoCredentialsWhereAnUploadGoes) {
  const Host registry([this](const net::RequestHead& head) {
    if (head.method == "HEAD") return answer(404);
    return answer(202, {{"location", "http://" + stranger_.name() + "/upload"}});
  });
  const auto pushed =
      open(registry.name(), login_for(registry.name()))->push_blob(kBlob, Body::bytes(kBytes), {});
  ASSERT_FALSE(pushed);
  EXPECT_EQ(pushed.error().code, Code::kUnauthenticated);
  expect_nothing_told();
}

TEST_F(OciRegistryTest, LooksForALoginOnceTheRegistryWantsOne) {
  const std::string no_helper = R"({"credsStore": "no-such-helper-anywhere"})";
  const Host open_one([](const net::RequestHead&) { return answer(200, {}, kBytes); });
  EXPECT_TRUE(pull(*open(open_one.name(), no_helper)));
  const Host closed([](const net::RequestHead&) {
    return answer(401, {{"www-authenticate", "Basic realm=\"own\""}});
  });
  const auto refused = pull(*open(closed.name(), no_helper));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no-such-helper-anywhere"));
}

TEST_F(OciRegistryTest, SaysWhyItIsRefused) {
  const Host closed([](const net::RequestHead&) {
    return answer(401, {{"www-authenticate", "Basic realm=\"own\""}});
  });
  EXPECT_THAT(pull(*open(closed.name(), "{}")).error().message,
              HasSubstr("no credentials for this registry were found"));
  EXPECT_THAT(pull(*open(closed.name(), login_for(closed.name()))).error().message,
              HasSubstr("does not accept the credentials"));
  const Host forbidding([](const net::RequestHead&) { return answer(403); });
  EXPECT_THAT(pull(*open(forbidding.name(), "{}")).error().message,
              HasSubstr("asks for no credentials"));
}

TEST_F(OciRegistryTest, GivesASmallBlobAsText) {
  const Host host([](const net::RequestHead&) { return answer(200, {}, kBytes); });
  const auto registry = open(host.name(), "{}");
  EXPECT_EQ(*registry->pull_text(kBlob, kBytes.size(), {}), kBytes);
  EXPECT_EQ(registry->pull_text(kBlob, kBytes.size() - 1, {}).error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace serin::objects
