// SPDX-License-Identifier: Apache-2.0
// Who we are to an API server, as of now: files are read again when they change (a service
// account's token does so every hour), a plugin runs again when what it said has expired or was
// refused. Any thread; one runs the plugin, and the others wait for it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file_stamp.h"
#include "net/tls.h"
#include "platform/kubernetes/client/exec_plugin.h"
#include "platform/kubernetes/client/kubeconfig.h"

namespace serin::platform::kubernetes {

struct Identity {
  net::TlsClientOptions tls;
  std::string token;  // empty: none
  bool operator==(const Identity&) const = default;
};

class Credentials {
 public:
  // The clock outlives it.
  Credentials(Access access, const Clock& clock);

  // May block for a plugin. kFailedPrecondition names the file that cannot be read and the field
  // that it stands in.
  Result<Identity> current(const CancelToken& cancel);
  // The server knows nobody of that identity: a plugin is asked anew.
  void refused(const Identity& identity);

  const Access& access() const { return access_; }

 private:
  struct Kept {
    FileStamp stamp;
    std::string text;
  };
  Result<std::string> text_of(const Secret& secret);
  Status ask_plugin(Identity& identity, const CancelToken& cancel);

  const Access access_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::filesystem::path, Kept> files_;
  std::optional<PluginAnswer> answer_;
};

}  // namespace serin::platform::kubernetes
