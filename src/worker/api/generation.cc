// SPDX-License-Identifier: Apache-2.0
#include "worker/api/generation.h"

namespace serin::worker::api {
namespace {

// Shared by the sinks of one Call; touched on its connection's thread alone.
struct Group {
  std::function<void(std::size_t, engine::Event)> on_event;
  std::vector<Instant> last_token;  // the epoch: none yet
  bool failed = false;
};

void count(Call& call, Group& group, std::size_t place, const engine::Event& event) {
  Metrics& metrics = call.context().metrics;
  if (std::holds_alternative<engine::Token>(event)) {
    const Instant now = call.context().clock.now();
    Instant& last = group.last_token[place];
    if (last == Instant{}) {
      metrics.first_token(now - call.began());
    } else {
      metrics.next_token(now - last);
    }
    last = now;
  } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
    metrics.tokens(finished->prompt_tokens, finished->completion_tokens);
  }
}

}  // namespace

Status stream(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
              std::function<void(std::size_t, engine::Event)> on_event) {
  auto group = std::make_shared<Group>();
  group->on_event = std::move(on_event);
  group->last_token.resize(requests.size());
  call->describe(requests.front().seed);
  for (std::size_t place = 0; place < requests.size(); ++place) {
    auto deliver = [call, group, place](engine::Event event) {
      if (group->failed || call->over()) return;
      count(*call, *group, place, event);
      if (std::holds_alternative<engine::Failed>(event)) {
        group->failed = true;
        group->on_event(place, std::move(event));
        call->cancel();
        return;
      }
      group->on_event(place, std::move(event));
    };
    auto sink = [call, deliver, progress = requests[place].previews](engine::Event event) {
      // Waking the connection's thread costs more than these say to most.
      if (std::holds_alternative<engine::Started>(event)) return;
      if (std::holds_alternative<engine::Progress>(event) && !progress) return;
      call->post([deliver, event = std::move(event)]() mutable { deliver(std::move(event)); });
    };
    if (auto admitted = call->context().engine->submit(std::move(requests[place]), sink);
        !admitted) {
      group->failed = true;
      call->cancel();
      return admitted;
    }
  }
  return {};
}

void generate(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
              std::function<void(std::vector<Answer>)> done) {
  struct Waiting {
    std::vector<Answer> answers;
    std::size_t missing;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->answers.resize(requests.size());
  waiting->missing = requests.size();
  auto take = [call, waiting, done = std::move(done)](std::size_t place, engine::Event event) {
    Answer& answer = waiting->answers[place];
    if (auto* failed = std::get_if<engine::Failed>(&event)) {
      call->fail(failed->error);
    } else if (auto* token = std::get_if<engine::Token>(&event)) {
      answer.tokens.push_back(std::move(*token));
    } else if (auto* finished = std::get_if<engine::Finished>(&event)) {
      answer.finished = std::move(*finished);
      if (--waiting->missing == 0) done(std::move(waiting->answers));
    }
  };
  if (auto admitted = stream(call, std::move(requests), std::move(take)); !admitted) {
    call->fail(admitted.error());
  }
}

}  // namespace serin::worker::api
