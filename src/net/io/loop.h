// SPDX-License-Identifier: Apache-2.0
// One I/O thread: descriptors that it watches by an epoll of its own, a mailbox that other threads
// post into, timers, one coarse tick for all its links, and the list of links that have something
// to write. It goes in turns: the mailbox, what has become ready, the timers, and then everything
// that was written meanwhile is sent. Owned by the server or client that started it and, for post()
// alone, by whoever answers requests; stop() ends it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace serin::net {

class Link;
class Resolver;

// What has become of a descriptor. Each is told once when it comes true and not again while it
// stays so: who is told goes on until the kernel says that there is no more.
struct Ready {
  bool readable = false;
  bool writable = false;
  bool ended = false;  // an error, or the peer sends no more: also readable
};

class Watcher {
 public:
  virtual void on_ready(Ready ready) = 0;

 protected:
  ~Watcher() = default;
};

class Loop : public std::enable_shared_from_this<Loop> {
 public:
  // Starts the thread. `tick`: how often on_tick() is called. `links`: how often the links look at
  // their deadlines, at least `tick`.
  static std::shared_ptr<Loop> start(std::chrono::milliseconds tick,
                                     std::chrono::milliseconds links);
  ~Loop();

  // Runs the call on the loop's thread, in its next turn. From any thread; dropped once the loop
  // was stopped.
  void post(std::function<void()> call);
  // Closes every link, ends the thread and waits for it. Not from the loop's thread.
  void stop();
  bool on_thread() const;
  bool stopped() const;  // stop() was called

  // What follows is for the loop's thread.

  Instant now() const { return now_; }  // as of the present turn

  enum class For : std::uint8_t { kReading, kReadingAndWriting };
  // False: the kernel has no room for one more.
  bool watch(int fd, Watcher& watcher, For what);
  // What is true by now is told again.
  void watch_again(int fd, Watcher& watcher, For what);
  // Before the descriptor is closed, whose copy in a forked process would be watched on. Nothing is
  // told any more.
  void forget(int fd, const Watcher& watcher);

  using Timer = std::pair<Instant, std::uint64_t>;
  Timer call_after(std::chrono::milliseconds time, std::function<void()> call);
  void cancel(const Timer& timer);

  Resolver& resolver();

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

 private:
  struct Impl;
  Loop(std::chrono::milliseconds tick, std::chrono::milliseconds links);
  void run();
  void turn(std::size_t events);
  int patience() const;
  void tell(std::uint32_t events, Watcher& watcher);
  void run_mailbox();
  void run_timers();
  void flush_links();
  void tick();
  void end();

  std::unique_ptr<Impl> impl_;
  std::chrono::milliseconds tick_every_;
  std::chrono::milliseconds links_every_;
  Instant now_;
  Instant links_due_;
  std::vector<std::shared_ptr<Link>> links_;
  std::vector<std::shared_ptr<Link>> dirty_;
  std::vector<std::shared_ptr<Link>> scratch_;
  std::vector<std::function<void()>> tick_calls_;
  std::string date_;
  Instant date_until_;
};

}  // namespace serin::net
