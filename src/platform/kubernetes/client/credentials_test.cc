// SPDX-License-Identifier: Apache-2.0
// Plugins that are real programs, and files that change under us.
#include "platform/kubernetes/client/credentials.h"

#include <gmock/gmock.h>

#include "base/files.h"

namespace serin::platform::kubernetes {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string answer(const std::string& status,
                   const std::string& version = "client.authentication.k8s.io/v1") {
  return R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}";
}

TEST(PluginAnswers, HaveATokenOrACertificateAndAnEnd) {
  const auto token = read_plugin_answer(
      answer(R"({"token":"t","expirationTimestamp":"2001-09-09T01:46:40Z"})"), "v1");
  ASSERT_TRUE(token.has_value()) << token.error().message;
  EXPECT_EQ(token->token, "t");
  EXPECT_EQ(token->expires, std::chrono::system_clock::from_time_t(1'000'000'000));
  const auto certificate =
      read_plugin_answer(answer(R"({"clientCertificateData":"c","clientKeyData":"k"})",
                                "client.authentication.k8s.io/v1beta1"),
                         "v1beta1");
  ASSERT_TRUE(certificate.has_value()) << certificate.error().message;
  EXPECT_EQ(certificate->certificate, "c");
  EXPECT_EQ(certificate->key, "k");
  EXPECT_FALSE(certificate->expires.has_value());
}

TEST(PluginAnswers, ThatAreNoneAreRefused) {
  for (const std::string& wrong :
       {std::string(), std::string("token"), std::string("{}"), answer("{}"), answer("null"),
        answer(R"({"token":7})"), answer(R"({"clientCertificateData":"c"})"),
        answer(R"({"token":"t","expirationTimestamp":"soon"})"),
        answer(R"({"token":"t"})", "client.authentication.k8s.io/v1beta1")})
    EXPECT_EQ(read_plugin_answer(wrong, "v1").error().code, Code::kInvalidArgument) << wrong;
}

struct CredentialsTest : testing::Test {
  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file(folder.path() / name, text).has_value());
  }
  Secret secret(const std::string& name) const {
    return {{}, folder.path() / name, "config:1:1: users[0].user." + name};
  }
  // Counts its runs in a file, and answers with what stands in another.
  ExecPlugin plugin() const {
    const std::string at = folder.path().string();
    return {.version = "v1",
            .command = "sh",
            .arguments = {"-c", "echo x >> " + at + "/runs; cat " + at + "/answer"}};
  }
  int runs() const {
    const auto text = read_file(folder.path() / "runs");
    return text ? static_cast<int>(text->size() / 2) : 0;
  }

  TemporaryDirectory folder = *TemporaryDirectory::create();
  ManualClock clock;
  Access access;
};

TEST_F(CredentialsTest, ReadFilesAgainWhenTheyChange) {
  write("token", "first\n");
  write("ca", "pem");
  access.token = secret("token");
  access.authority = secret("ca");
  access.server_name = "name";
  Credentials credentials(access, clock);
  auto identity = credentials.current({});
  ASSERT_TRUE(identity.has_value()) << identity.error().message;
  EXPECT_EQ(identity->token, "first");
  EXPECT_EQ(identity->tls.authorities, "pem");
  EXPECT_EQ(identity->tls.server_name, "name");
  write("token", "second");
  EXPECT_EQ(credentials.current({})->token, "second");
}

TEST_F(CredentialsTest, SayWhichFieldNamesAFileThatIsNotThere) {
  access.token = secret("token");
  const auto none = Credentials(access, clock).current({});
  EXPECT_EQ(none.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(none.error().message, HasSubstr("config:1:1: users[0].user.token: "));
}

// Without one the system's authorities would be believed, and nobody would be who we say.
TEST_F(CredentialsTest, SayWhichFileIsEmpty) {
  for (Secret Access::* field :
       {&Access::authority, &Access::certificate, &Access::key, &Access::token}) {
    access = {};
    write("file", " \n");
    access.*field = secret("file");
    const auto none = Credentials(access, clock).current({});
    EXPECT_EQ(none.error().code, Code::kFailedPrecondition);
    EXPECT_EQ(none.error().message,
              "config:1:1: users[0].user.file: " + (folder.path() / "file").string() + " is empty");
  }
}

TEST_F(CredentialsTest, KeepATokenWhoseFileIsGoneUntilItIsRefused) {
  write("token", "first");
  access.token = secret("token");
  Credentials credentials(access, clock);
  const Identity first = *credentials.current({});
  write("token", "");
  EXPECT_EQ(*credentials.current({}), first);
  std::filesystem::remove(folder.path() / "token");
  EXPECT_EQ(*credentials.current({}), first);
  credentials.refused(first);
  EXPECT_EQ(credentials.current({}).error().code, Code::kFailedPrecondition);
  write("token", "second");
  EXPECT_EQ(credentials.current({})->token, "second");
  credentials.refused(first);  // another thread's, that was refused with the first too
  EXPECT_EQ(credentials.current({})->token, "second");
}

TEST_F(CredentialsTest, WaitForAPluginAsLongAsWhoAsksHasTime) {
  const std::string go = (folder.path() / "go").string();
  access.plugin = plugin();
  access.plugin->arguments[1] =
      "while [ ! -e " + go + " ]; do sleep 0.01; done; " + access.plugin->arguments[1];
  write("answer", answer(R"({"token":"t"})"));
  Credentials credentials(access, clock);
  const auto soon = [] { return std::chrono::steady_clock::now() + 20ms; };
  EXPECT_EQ(credentials.current({}, soon()).error().code, Code::kDeadlineExceeded);
  const CancelToken cancelled;
  cancelled.cancel();
  EXPECT_EQ(credentials.current(cancelled).error().code, Code::kCancelled);
  write("go", "");
  EXPECT_EQ(credentials.current({})->token, "t");
  EXPECT_EQ(runs(), 1);
}

TEST_F(CredentialsTest, EndAPluginThatNobodyWaitsForAnyMore) {
  access.plugin = ExecPlugin{.version = "v1", .command = "sleep", .arguments = {"50"}};
  const auto began = std::chrono::steady_clock::now();
  EXPECT_FALSE(Credentials(access, clock).current({}, began).has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - began, 40s);
}

TEST_F(CredentialsTest, AskAPluginOnceUntilWhatItSaidExpires) {
  access.plugin = plugin();
  // A ManualClock begins at 02:46:40 of that day.
  write("answer", answer(R"({"token":"t","expirationTimestamp":"2001-09-09T03:00:00Z"})"));
  Credentials credentials(access, clock);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(credentials.current({})->token, "t");
  EXPECT_EQ(runs(), 1);
  clock.advance(13min);
  write("answer", answer(R"({"token":"u"})"));
  EXPECT_EQ(credentials.current({})->token, "u");
  EXPECT_EQ(runs(), 2);
}

TEST_F(CredentialsTest, AskAPluginAgainOnceForWhatWasRefused) {
  access.plugin = plugin();
  write("answer", answer(R"({"token":"t"})"));
  Credentials credentials(access, clock);
  const Identity first = *credentials.current({});
  write("answer", answer(R"({"token":"u"})"));
  credentials.refused(first);
  EXPECT_EQ(credentials.current({})->token, "u");
  credentials.refused(first);  // another thread's, that was refused with the first too
  EXPECT_EQ(credentials.current({})->token, "u");
  EXPECT_EQ(runs(), 2);
}

TEST_F(CredentialsTest, TellAPluginOfItsCluster) {
  write("ca", "pem");
  access.authority = secret("ca");
  access.plugin = plugin();
  access.plugin->cluster = json::object{{"server", "https://a:1"}};
  access.plugin->environment = {{"MINE", "yes"}};
  access.plugin->arguments[1] = "echo \"$MINE $PATH $KUBERNETES_EXEC_INFO\" > " +
                                (folder.path() / "told").string() + "; echo '" +
                                answer(R"({"token":"t"})") + "'";
  ASSERT_TRUE(Credentials(access, clock).current({}).has_value());
  const std::string told = *read_file(folder.path() / "told");
  EXPECT_THAT(told, HasSubstr("yes /"));
  EXPECT_THAT(told, HasSubstr(R"("spec":{"interactive":false,"cluster":{"server":"https://a:1",)"
                              R"("certificate-authority-data":"cGVt"}})"));
}

TEST_F(CredentialsTest, SayWhyAPluginDidNotAnswer) {
  const auto said = [&](ExecPlugin failing) {
    access.plugin = std::move(failing);
    const auto identity = Credentials(access, clock).current({});
    EXPECT_EQ(identity.error().code, Code::kUnauthenticated);
    return identity.error().message;
  };
  EXPECT_THAT(said({.version = "v1", .command = "no-such-plugin", .install_hint = "make it"}),
              HasSubstr("; make it"));
  EXPECT_EQ(said({.version = "v1", .command = "sh", .arguments = {"-c", "echo oh no >&2; exit 3"}}),
            "sh: ended with 3: oh no");
  EXPECT_THAT(said({.version = "v1", .command = "sh", .arguments = {"-c", "echo {}"}}),
              HasSubstr("sh: the answer is no ExecCredential"));
}

}  // namespace
}  // namespace serin::platform::kubernetes
