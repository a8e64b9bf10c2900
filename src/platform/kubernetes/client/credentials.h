// SPDX-License-Identifier: Apache-2.0
// Who we are to an API server, as of now: files are read again when they change (a service
// account's token does so every hour), a plugin runs again when what it said has expired or was
// refused. Any thread. A plugin runs on a thread of its own; who asks waits for it as long as the
// request has time, and what it says is the next one's when that is too late for the first.
#pragma once

#include <future>
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
  ~Credentials();  // ends a plugin that runs

  // May block for a plugin, until then at the most. kFailedPrecondition names the file that cannot
  // be read or is empty, and the field that it stands in; but what such a file said before is good
  // until the server refuses it.
  Result<Identity> current(const CancelToken& cancel, Instant until = Instant::max());
  // The server knows nobody of that identity: a plugin is asked anew, the token's file is read
  // anew.
  void refused(const Identity& identity);

  const Access& access() const { return access_; }

 private:
  struct Kept {
    FileStamp stamp;
    std::string text;
    bool lost = false;  // its file cannot be read any more
  };
  using Asking = std::shared_future<Result<PluginAnswer>>;

  Result<std::string> text_of(const Secret& secret);
  Result<Identity> of_files();
  Result<PluginAnswer> of_plugin(const std::string& authorities, const CancelToken& cancel,
                                 Instant until);
  void take_answer();
  bool answer_is_good() const;

  const Access access_;
  const Clock& clock_;
  const CancelToken ended_;
  std::mutex mutex_;
  std::map<std::filesystem::path, Kept> files_;
  std::optional<PluginAnswer> answer_;
  Asking asking_;  // valid: a plugin runs, or has just ended
};

}  // namespace serin::platform::kubernetes
