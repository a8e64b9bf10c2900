// SPDX-License-Identifier: Apache-2.0
// Two kubeconfig files, with a line of dashes between them: what is read of them can be spoken to.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/http/uri.h"
#include "platform/kubernetes/client/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  using namespace serin::platform::kubernetes;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t between = text.find("\n-----\n");
  std::vector<ConfigFile> files{{"/first/config", std::string(text.substr(0, between))}};
  if (between != std::string_view::npos)
    files.push_back({"/second/config", std::string(text.substr(between + 7))});
  const auto access = read_kubeconfig(files);
  if (!access) {
    SERIN_CHECK(!access.error().message.empty());
    return 0;
  }
  SERIN_CHECK(net::parse_url(access->server).has_value());
  SERIN_CHECK(access->certificate.given() == access->key.given());
  SERIN_CHECK(!access->token.given() || access->server.starts_with("https://"));
  return 0;
}
