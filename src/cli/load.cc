// SPDX-License-Identifier: Apache-2.0
// `serin load SERVICE`: requests at a steady rate, for demonstrations and for watching a rollout.
// An open loop: a slow answer does not hold the next request up.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <csignal>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/quantity.h"
#include "cli/command.h"
#include "cli/service_request.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

constexpr std::size_t kMostInFlight = 4096;
constexpr std::size_t kLongestError = 64 * 1024;  // bytes read of one
constexpr std::chrono::seconds kBetweenLines{5};
constexpr std::chrono::seconds kLastAnswers{30};

struct LoadLine {
  RequestLine request;
  double rate = 10;
  std::string duration = "60s";
  std::string timeout = "60s";
};

volatile std::sig_atomic_t stopped = 0;

// What came of the requests that one version answered.
struct Answers {
  std::uint64_t count = 0;
  std::uint64_t failed = 0;
  std::vector<double> seconds;  // of those that did not fail
};

// Written by the client's threads, read by the command's.
class Tally {
 public:
  void sent() {
    const std::lock_guard lock(mutex_);
    ++in_flight_;
    ++sent_;
  }
  void skipped() {
    const std::lock_guard lock(mutex_);
    ++skipped_;
  }
  // `why`: it failed; empty: it did not.
  void ended(const std::string& version, const std::string& why, double seconds) {
    const std::lock_guard lock(mutex_);
    --in_flight_;
    Answers& answers = by_version_[version.empty() ? "none" : version];
    ++answers.count;
    if (why.empty()) {
      answers.seconds.push_back(seconds);
      return;
    }
    ++answers.failed;
    if (first_failure_.empty()) first_failure_ = why;
  }
  std::size_t in_flight() const {
    const std::lock_guard lock(mutex_);
    return in_flight_;
  }
  std::string line() const;
  std::string summary(double seconds) const;
  // Why every answer failed; empty where one did not, or none came.
  std::string all_failed() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Answers> by_version_;
  std::size_t in_flight_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t skipped_ = 0;
  std::string first_failure_;
};

// Nearest rank of sorted values; "-" where there is none.
std::string quantile(const std::vector<double>& sorted, double at) {
  if (sorted.empty()) return "-";
  const auto rank = std::ceil(at * static_cast<double>(sorted.size()));
  return seconds_text(json::value(sorted[static_cast<std::size_t>(std::max(1.0, rank)) - 1]));
}

std::string Tally::line() const {
  const std::lock_guard lock(mutex_);
  std::string text = std::to_string(sent_) + " sent, " + std::to_string(in_flight_) + " under way";
  for (const auto& [version, answers] : by_version_) {
    text += "; " + version + ": " + std::to_string(answers.count) + " answered, " +
            std::to_string(answers.failed) + " failed";
  }
  return text;
}

std::string Tally::summary(double seconds) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::vector<std::string>> rows{
      {"VERSION", "REQUESTS", "RATE", "FAILED", "P50", "P95", "P99"}};
  for (auto [version, answers] : by_version_) {
    std::ranges::sort(answers.seconds);
    const auto count = static_cast<double>(answers.count);
    rows.push_back({version, std::to_string(answers.count), rate_text(count / seconds),
                    percent_text(static_cast<double>(answers.failed) / count),
                    quantile(answers.seconds, 0.5), quantile(answers.seconds, 0.95),
                    quantile(answers.seconds, 0.99)});
  }
  std::string text = table(rows);
  if (!first_failure_.empty()) text += "the first that failed: " + first_failure_ + "\n";
  if (in_flight_ > 0) text += std::to_string(in_flight_) + " never ended\n";
  if (skipped_ > 0)
    text += std::to_string(skipped_) + " were not sent: " + std::to_string(kMostInFlight) +
            " were under way\n";
  return text;
}

std::string Tally::all_failed() const {
  const std::lock_guard lock(mutex_);
  const bool none_well = std::ranges::all_of(
      by_version_, [](const auto& one) { return one.second.failed == one.second.count; });
  return none_well ? first_failure_ : std::string();
}

void send(net::Client& client, const net::ClientRequest& request,
          const std::shared_ptr<Tally>& tally) {
  struct Flight {
    Instant begun = Clock::real().now();
    std::uint16_t status = 0;
    std::string version;
    std::string error;  // of an answer that is one
  };
  const auto flight = std::make_shared<Flight>();
  const auto end = [flight, tally](const std::string& why) {
    const std::chrono::duration<double> took = Clock::real().now() - flight->begun;
    tally->ended(flight->version, why, took.count());
  };
  tally->sent();
  net::ResponseSink sink;
  sink.on_head = [flight](const net::ResponseHead& head) {
    flight->status = head.status;
    flight->version = head.headers.get("serin-version");
  };
  sink.on_bytes = [flight](std::string_view bytes) {
    if (flight->status < 400 || flight->error.size() > kLongestError) return;
    flight->error += bytes;
  };
  sink.on_end = [flight, end] {
    net::Response answer;
    answer.status = flight->status;
    answer.body = flight->error;
    end(flight->status < 400 ? std::string() : error_of(answer).message);
  };
  sink.on_error = [end](const Error& error) { end(error.message); };
  client.stream(request, std::move(sink));
}

Status load(const LoadLine& line) {
  SERIN_TRY_ASSIGN(const double seconds, parse_duration(line.duration));
  SERIN_TRY_ASSIGN(const double timeout, parse_duration(line.timeout));
  SERIN_TRY_ASSIGN(auto request, request_of(line.request));
  request.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  net::ClientOptions options;
  options.limits.connections_per_host = 256;
  options.limits.pending_per_host = kMostInFlight;
  const auto tally = std::make_shared<Tally>();
  SERIN_TRY_ASSIGN(const auto client, net::Client::create(std::move(options)));
  std::signal(SIGINT, [](int) { stopped = 1; });

  const Instant begin = Clock::real().now();
  const auto after = [&](double time) {
    return begin + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(time));
  };
  Instant next_line = begin + kBetweenLines;
  const auto total = static_cast<std::uint64_t>(seconds * line.rate);
  for (std::uint64_t i = 0; i < total && stopped == 0; ++i) {
    std::this_thread::sleep_until(after(static_cast<double>(i) / line.rate));
    if (tally->in_flight() >= kMostInFlight) {
      tally->skipped();
    } else {
      send(*client, request, tally);
    }
    if (Clock::real().now() < next_line) continue;
    std::cout << tally->line() << std::endl;
    next_line += kBetweenLines;
  }
  const Instant last = Clock::real().now() + kLastAnswers;
  while (tally->in_flight() > 0 && stopped == 0 && Clock::real().now() < last)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::chrono::duration<double> took = Clock::real().now() - begin;
  std::cout << tally->summary(std::max(took.count(), 0.001));
  if (tally->all_failed().empty()) return {};
  return fail(Code::kUnavailable, "no request was answered well");
}

}  // namespace

void add_load(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<LoadLine>();
  CLI::App* command = app.add_subcommand(
      "load", "Send a service requests at a steady rate, and sum up the answers");
  add_request_options(*command, line->request);
  takes_between(command->add_option("--rate", line->rate, "Requests in a second"), 0.01, 10'000.0)
      ->capture_default_str();
  takes_duration(
      command->add_option("--duration", line->duration, "For so long, such as 90s or 10m"))
      ->capture_default_str();
  takes_duration(
      command->add_option("--timeout", line->timeout, "An answer that takes longer has failed"))
      ->capture_default_str();
  command->callback([line, &chosen] { chosen = [line] { return load(*line); }; });
}

}  // namespace serin::cli
