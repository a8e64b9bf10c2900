// SPDX-License-Identifier: Apache-2.0
// One I/O thread: an io_context, a mailbox that other threads post into, one coarse timer for all
// its links, and the list of links that have something to write when the present batch of events is
// done. Owned by the server or client that started it and, for post() alone, by whoever answers
// requests; stop() ends it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace boost::asio {
class io_context;
}

namespace serin::net {

class Link;

class Loop : public std::enable_shared_from_this<Loop> {
 public:
  // Starts the thread. `tick`: how often on_tick() is called. `links`: how often the links look at
  // their deadlines, at least `tick`.
  static std::shared_ptr<Loop> start(std::chrono::milliseconds tick,
                                     std::chrono::milliseconds links);
  ~Loop();

  // Runs the call on the loop's thread. From any thread; dropped once the loop was stopped.
  void post(std::function<void()> call);
  // Closes every link, ends the thread and waits for it. Not from the loop's thread.
  void stop();
  bool on_thread() const;
  bool stopped() const;  // stop() was called

  // What follows is for the loop's thread.

  Instant now() const { return now_; }  // as of the present batch of events
  boost::asio::io_context& context();
  void add(const std::shared_ptr<Link>& link);
  void remove(Link& link);
  void flush_later(Link& link);
  const std::vector<std::shared_ptr<Link>>& links() const { return links_; }
  // Called at each tick as well.
  void on_tick(std::function<void()> call) { tick_calls_.push_back(std::move(call)); }
  // Ticks come while there are links; one may be asked for without.
  void need_tick();
  // "Sun, 06 Nov 1994 08:49:37 GMT", made anew each second.
  std::string_view date();

  // Every completion handler opens one: it reads the clock, and what was written is sent when it
  // closes.
  class Batch {
   public:
    explicit Batch(Loop& loop);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    Loop& loop_;
  };

 private:
  struct Impl;
  Loop(std::chrono::milliseconds tick, std::chrono::milliseconds links);
  void hear_doorbell();
  void run_mailbox();
  void flush_links();
  void tick();

  std::unique_ptr<Impl> impl_;  // destroyed last: links hold sockets of its context
  std::chrono::milliseconds tick_every_;
  std::chrono::milliseconds links_every_;
  Instant now_;
  Instant links_due_;
  int batch_depth_ = 0;
  std::vector<std::shared_ptr<Link>> links_;
  std::vector<std::shared_ptr<Link>> dirty_;
  std::vector<std::shared_ptr<Link>> scratch_;
  std::vector<std::function<void()>> tick_calls_;
  std::string date_;
  Instant date_until_;
};

}  // namespace serin::net
