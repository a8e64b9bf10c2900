// SPDX-License-Identifier: Apache-2.0
#include "platform/kubernetes/client/kubeconfig.h"

#include <gmock/gmock.h>

#include "base/base64.h"
#include "base/files.h"

namespace serin::platform::kubernetes {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const std::string kWhole = R"(apiVersion: v1
kind: Config
preferences: {}
current-context: dev
contexts:
- name: dev
  context: {cluster: near, user: me, namespace: shop}
- name: bare
  context: {cluster: near}
- name: rooted
  context: {cluster: near, user: rooted}
clusters:
- name: near
  cluster:
    server: https://127.0.0.1:6443/
    certificate-authority: pki/ca.crt
    tls-server-name: kubernetes
    extensions: null
users:
- name: me
  user:
    client-certificate-data: Y2VydA==
    client-certificate: ignored.crt
    client-key: me.key
- name: rooted
  user: {tokenFile: /etc/token}
)";

Result<Access> read(const std::string& text, std::string_view context = {}) {
  return read_kubeconfig({{{"/home/me/.kube/config", text}}}, context);
}
std::string message_of(const std::string& text) {
  const auto read_so = read(text);
  return read_so ? "none" : read_so.error().message;
}
// With one user, one cluster and one context, whose lines are these.
std::string config(const std::string& user, const std::string& cluster = "server: https://a:1") {
  return "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
         "clusters:\n- name: k\n  cluster: {" +
         cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

TEST(Kubeconfig, IsReadForItsCurrentContext) {
  const auto access = read(kWhole);
  ASSERT_TRUE(access.has_value()) << access.error().message;
  EXPECT_EQ(access->name, "context dev of /home/me/.kube/config");
  EXPECT_EQ(access->server, "https://127.0.0.1:6443");
  EXPECT_EQ(access->server_name, "kubernetes");
  EXPECT_EQ(access->ns, "shop");
  EXPECT_EQ(access->authority.file, "/home/me/.kube/pki/ca.crt");
  EXPECT_EQ(access->certificate.text, "cert");
  EXPECT_TRUE(access->certificate.file.empty());
  EXPECT_EQ(access->key.file, "/home/me/.kube/me.key");
  EXPECT_EQ(access->key.place, "/home/me/.kube/config:24:5: users[0].user.client-key");
  EXPECT_FALSE(access->token.given());
  EXPECT_TRUE(access->verify);
}

TEST(Kubeconfig, IsReadForAnotherContextWhereOneIsNamed) {
  const auto bare = read(kWhole, "bare");
  ASSERT_TRUE(bare.has_value()) << bare.error().message;
  EXPECT_EQ(bare->ns, "default");
  EXPECT_FALSE(bare->certificate.given());
  EXPECT_EQ(read(kWhole, "rooted")->token.file, "/etc/token");
  EXPECT_THAT(read(kWhole, "devv").error().message,
              HasSubstr(R"(there is no context "devv"; there are dev, bare and rooted)"));
}

TEST(Kubeconfig, FilesAreJoinedAsKubectlJoinsThem) {
  const std::string first = R"(
contexts: [{name: c, context: {cluster: k, user: u}}]
users: [{name: u, user: {token: first}}]
)";
  const std::string second = R"(
current-context: c
contexts: [{name: c, context: {cluster: other, namespace: nowhere}}]
clusters: [{name: k, cluster: {server: "https://a:1", certificate-authority: ca.crt}}]
users: [{name: u, user: {token: second}}]
)";
  const std::vector<ConfigFile> files{{"/1/a", first}, {"/2/b", second}, {"/3/c", ""}};
  const auto access = read_kubeconfig(files);
  ASSERT_TRUE(access.has_value()) << access.error().message;
  EXPECT_EQ(access->token.text, "first");
  EXPECT_EQ(access->ns, "default");
  EXPECT_EQ(access->server, "https://a:1");
  EXPECT_EQ(access->authority.file, "/2/ca.crt");
}

TEST(Kubeconfig, HasPluginsWithWhatTheyAreTold) {
  const std::string text = R"(
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters:
- name: k
  cluster:
    server: https://a:1
    extensions:
    - {name: client.authentication.k8s.io/exec, extension: {audience: b}}
    - {name: other, extension: {x: y}}
users:
- name: u
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: bin/login
      args: [--now]
      env: [{name: A, value: b}, {name: EMPTY, value: ""}]
      installHint: get it from the moon
      interactiveMode: IfAvailable
      provideClusterInfo: true
)";
  const auto access = read(text);
  ASSERT_TRUE(access.has_value()) << access.error().message;
  const ExecPlugin& plugin = *access->plugin;
  EXPECT_EQ(plugin.version, "v1");
  EXPECT_EQ(plugin.command, "/home/me/.kube/bin/login");
  EXPECT_THAT(plugin.arguments, ElementsAre("--now"));
  EXPECT_THAT(plugin.environment, ElementsAre(std::pair<std::string, std::string>("A", "b"),
                                              std::pair<std::string, std::string>("EMPTY", "")));
  EXPECT_EQ(plugin.install_hint, "get it from the moon");
  EXPECT_EQ(json::serialize(*plugin.cluster),
            R"({"server":"https://a:1","config":{"audience":"b"}})");
}

TEST(Kubeconfig, ACommandWithoutASlashIsLookedUp) {
  const auto access =
      read(config("exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: "
                  "null, env: null}"));
  ASSERT_TRUE(access.has_value()) << access.error().message;
  EXPECT_EQ(access->plugin->command, "aws");
  EXPECT_EQ(access->plugin->version, "v1beta1");
  EXPECT_FALSE(access->plugin->cluster.has_value());
}

TEST(Kubeconfig, SaysInWhichFileAndFieldWhatIsWrong) {
  struct Case {
    std::string text, message;
  };
  const std::string exec = "exec: {apiVersion: client.authentication.k8s.io/v1, command: x";
  for (const Case& one : {
           Case{"a: [", "/home/me/.kube/config: "},
           Case{"users: []", "current-context is not set"},
           Case{"[]", "must be a mapping"},
           Case{"current-context: 5", "1:1: current-context: must be a string"},
           Case{"current-context: c", R"(there is no context "c")"},
           Case{"current-context: c\ncontexts: 7", "contexts: must be a list"},
           Case{"current-context: c\ncontexts: [{name: c}]", R"(there is no cluster "")"},
           Case{config("", "tls-server-name: a"), "clusters[0].cluster.server: is missing"},
           Case{config("", "server: 'ftp://a'"), "clusters[0].cluster.server: must be https://"},
           Case{config("", "server: 'unix:/x:/'"), "clusters[0].cluster.server: must be https://"},
           Case{config("", "server: 'https://a', proxy-url: 'http://p'"),
                "clusters[0].cluster.proxy-url: proxies are not supported"},
           Case{config("",
                       "server: 'https://a', insecure-skip-tls-verify: true, "
                       "certificate-authority-data: YQ=="),
                "insecure-skip-tls-verify: contradicts certificate-authority"},
           Case{config("", "server: 'https://a', certificate-authority-data: '?'"),
                "certificate-authority-data: must be base64"},
           Case{config("client-key: k"),
                "users[0].user: client-certificate and client-key come together"},
           Case{config("username: a, password: b"), "users[0].user.username: passwords are not"},
           Case{config("auth-provider: {name: gcp}"), "users[0].user.auth-provider: is not"},
           Case{config("as: root"), "users[0].user.as: impersonation is not supported"},
           Case{config("token: {a: b}"), "users[0].user.token: must be a string"},
           Case{config("exec: {command: x}"), "users[0].user.exec.apiVersion: must be client."},
           Case{config("exec: {apiVersion: client.authentication.k8s.io/v1}"),
                "users[0].user.exec.command: is missing"},
           Case{config(exec + ", interactiveMode: Always}"), "exec.interactiveMode: is Always"},
           Case{config(exec + "}, token: t"), "users[0].user.exec: stands beside a token"},
           Case{config("token: t", "server: 'http://a'"), "server: http://a would see a secret"},
       }) {
    EXPECT_THAT(message_of(one.text),
                AllOf(HasSubstr("/home/me/.kube/config"), HasSubstr(one.message)))
        << one.text;
  }
}

TEST(Kubeconfig, NobodyInParticularMaySpeakInClear) {
  EXPECT_TRUE(read(config("", "server: 'http://localhost:8001'")).has_value());
}

class FindAccess : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / name).parent_path());
    EXPECT_TRUE(write_file(folder_.path() / name, text).has_value());
  }
  void be_a_pod() {
    write("pod/token", "t");
    write("pod/ca.crt", "ca");
    write("pod/namespace", "serin\n");
    where_.service_host = "10.0.0.1";
    where_.service_port = "443";
  }
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  TemporaryDirectory folder_ = *TemporaryDirectory::create();
  Surroundings where_{.home = folder_.path() / "home", .service_account = folder_.path() / "pod"};
};

TEST_F(FindAccess, AsksTheVariableThenTheHomeThenThePod) {
  EXPECT_EQ(find_access(where_).error().code, Code::kFailedPrecondition);
  be_a_pod();
  EXPECT_EQ(find_access(where_)->name, "the pod's service account");
  write("home/.kube/config", kWhole);
  EXPECT_EQ(find_access(where_)->name, "context dev of " + path("home/.kube/config"));
  write("other", kWhole);
  where_.kubeconfig = ":" + path("missing") + ":" + path("other");
  EXPECT_EQ(find_access(where_, "bare")->name, "context bare of " + path("other"));
  where_.kubeconfig = path("missing");
  EXPECT_THAT(find_access(where_).error().message, StartsWith("KUBECONFIG names "));
}

TEST_F(FindAccess, DoesNotTakeTheFolderItRunsInForAHome) {
  write("home/.kube/config", kWhole);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(where_.home);
  where_.home.clear();
  EXPECT_THAT(find_access(where_).error().message,
              StartsWith("no cluster is known: HOME is not set, "));
  std::filesystem::current_path(before);
}

TEST_F(FindAccess, TakesWhatAPodIsGiven) {
  be_a_pod();
  const auto access = find_access(where_);
  ASSERT_TRUE(access.has_value()) << access.error().message;
  EXPECT_EQ(access->server, "https://10.0.0.1:443");
  EXPECT_EQ(access->ns, "serin");
  EXPECT_EQ(access->authority.file, folder_.path() / "pod/ca.crt");
  EXPECT_EQ(access->token.file, folder_.path() / "pod/token");
  where_.service_host = "fd00::1";
  EXPECT_EQ(find_access(where_)->server, "https://[fd00::1]:443");
  EXPECT_FALSE(find_access(where_, "dev").has_value());
}

TEST_F(FindAccess, SaysThatAFileCannotBeRead) {
  std::filesystem::create_directories(folder_.path() / "home/.kube/config");
  EXPECT_THAT(find_access(where_).error().message, HasSubstr(".kube/config"));
}

}  // namespace
}  // namespace serin::platform::kubernetes
