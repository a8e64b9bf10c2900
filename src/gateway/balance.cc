// SPDX-License-Identifier: Apache-2.0
#include "gateway/balance.h"

#include <algorithm>
#include <array>

#include "gateway/hash.h"

namespace serin::gateway {
namespace {

// The choices that may be picked, in their order, without memory of their own for the usual few.
class Eligible {
 public:
  explicit Eligible(std::span<const Choice> choices) : choices_(choices) {
    const auto fits = [&](auto&& test) { return std::ranges::any_of(choices, test); };
    if (fits([](const Choice& c) { return c.open && !c.tried; })) {
      need_open_ = need_untried_ = true;
    } else if (fits([](const Choice& c) { return !c.tried; })) {
      need_untried_ = true;
    } else if (fits([](const Choice& c) { return c.open; })) {
      need_open_ = true;
    }
    count_ = static_cast<std::size_t>(
        std::ranges::count_if(choices, [this](const Choice& c) { return has(c); }));
  }

  std::size_t count() const { return count_; }
  bool has(const Choice& choice) const {
    return (choice.open || !need_open_) && (!choice.tried || !need_untried_);
  }
  // The place in `choices` of the nth that is eligible.
  std::size_t place(std::size_t nth) const {
    for (std::size_t i = 0; i < choices_.size(); ++i)
      if (has(choices_[i]) && nth-- == 0) return i;
    return 0;
  }

 private:
  std::span<const Choice> choices_;
  bool need_open_ = false;
  bool need_untried_ = false;
  std::size_t count_ = 0;
};

std::size_t least_of_two(std::span<const Choice> choices, const Eligible& eligible,
                         std::uint64_t random) {
  const std::size_t count = eligible.count();
  const std::size_t first = (random & 0xffffffff) % count;
  if (count == 1) return eligible.place(first);
  // Another one, each as likely.
  const std::size_t second = (first + 1 + (random >> 32) % (count - 1)) % count;
  const std::size_t a = eligible.place(first), b = eligible.place(second);
  return choices[b].in_flight < choices[a].in_flight ? b : a;
}

std::size_t by_prefix(std::span<const Choice> choices, const Eligible& eligible,
                      std::uint64_t prefix) {
  std::uint64_t in_flight = 0;
  for (const Choice& choice : choices)
    if (eligible.has(choice)) in_flight += choice.in_flight;
  const double most =
      kPrefixLoad * static_cast<double>(in_flight + 1) / static_cast<double>(eligible.count()) + 1;
  std::optional<std::size_t> best;
  std::uint64_t best_score = 0;
  std::size_t idlest = eligible.place(0);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (!eligible.has(choices[i])) continue;
    if (choices[i].in_flight < choices[idlest].in_flight) idlest = i;
    if (choices[i].in_flight + 1.0 > most) continue;
    const std::uint64_t score = mix(choices[i].id_hash ^ prefix, 0x9e3779b97f4a7c15);
    if (best && score <= best_score) continue;
    best = i;
    best_score = score;
  }
  return best.value_or(idlest);
}

}  // namespace

std::optional<std::size_t> pick(Resilience::Balancer balancer, std::span<const Choice> choices,
                                const Draw& draw) {
  if (choices.empty()) return std::nullopt;
  const Eligible eligible(choices);
  using Balancer = Resilience::Balancer;
  if (balancer == Balancer::kRoundRobin) return eligible.place(draw.turn % eligible.count());
  if (balancer == Balancer::kPrefixAware && draw.prefix)
    return by_prefix(choices, eligible, *draw.prefix);
  return least_of_two(choices, eligible, draw.random);
}

}  // namespace serin::gateway
