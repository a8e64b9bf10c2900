// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/text.h"

#include <sys/random.h>

#include <array>

namespace serin::worker::api {

Status check_model(const Context& context, Fields& fields) {
  SERIN_TRY_ASSIGN(const auto model, fields.string("model"));
  if (!model || context.is_model(*model)) return {};
  return fail(Error{
      Code::kNotFound,
      "the model \"" + *model + "\" is not served here; this is \"" + context.service() + "\"",
      "model_not_found", "model"});
}

Status check_writes_text(const Context& context) {
  if (std::holds_alternative<model::AutoregressiveLoop>(context.package.manifest.loop)) return {};
  return fail(Error{Code::kNotFound, context.service() + " does not write text; see /openapi.json",
                    "unsupported_task"});
}

Result<json::object> sampling_fields(Fields& fields) {
  json::object request;
  fields.pass({"seed", "temperature", "top_p", "top_k", "min_p", "presence_penalty",
               "frequency_penalty", "repetition_penalty", "logit_bias", "stop"},
              request);
  fields.ignore({"user", "safety_identifier", "metadata", "store", "service_tier",
                 "prompt_cache_key", "prompt_cache_retention"});
  return request;
}

Result<StreamOptions> stream_options(Fields& fields, const net::RequestHead& head) {
  StreamOptions options;
  SERIN_TRY_ASSIGN(const auto streamed, fields.boolean("stream"));
  options.stream = streamed.value_or(false);
  SERIN_TRY_ASSIGN(const auto more, fields.object("stream_options"));
  if (more) {
    if (!options.stream) return wrong_field("stream_options", "left out unless stream is true");
    Fields inner(*more);
    SERIN_TRY_ASSIGN(const auto include, inner.boolean("include_usage"));
    options.include_usage = include.value_or(false);
    inner.ignore({"include_obfuscation"});
    SERIN_TRY(inner.no_others());
  }
  options.include_token_ids = head.headers.get("serin-tokens") == "include";
  return options;
}

const std::string& prompt_input(const Context& context) {
  return std::get<model::AutoregressiveLoop>(context.package.manifest.loop).prompt;
}

Result<std::vector<engine::Request>> text_requests(Call& call, json::object fields,
                                                   const std::vector<json::value>& prompts,
                                                   std::int64_t n) {
  const std::size_t most = call.context().options.choices;
  if (static_cast<std::size_t>(n) > most) {
    return wrong_field("n", "an integer from 1 to " + std::to_string(most));
  }
  if (prompts.empty() || prompts.size() * static_cast<std::size_t>(n) > most) {
    return wrong_field(
        "prompt", "at least one prompt, and with n at most " + std::to_string(most) + " answers");
  }
  std::vector<engine::Request> requests;
  for (const json::value& prompt : prompts) {
    fields[prompt_input(call.context())] = prompt;
    SERIN_TRY_ASSIGN(auto made, call.parse_choices(fields, n));
    if (requests.empty()) fields["seed"] = made.front().seed;
    requests.insert(requests.end(), std::make_move_iterator(made.begin()),
                    std::make_move_iterator(made.end()));
  }
  return requests;
}

Status resume_answer(const Context& context, const json::value& ids,
                     std::vector<engine::Request>& requests) {
  constexpr std::string_view kName = "serin_continue";
  if (!ids.is_array()) return wrong_field(kName, "a list of token ids");
  if (requests.size() != 1)
    return wrong_field(kName, "left out when several answers are asked for");
  std::vector<std::int64_t> answer;
  for (const json::value& id : ids.get_array()) {
    if (!id.is_int64()) return wrong_field(kName, "a list of token ids");
    answer.push_back(id.get_int64());
  }
  return context.parser.resume(requests.front(), std::move(answer));
}

std::string token_text(const Context& context, std::int64_t id) {
  const std::int64_t one[] = {id};
  return context.parser.tokenizer()->decode(one, false).value_or(std::string());
}

std::string new_id(std::string_view prefix) {
  std::array<unsigned char, 12> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes = {};
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id(prefix);
  for (const unsigned char byte : bytes) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

std::string_view finish_reason(engine::FinishReason reason) {
  return reason == engine::FinishReason::kStop ? "stop" : "length";
}

json::object usage(std::int64_t prompt_tokens, std::int64_t completion_tokens) {
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens}};
}

// The n answers to one prompt read it once, in OpenAI's count.
json::object usage_of(const std::vector<Answer>& answers, std::int64_t n) {
  std::int64_t prompt = 0;
  std::int64_t completion = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (i % static_cast<std::size_t>(n) == 0) prompt += answers[i].finished.prompt_tokens;
    completion += answers[i].finished.completion_tokens;
  }
  return usage(prompt, completion);
}

std::string remainder(const engine::Finished& finished, std::size_t streamed_bytes) {
  return streamed_bytes < finished.text.size() ? finished.text.substr(streamed_bytes)
                                               : std::string();
}

}  // namespace serin::worker::api
