// SPDX-License-Identifier: Apache-2.0
// Any bytes as a connection to a server that echoes: HTTP/1.1, or HTTP/2 after its preface when the
// first byte is odd. The server must close it once the client has, and serve the next.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/files.h"
#include "net/http/server.h"
#include "net/http/status.h"

namespace {

using namespace serin;
using namespace serin::net;

struct Target {
  Target() : folder(*TemporaryDirectory::create()), path((folder.path() / "s").string()) {
    ServerOptions options;
    options.unix_socket = path;
    options.limits.header_bytes = 4096;
    options.limits.body_bytes = 65536;
    server = *Server::create(options, [](const std::shared_ptr<Exchange>& exchange) {
      exchange->read_body([exchange](Result<std::string> body) {
        exchange->respond(
            {body ? std::uint16_t{200} : http_status(body.error()), {}, body ? *body : ""});
      });
    });
  }
  TemporaryDirectory folder;
  std::string path;
  std::unique_ptr<Server> server;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* const target = new Target;  // lives as long as the process
  if (size < 1) return 0;
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, target->path.data(), target->path.size());
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) bytes.insert(0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  ::shutdown(fd, SHUT_WR);
  char answer[4096];
  while (::recv(fd, answer, sizeof answer, 0) > 0) {
  }
  ::close(fd);
  return 0;
}
