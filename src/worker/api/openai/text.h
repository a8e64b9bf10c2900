// SPDX-License-Identifier: Apache-2.0
// What completions, chat completions and responses have in common: sampling fields, logprobs,
// usage, ids.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/api/fields.h"
#include "worker/api/generation.h"

namespace serin::worker::api {

// kNotFound when `model` names another one than this worker serves.
Status check_model(const Context& context, Fields& fields);
// kFailedPrecondition when the package does not write text.
Status check_writes_text(const Context& context);

// The fields that every text API shares, under the names of a package's request.
Result<json::object> sampling_fields(Fields& fields);

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;
  bool include_token_ids =
      false;  // `serin: {tokens: […]}` in each chunk, for whoever may have to go on
};
Result<StreamOptions> stream_options(Fields& fields, const net::RequestHead& head);

// `prompt` in a package's request is the loop's text input.
const std::string& prompt_input(const Context& context);

// Requests for `prompts` × `n`, each a rendered string or token ids.
Result<std::vector<engine::Request>> text_requests(Call& call, json::object fields,
                                                   const std::vector<json::value>& prompts,
                                                   std::int64_t n);

// Makes every request go on after `ids`, the tokens of an answer whose stream broke.
Status resume_answer(const Context& context, const json::value& ids,
                     std::vector<engine::Request>& requests);

// A token as text, for logprobs.
std::string token_text(const Context& context, std::int64_t id);

// "cmpl-…": the prefix and 24 random hex digits.
std::string new_id(std::string_view prefix);
std::string_view finish_reason(engine::FinishReason reason);  // "stop", "length"
json::object usage(std::int64_t prompt_tokens, std::int64_t completion_tokens);
json::object usage_of(const std::vector<Answer>& answers, std::int64_t n);

// What an answer still owes a stream when it ends: its text beyond what the tokens brought.
std::string remainder(const engine::Finished& finished, std::size_t streamed_bytes);

}  // namespace serin::worker::api
