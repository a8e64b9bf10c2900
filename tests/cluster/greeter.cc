// SPDX-License-Identifier: Apache-2.0
// What runs in pods of test_workload.py: a static program that answers HTTP on port 8080, each
// request on a thread.
//   GET /          its VERSION and its pod's name
//   GET /healthz   200, after GET /ill 500
//   GET /ask/NAME  what http://NAME/ answers, asked from inside the pod
// It writes a line for each request.
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

std::string of_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// The body of what http://NAME/ answers, or why there is none.
std::string ask(const std::string& name) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(name.c_str(), "80", &hints, &found)) return gai_strerror(error);
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  const bool connected = connect(connection, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  std::string answer;
  if (connected) {
    const std::string question = "GET / HTTP/1.0\r\n\r\n";
    if (write(connection, question.data(), question.size()) < 0) return "cannot write";
    char part[512];
    for (ssize_t n; (n = read(connection, part, sizeof part)) > 0;) answer.append(part, n);
  }
  close(connection);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "no answer" : answer.substr(body + 4);
}

struct Answer {
  int status = 200;
  std::string body;
};

Answer answer(const std::string& path) {
  static std::atomic<bool> ill = false;
  if (path == "/ill") ill = true;
  if (path == "/healthz") return {ill ? 500 : 200, ill ? "ill\n" : "well\n"};
  if (path.starts_with("/ask/")) return {200, ask(path.substr(5))};
  return {200, of_environment("VERSION") + " " + of_environment("HOSTNAME") + "\n"};
}

std::string path_of(const std::string& request) {
  const size_t from = request.find(' ');
  if (from == std::string::npos) return "/";
  return request.substr(from + 1, request.find(' ', from + 1) - from - 1);
}

void serve(int client) {
  char request[4096];
  const ssize_t n = read(client, request, sizeof request);
  const std::string path = path_of(std::string(request, n < 0 ? 0 : n));
  std::printf("GET %s\n", path.c_str());
  const Answer given = answer(path);
  const std::string out = "HTTP/1.0 " + std::to_string(given.status) +
                          " -\r\nContent-Length: " + std::to_string(given.body.size()) +
                          "\r\n\r\n" + given.body;
  if (write(client, out.data(), out.size()) < 0) std::perror("write");
  close(client);
}

}  // namespace

int main() {
  std::signal(SIGPIPE, SIG_IGN);
  // The first process of a container ends only when it says so.
  std::signal(SIGTERM, [](int) { _exit(0); });
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;  // a container that is restarted finds its pod's network as it left it
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(8080);
  if (bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any) || listen(listener, 64)) {
    std::perror("port 8080");
    return 1;
  }
  for (;;) {
    const int client = accept(listener, nullptr, nullptr);
    if (client >= 0) std::thread(serve, client).detach();
  }
}
