// SPDX-License-Identifier: Apache-2.0
#include "gateway/stream/continued_stream.h"

#include <charconv>

#include "base/json.h"

namespace serin::gateway {
namespace {

constexpr std::string_view kData = "data: ";
constexpr std::string_view kLast = "data: [DONE]";
constexpr std::string_view kErrorEvent = "event: error\ndata: ";
// In JSON a text holds no bare quotation mark, so these cannot stand inside of one.
constexpr std::string_view kTokens = ",\"serin\":{\"tokens\":[";
constexpr std::string_view kTokensEnd = "]}}";
constexpr std::string_view kAnswer = "{\"id\":\"";
constexpr std::string_view kCreated = ",\"created\":";

tl::unexpected<Error> not_a_worker(std::string_view what) {
  return fail(Code::kAborted, "the worker's stream " + std::string(what));
}

// One chunk of an answer, cut where the gateway changes it:
//   {"id":"ANSWER"BETWEEN,"created":CREATED REST TOKENS}
struct Chunk {
  std::string_view answer, between, created, rest;
  std::string_view ids;       // "291,3252"; empty: none
  std::string_view with_ids;  // what follows `created`, ids and all
};

Result<Chunk> cut_chunk(std::string_view data) {
  Chunk chunk;
  if (!data.starts_with(kAnswer)) return not_a_worker("has an event without an id");
  data.remove_prefix(kAnswer.size());
  const std::size_t answer_end = data.find('"');
  const std::size_t created = data.find(kCreated);
  if (answer_end == std::string_view::npos || created == std::string_view::npos ||
      created < answer_end) {
    return not_a_worker("has an event without a time");
  }
  chunk.answer = data.substr(0, answer_end);
  chunk.between = data.substr(answer_end, created + kCreated.size() - answer_end);
  data.remove_prefix(created + kCreated.size());
  const std::size_t created_end = data.find_first_not_of("0123456789");
  if (created_end == std::string_view::npos) return not_a_worker("has an event that is cut");
  chunk.created = data.substr(0, created_end);
  chunk.with_ids = data.substr(created_end);

  const std::size_t ids = chunk.with_ids.rfind(kTokens);
  chunk.rest = chunk.with_ids.substr(0, ids);
  if (ids == std::string_view::npos) return chunk;
  chunk.ids = chunk.with_ids.substr(ids + kTokens.size());
  if (!chunk.ids.ends_with(kTokensEnd)) return not_a_worker("has tokens that are cut");
  chunk.ids.remove_suffix(kTokensEnd.size());
  return chunk;
}

Status read_ids(std::string_view text, std::vector<std::int64_t>& ids) {
  while (!text.empty()) {
    std::int64_t id = 0;
    const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc()) return not_a_worker("has a token that is no number");
    text.remove_prefix(static_cast<std::size_t>(stopped - text.data()));
    if (text.starts_with(',')) text.remove_prefix(1);
    ids.push_back(id);
  }
  return {};
}

}  // namespace

ContinuedStream::ContinuedStream(std::string package, std::string profile, std::uint64_t seed,
                                 bool asked_tokens)
    : asked_tokens_(asked_tokens) {
  position_.package = std::move(package);
  position_.profile = std::move(profile);
  position_.seed = seed;
}

ContinuedStream::ContinuedStream(const StreamPosition& position, bool asked_tokens)
    : position_(position), asked_tokens_(asked_tokens) {}

Status ContinuedStream::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty() && !ended_) {
    // An event ends with an empty line, of which the first half may have come before.
    if (partial_.ends_with('\n') && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      partial_.pop_back();
      const std::string event = std::exchange(partial_, {});
      SERIN_TRY(take(event, out));
      continue;
    }
    const std::size_t end = bytes.find("\n\n");
    if (end == std::string_view::npos) {
      if (partial_.size() + bytes.size() > kMostEventBytes) return not_a_worker("has a huge event");
      partial_ += bytes;
      return {};
    }
    if (partial_.empty()) {
      SERIN_TRY(take(bytes.substr(0, end), out));
    } else {
      partial_ += bytes.substr(0, end);
      const std::string event = std::exchange(partial_, {});
      SERIN_TRY(take(event, out));
    }
    bytes.remove_prefix(end + 2);
  }
  return {};
}

void ContinuedStream::go_on() {
  partial_.clear();
  seen_ = tokens_.empty() ? 0 : events_at_token_;
}

Status ContinuedStream::take(std::string_view event, std::string& out) {
  if (event.starts_with(kErrorEvent)) return take_error(event, out);
  ++seen_;
  if (event == kLast) {
    ended_ = true;
    send({event}, out);
    return {};
  }
  if (!event.starts_with(kData)) return not_a_worker("has an event of another kind");
  SERIN_TRY_ASSIGN(const Chunk chunk, cut_chunk(event.substr(kData.size())));
  if (!chunk.ids.empty() && tokens_.size() < kMostTokens && seen_ > events_at_token_) {
    SERIN_TRY(read_ids(chunk.ids, tokens_));
    events_at_token_ = seen_;
  }
  if (position_.answer.empty()) {
    position_.answer = chunk.answer;
    std::from_chars(chunk.created.data(), chunk.created.data() + chunk.created.size(),
                    position_.created);
  }
  const std::string created = std::to_string(position_.created);
  const bool cut_ids = !chunk.ids.empty() && !asked_tokens_;
  send({kData, kAnswer, position_.answer, chunk.between, created,
        cut_ids ? chunk.rest : chunk.with_ids, cut_ids ? "}" : ""},
       out);
  return {};
}

// What can be tried again is this worker's failure alone, and not the answer's.
Status ContinuedStream::take_error(std::string_view event, std::string& out) {
  const auto data = parse_json(event.substr(kErrorEvent.size()));
  if (!data || !data->is_object()) return not_a_worker("has an error that is no JSON");
  const json::object& object = data->get_object();
  const json::value* error = object.if_contains("error");
  const json::object& told = error != nullptr && error->is_object() ? error->get_object() : object;
  const json::value* retryable = told.if_contains("retryable");
  if (retryable != nullptr && *retryable == true) {
    const json::value* message = told.if_contains("message");
    return fail(Code::kAborted, message != nullptr && message->is_string()
                                    ? std::string(message->get_string())
                                    : std::string("the worker's stream broke off"));
  }
  ended_ = failed_ = true;
  ++seen_;
  send({event}, out);
  return {};
}

void ContinuedStream::send(std::initializer_list<std::string_view> pieces, std::string& out) {
  if (seen_ <= position_.events) return;  // the client has it already
  position_.events = seen_;
  out += "id: ";
  out += write_event_id(position_);
  out += '\n';
  for (const std::string_view piece : pieces) out += piece;
  out += "\n\n";
}

std::string with_continuation(std::string_view body, std::span<const std::int64_t> tokens) {
  const std::size_t begin = body.find('{') + 1;
  std::string made(body.substr(0, begin));
  made += "\"serin_continue\":[";
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) made += ',';
    made += std::to_string(tokens[i]);
  }
  made += ']';
  const std::size_t next = body.find_first_not_of(" \t\r\n", begin);
  if (next != std::string_view::npos && body[next] != '}') made += ',';
  made += body.substr(begin);
  return made;
}

}  // namespace serin::gateway
