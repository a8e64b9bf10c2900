// SPDX-License-Identifier: Apache-2.0
#include "worker/api/generation.h"

#include <algorithm>

#include "worker/api/form.h"

namespace serin::worker::api {
namespace {

// Shared by the sinks of one Call; touched on its connection's thread alone.
struct Group {
  std::function<void(std::size_t, engine::Event)> on_event;
  std::vector<Instant> last_token;                 // the epoch: none yet
  std::vector<std::vector<std::int64_t>> prompts;  // their last tokens
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

// So many tokens of a prompt tell its script.
constexpr std::size_t kPromptTail = 256;

std::vector<std::int64_t> tail_of(const std::vector<std::int64_t>& prompt) {
  const std::size_t size = std::min(prompt.size(), kPromptTail);
  return {prompt.end() - static_cast<std::ptrdiff_t>(size), prompt.end()};
}

void score(Call& call, const std::vector<std::int64_t>& prompt, const engine::Finished& finished) {
  const Context& context = call.context();
  std::string text;
  if (const model::Tokenizer* tokenizer = context.parser.tokenizer();
      tokenizer != nullptr && !prompt.empty())
    text = tokenizer->decode(prompt, true).value_or(std::string());
  if (const auto form = form_of(context.package.manifest, finished, text)) call.score(*form);
}

}  // namespace

Status stream(const std::shared_ptr<Call>& call, std::vector<engine::Request> requests,
              std::function<void(std::size_t, engine::Event)> on_event) {
  auto group = std::make_shared<Group>();
  group->on_event = std::move(on_event);
  group->last_token.resize(requests.size());
  for (const engine::Request& request : requests) group->prompts.push_back(tail_of(request.prompt));
  // Of what goes on after a broken stream the rest alone is known.
  const bool whole = requests.front().continued.empty();
  call->describe(requests.front().seed);
  for (std::size_t place = 0; place < requests.size(); ++place) {
    auto deliver = [call, group, place, whole](engine::Event event) {
      if (group->failed || call->over()) return;
      count(*call, *group, place, event);
      if (const auto* finished = std::get_if<engine::Finished>(&event);
          finished != nullptr && whole)
        score(*call, group->prompts[place], *finished);
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
