// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/answer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/base64.h"
#include "net/http/retry_after.h"
#include "net/http/status.h"

namespace serin::worker::api {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLongestMessage = 2048;
constexpr std::size_t kLongestWord = 128;
constexpr milliseconds kRetryAfter{1000};
constexpr milliseconds kLongestRetryAfter{3'600'000};

const json::object* object_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

std::optional<std::string> string_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::nullopt : std::optional<std::string>(*text);
}

std::string bounded(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  text.resize(most);
  return text + " …";
}

// The first element of a list of objects.
const json::object* first_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  const json::array* list = value == nullptr ? nullptr : value->if_array();
  return list == nullptr || list->empty() ? nullptr : list->front().if_object();
}

// What servers put their words in: OpenAI's {"error": {…}}, {"error": "…"}, older vLLM's
// {"object": "error", "message": …}, FastAPI's {"detail": "…"}.
void take_words(const json::object& body, Error& error) {
  const json::object* inner = object_at(body, "error");
  const json::object& words = inner != nullptr ? *inner : body;
  for (const char* name : {"message", "error", "detail"}) {
    if (auto text = string_at(words, name); text && !text->empty()) {
      error.message = bounded(*std::move(text), kLongestMessage);
      break;
    }
  }
  error.param = bounded(string_at(words, "param").value_or(""), kLongestWord);
  error.reason = bounded(string_at(words, "code").value_or(""), kLongestWord);
}

milliseconds retry_after(const net::Headers& headers) {
  const auto said = net::parse_retry_after(headers.get("retry-after"));
  return said ? std::min<milliseconds>(*said, kLongestRetryAfter) : kRetryAfter;
}

// Whose fault a status is: the client's, or nothing that the client could do better.
Code code_for(std::uint16_t status) {
  switch (status) {
    case 401:
    case 403:
      return Code::kInternal;
    case 413:
      return Code::kOutOfRange;
    default:
      return status < 400 ? Code::kInternal : net::code_of_http_status(status);
  }
}

}  // namespace

Error bad_upstream(std::string what) {
  return {Code::kInternal, "the upstream " + std::move(what), "bad_upstream"};
}

Error error_of_answer(const net::ResponseHead& head, std::string_view body) {
  Error error{code_for(head.status), "the upstream answered " + std::to_string(head.status)};
  if (head.status < 400) {
    error.message += "; redirects are not followed";
  } else if (head.status == 401 || head.status == 403) {
    error.message += ": its key is wrong or missing";
  } else if (const auto object = parse_json(body); object && object->is_object()) {
    take_words(object->get_object(), error);
  }
  if (error.code == Code::kUnavailable || error.code == Code::kResourceExhausted)
    error.retry_after = retry_after(head.headers);
  if (error.code == Code::kInternal || error.code == Code::kUnimplemented)
    error = {Code::kInternal, "upstream: " + error.message, "bad_upstream"};
  if (error.reason.empty() || error.reason == "bad_upstream") {
    error.reason = error.code == Code::kInternal ? "bad_upstream"
                   : head.status == 413          ? "body_too_large"
                                                 : "upstream_error";
  }
  return error;
}

Error error_of_transport(Error error) {
  error.message.insert(0, "upstream: ");
  switch (error.code) {
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
      return error;
    case Code::kUnavailable:
      error.reason = "upstream_unavailable";
      error.retry_after = kRetryAfter;
      return error;
    case Code::kAborted:  // with a reason: what came is not HTTP
      if (!error.reason.empty()) break;
      error.code = Code::kUnavailable;
      error.reason = "upstream_broke";
      error.retry_after = kRetryAfter;
      return error;
    default:
      break;
  }
  error.code = Code::kInternal;
  error.reason = "bad_upstream";
  return error;
}

Result<json::object> read_upstream_object(std::string_view body) {
  auto parsed = parse_json(body);
  if (!parsed)
    return fail(bad_upstream("gave an answer that cannot be read: " + parsed.error().message));
  if (!parsed->is_object()) return fail(bad_upstream("answered with JSON that is no object"));
  return std::move(parsed->get_object());
}

std::optional<Usage> usage_in(const json::object& answer) {
  const json::object* usage = object_at(answer, "usage");
  if (const json::object* response = object_at(answer, "response"); usage == nullptr && response)
    usage = object_at(*response, "usage");
  if (usage == nullptr) return std::nullopt;
  const auto count = [&](std::string_view chat, std::string_view response) -> std::int64_t {
    for (const std::string_view name : {chat, response}) {
      const json::value* value = usage->if_contains(name);
      if (value != nullptr && value->is_int64())
        return std::max<std::int64_t>(0, value->get_int64());
    }
    return 0;
  };
  return Usage{count("prompt_tokens", "input_tokens"), count("completion_tokens", "output_tokens")};
}

void rename_model(json::object& answer, std::string_view name) {
  if (answer.contains("model")) answer["model"] = name;
  json::value* response = answer.if_contains("response");
  json::object* inner = response == nullptr ? nullptr : response->if_object();
  if (inner != nullptr && inner->contains("model")) (*inner)["model"] = name;
}

std::optional<std::string> text_in(const json::object& answer) {
  const json::object* choice = first_of(answer, "choices");
  if (choice == nullptr) return std::nullopt;
  if (auto text = string_at(*choice, "text")) return text;
  for (const char* name : {"message", "delta"}) {
    if (const json::object* message = object_at(*choice, name)) {
      if (auto text = string_at(*message, "content")) return text;
    }
  }
  return std::nullopt;
}

Result<std::string> image_in(const json::object& answer) {
  const json::object* first = first_of(answer, "data");
  const auto encoded = first == nullptr ? std::nullopt : string_at(*first, "b64_json");
  if (!encoded) return fail(bad_upstream("gave no picture as b64_json; links are not followed"));
  auto bytes = from_base64(*encoded);
  if (!bytes) return fail(bad_upstream("gave a picture that is no base64"));
  return bytes;
}

std::string_view image_type(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("GIF8")) return "image/gif";
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP")
    return "image/webp";
  return {};
}

Result<RelayedEvent> read_upstream_event(net::SseEvent event, std::string_view name) {
  constexpr std::array kLast{"response.completed", "response.incomplete", "response.failed"};
  RelayedEvent relayed;
  if (event.data == "[DONE]") {
    relayed.event = std::move(event);
    relayed.last = true;
    return relayed;
  }
  SERIN_TRY_ASSIGN(relayed.data, read_upstream_object(event.data));
  const json::value* error = relayed.data.if_contains("error");
  if (event.event == "error" || (error != nullptr && !error->is_null())) {
    Error said = bad_upstream("reported an error in its stream");
    take_words(relayed.data, said);
    const json::object* inner = object_at(relayed.data, "error");
    const json::value* retry = inner == nullptr ? nullptr : inner->if_contains("retryable");
    if (retry != nullptr && retry->is_bool() && retry->get_bool()) said.code = Code::kUnavailable;
    if (said.reason.empty()) said.reason = "upstream_error";
    return fail(std::move(said));
  }
  rename_model(relayed.data, name);
  relayed.last =
      std::ranges::find(kLast, string_at(relayed.data, "type").value_or("")) != kLast.end();
  event.data = json::serialize(relayed.data);
  relayed.event = std::move(event);
  return relayed;
}

}  // namespace serin::worker::api
