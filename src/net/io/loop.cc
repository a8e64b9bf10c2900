// SPDX-License-Identifier: Apache-2.0
#include "net/io/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/last_resort.h"
#include "net/io/link.h"

namespace serin::net {

namespace asio = boost::asio;

struct Loop::Impl {
  asio::io_context context{1};  // one thread runs it
  // How other threads wake this one. asio::post() does it too, but under a lock that the woken
  // thread needs first: on a busy core each post would cost two more switches between threads.
  asio::posix::stream_descriptor doorbell{context, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::uint64_t rings = 0;
  asio::steady_timer timer{context};
  bool timer_armed = false;
  std::thread thread;
  std::thread::id thread_id;  // of its own, since join() changes the thread's while others post

  std::mutex mutex;  // guards what follows
  std::vector<std::function<void()>> mailbox;
  bool stopped = false;

  std::vector<std::function<void()>> running;  // the loop's thread's own, kept for its memory
};

Loop::Loop(std::chrono::milliseconds tick, std::chrono::milliseconds links)
    : impl_(std::make_unique<Impl>()),
      tick_every_(tick),
      links_every_(links),
      now_(std::chrono::steady_clock::now()) {}

Loop::~Loop() = default;

std::shared_ptr<Loop> Loop::start(std::chrono::milliseconds tick, std::chrono::milliseconds links) {
  std::shared_ptr<Loop> loop(new Loop(tick, links));
  loop->hear_doorbell();
  loop->impl_->thread = std::thread([raw = loop.get()] {
    // run() returns when the loop is stopped; what threw out of it has cost one completion.
    while (!survives("an I/O thread", [&] { raw->impl_->context.run(); })) {
    }
  });
  loop->impl_->thread_id = loop->impl_->thread.get_id();
  return loop;
}

void Loop::post(std::function<void()> call) {
  bool first = false;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return;
    first = impl_->mailbox.empty();
    impl_->mailbox.push_back(std::move(call));
  }
  if (!first) return;
  if (on_thread()) return asio::post(impl_->context, [this] { run_mailbox(); });
  const std::uint64_t one = 1;
  // It fails only when 2^64 - 2 rings were not heard, and then the bell is ringing.
  [[maybe_unused]] const ssize_t rung = ::write(impl_->doorbell.native_handle(), &one, sizeof one);
}

void Loop::hear_doorbell() {
  impl_->doorbell.async_read_some(asio::buffer(&impl_->rings, sizeof impl_->rings),
                                  [this](const boost::system::error_code& error, std::size_t) {
                                    if (error) return;
                                    hear_doorbell();  // first: a call may throw
                                    run_mailbox();
                                  });
}

void Loop::run_mailbox() {
  const Batch batch(*this);
  std::vector<std::function<void()>>& running = impl_->running;
  {
    const std::lock_guard lock(impl_->mutex);
    running.swap(impl_->mailbox);
  }
  for (std::function<void()>& call : running) {
    survives("a call on an I/O thread", [&] { std::exchange(call, nullptr)(); });
  }
  running.clear();
}

bool Loop::on_thread() const { return impl_->thread_id == std::this_thread::get_id(); }

bool Loop::stopped() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stopped;
}

void Loop::stop() {
  SERIN_CHECK(!on_thread());
  if (!impl_->thread.joinable()) return;
  post([this] {
    // From here on nothing is posted. What the closing links call may still use the loop.
    std::vector<std::function<void()>> dropped;
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->stopped = true;
      dropped.swap(impl_->mailbox);
    }
    tick_calls_.clear();
    const std::vector<std::shared_ptr<Link>> links = links_;
    for (const auto& link : links) link->close(LinkEnd::kStopped);
    impl_->timer.cancel();
    impl_->context.stop();
  });
  impl_->thread.join();
  // Completion handlers of what was closed: they hold the links.
  impl_->context.restart();
  impl_->context.poll();
  impl_->context.stop();
  // Their sessions hold this loop.
  dirty_.clear();
  scratch_.clear();
  links_.clear();
}

asio::io_context& Loop::context() { return impl_->context; }

void Loop::add(const std::shared_ptr<Link>& link) {
  link->set_slot(links_.size());
  links_.push_back(link);
  need_tick();
}

void Loop::remove(Link& link) {
  const std::size_t slot = link.slot();
  if (slot >= links_.size() || links_[slot].get() != &link) return;
  const std::shared_ptr<Link> keep = links_[slot];
  links_[slot] = std::move(links_.back());
  links_[slot]->set_slot(slot);
  links_.pop_back();
}

void Loop::flush_later(Link& link) {
  dirty_.push_back(link.shared_from_this());
  if (batch_depth_ == 0) asio::post(impl_->context, [this] { const Batch batch(*this); });
}

void Loop::flush_links() {
  // Flushing may call handlers that write again; those links wait for the next turn so that nobody
  // starves the rest.
  scratch_.swap(dirty_);
  for (const auto& link : scratch_) link->flush();
  scratch_.clear();
  if (!dirty_.empty()) asio::post(impl_->context, [this] { const Batch batch(*this); });
}

void Loop::need_tick() {
  if (std::exchange(impl_->timer_armed, true)) return;
  impl_->timer.expires_after(tick_every_);
  impl_->timer.async_wait([this](const boost::system::error_code& error) {
    impl_->timer_armed = false;
    if (!error) tick();
  });
}

void Loop::tick() {
  const Batch batch(*this);
  for (const auto& call : tick_calls_) call();
  if (now_ >= links_due_) {
    links_due_ = now_ + links_every_ - tick_every_ / 2;
    const std::vector<std::shared_ptr<Link>> links = links_;
    for (const auto& link : links) link->tick();
  }
  if (!links_.empty()) need_tick();
}

std::string_view Loop::date() {
  if (now_ >= date_until_) {
    const std::time_t seconds = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[40];
    date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    date_until_ = now_ + std::chrono::seconds(1);
  }
  return date_;
}

Loop::Batch::Batch(Loop& loop) : loop_(loop) {
  if (loop_.batch_depth_++ == 0) loop_.now_ = std::chrono::steady_clock::now();
}

Loop::Batch::~Batch() {
  if (loop_.batch_depth_ == 1) survives("an I/O thread", [&] { loop_.flush_links(); });
  --loop_.batch_depth_;
}

}  // namespace serin::net
