// SPDX-License-Identifier: Apache-2.0
#include "net/io/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/descriptor.h"
#include "base/last_resort.h"
#include "net/io/link.h"
#include "net/io/resolver.h"

namespace serin::net {

namespace {

constexpr std::size_t kEventsAtOnce = 32;

epoll_event event_for(Watcher* watcher, Loop::For what) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  if (what == Loop::For::kReadingAndWriting) event.events |= EPOLLOUT;
  event.data.ptr = watcher;
  return event;
}

// Also what was forgotten before its turn came.
bool is_doorbell(const epoll_event& event) { return event.data.ptr == nullptr; }

}  // namespace

struct Loop::Impl {
  Descriptor epoll{::epoll_create1(EPOLL_CLOEXEC)};
  // How other threads wake this one. It is not read: each ring is news to an edge-triggered epoll.
  Descriptor doorbell{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::thread thread;
  std::thread::id thread_id;  // of its own, since join() changes the thread's while others post

  std::mutex mutex;  // guards what follows
  std::vector<std::function<void()>> mailbox;
  bool stopped = false;

  // The rest is the loop's thread's own.
  std::array<epoll_event, kEventsAtOnce> events{};
  std::size_t next_event = 0;  // of this turn, and how many there are
  std::size_t event_count = 0;
  bool mail = false;  // in the mailbox there is something, as far as this thread knows
  bool ended = false;
  std::vector<std::function<void()>> running;  // kept for its memory
  std::map<Timer, std::function<void()>> timers;
  std::uint64_t timers_made = 0;
  bool tick_due = false;
  std::unique_ptr<Resolver> resolver;
};

Loop::Loop(std::chrono::milliseconds tick, std::chrono::milliseconds links)
    : impl_(std::make_unique<Impl>()),
      tick_every_(tick),
      links_every_(links),
      now_(std::chrono::steady_clock::now()) {}

Loop::~Loop() = default;

std::shared_ptr<Loop> Loop::start(std::chrono::milliseconds tick, std::chrono::milliseconds links) {
  std::shared_ptr<Loop> loop(new Loop(tick, links));
  epoll_event doorbell = event_for(nullptr, For::kReading);
  // Without descriptors there is nothing that a process of ours could do.
  SERIN_CHECK(::epoll_ctl(loop->impl_->epoll.get(), EPOLL_CTL_ADD, loop->impl_->doorbell.get(),
                          &doorbell) == 0);
  loop->impl_->thread = std::thread([raw = loop.get()] { raw->run(); });
  loop->impl_->thread_id = loop->impl_->thread.get_id();
  return loop;
}

void Loop::run() {
  while (!impl_->ended) {
    const int count =
        ::epoll_wait(impl_->epoll.get(), impl_->events.data(), kEventsAtOnce, patience());
    turn(static_cast<std::size_t>(std::max(count, 0)));  // -1: a signal
  }
}

// For how long nothing is to be done, in milliseconds as epoll_wait() takes them.
int Loop::patience() const {
  if (impl_->mail || !dirty_.empty()) return 0;
  if (impl_->timers.empty()) return -1;
  const Instant due = impl_->timers.begin()->first.first;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT_MAX));
}

void Loop::turn(std::size_t events) {
  now_ = std::chrono::steady_clock::now();
  Impl& impl = *impl_;
  impl.next_event = 0;
  impl.event_count = events;
  const bool rung = std::any_of(impl.events.begin(), impl.events.begin() + events,
                                [](const epoll_event& event) { return is_doorbell(event); });
  // First, so that what is posted in this turn is called when what is written in it was sent.
  if (rung || impl.mail) run_mailbox();
  while (impl.next_event < impl.event_count) {
    const epoll_event event = impl.events[impl.next_event++];
    if (is_doorbell(event)) continue;
    survives("an I/O thread", [&] { tell(event.events, *static_cast<Watcher*>(event.data.ptr)); });
  }
  impl.event_count = 0;
  run_timers();
  survives("an I/O thread", [&] { flush_links(); });
}

void Loop::tell(std::uint32_t events, Watcher& watcher) {
  const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  watcher.on_ready({.readable = ended || (events & EPOLLIN) != 0,
                    .writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
                    .ended = ended});
}

// --- descriptors

bool Loop::watch(int fd, Watcher& watcher, For what) {
  epoll_event event = event_for(&watcher, what);
  return ::epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::watch_again(int fd, Watcher& watcher, For what) {
  epoll_event event = event_for(&watcher, what);
  SERIN_CHECK(::epoll_ctl(impl_->epoll.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void Loop::forget(int fd, const Watcher& watcher) {
  epoll_event ignored{};
  ::epoll_ctl(impl_->epoll.get(), EPOLL_CTL_DEL, fd, &ignored);
  // It may be gone when its turn comes.
  for (std::size_t i = impl_->next_event; i < impl_->event_count; ++i)
    if (impl_->events[i].data.ptr == &watcher) impl_->events[i] = {};
}

// --- calls

void Loop::post(std::function<void()> call) {
  bool first = false;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return;
    first = impl_->mailbox.empty();
    impl_->mailbox.push_back(std::move(call));
  }
  if (!first) return;
  if (on_thread()) {
    impl_->mail = true;
    return;
  }
  const std::uint64_t one = 1;
  // It fails only after 2^64 - 2 rings.
  [[maybe_unused]] const ssize_t rung = ::write(impl_->doorbell.get(), &one, sizeof one);
}

void Loop::run_mailbox() {
  impl_->mail = false;
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

Loop::Timer Loop::call_after(std::chrono::milliseconds time, std::function<void()> call) {
  const Timer timer{now_ + time, impl_->timers_made++};
  impl_->timers.emplace(timer, std::move(call));
  return timer;
}

void Loop::cancel(const Timer& timer) { impl_->timers.erase(timer); }

void Loop::run_timers() {
  auto& timers = impl_->timers;
  while (!timers.empty() && timers.begin()->first.first <= now_) {
    const auto due = timers.extract(timers.begin());
    survives("a timer of an I/O thread", due.mapped());
  }
}

Resolver& Loop::resolver() {
  if (!impl_->resolver) impl_->resolver = std::make_unique<Resolver>(*this);
  return *impl_->resolver;
}

// --- the end

bool Loop::on_thread() const { return impl_->thread_id == std::this_thread::get_id(); }

bool Loop::stopped() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->stopped;
}

void Loop::stop() {
  SERIN_CHECK(!on_thread());
  if (!impl_->thread.joinable()) return;
  post([this] { end(); });
  impl_->thread.join();
  impl_->resolver.reset();
  // Their sessions hold this loop.
  dirty_.clear();
  scratch_.clear();
  links_.clear();
}

void Loop::end() {
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
  impl_->timers.clear();
  impl_->ended = true;
}

// --- links

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

void Loop::flush_later(Link& link) { dirty_.push_back(link.shared_from_this()); }

void Loop::flush_links() {
  // Flushing may call handlers that write again; those links wait for the next turn so that nobody
  // starves the rest.
  scratch_.swap(dirty_);
  for (const auto& link : scratch_) link->flush();
  scratch_.clear();
}

void Loop::need_tick() {
  if (std::exchange(impl_->tick_due, true)) return;
  call_after(tick_every_, [this] {
    impl_->tick_due = false;
    tick();
  });
}

void Loop::tick() {
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

}  // namespace serin::net
