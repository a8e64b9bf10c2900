// SPDX-License-Identifier: Apache-2.0
// Brings queued video jobs through the engine, a batch's worth at a time, and their clips to the
// store. Owned by the Worker; has one thread, which does all that waits for the disk.
//
// An engine that refuses for now (a full queue, a drain) leaves a job queued: it is tried again
// soon, or after the next start.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/request.h"
#include "worker/jobs/clip.h"
#include "worker/jobs/video_store.h"

namespace serin::worker {

class VideoRunner {
 public:
  // All must outlive the runner, and `package` has a video output.
  VideoRunner(const model::Package& package, const engine::RequestParser& parser,
              engine::Engine& engine, VideoStore& store);
  ~VideoRunner();  // what the engine has finished is kept; the rest begins anew another time

  // A job was added. Safe from any thread.
  void wake();
  // Ends the generation of a job that was removed. Safe from any thread.
  void cancel(const std::string& id);

 private:
  // What the engine says, on its way to the thread. Shared with sinks, which may outlive the
  // runner.
  struct Inbox {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::pair<std::string, engine::Event>> events;
    bool woken = false, closing = false;
  };

  void work();
  bool take(const std::string& id, engine::Event event);  // true when the job is queued again
  void forget(const std::string& id);
  void finish(const std::string& id, const engine::Finished& finished);
  void submit_queued();
  Status submit(const std::string& id);

  const model::Package& package_;
  const model::Output& output_;
  const engine::RequestParser& parser_;
  engine::Engine& engine_;
  VideoStore& store_;
  const std::size_t at_once_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::mutex mutex_;
  std::map<std::string, CancelToken> running_;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace serin::worker
