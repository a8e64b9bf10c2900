// SPDX-License-Identifier: Apache-2.0
#include "worker/api/openai/messages.h"

#include <algorithm>
#include <array>

#include "worker/api/fields.h"

namespace serin::worker::api {
namespace {

constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};
constexpr std::array<std::string_view, 3> kTextParts = {"text", "input_text", "output_text"};

Result<std::string> text_of(const json::value& content, const std::string& where) {
  if (content.is_string()) return std::string(content.get_string());
  if (!content.is_array()) return wrong_field(where, "a string or a list of text parts");
  std::string text;
  for (const json::value& part : content.get_array()) {
    const json::object* object = part.if_object();
    const json::value* type = object ? object->if_contains("type") : nullptr;
    const json::value* words = object ? object->if_contains("text") : nullptr;
    const bool is_text =
        type != nullptr && type->is_string() && words != nullptr && words->is_string() &&
        std::ranges::find(kTextParts, std::string_view(type->get_string())) != kTextParts.end();
    if (!is_text) return wrong_field(where, "text: this model takes no other parts");
    text += words->get_string();
  }
  return text;
}

Result<json::object> message_of(const json::value& value, const std::string& where) {
  const json::object* message = value.if_object();
  if (message == nullptr) return wrong_field(where, "an object with role and content");
  const json::value* role = message->if_contains("role");
  if (role == nullptr || !role->is_string() ||
      std::ranges::find(kRoles, std::string_view(role->get_string())) == kRoles.end()) {
    return wrong_field(where + ".role", "system, developer, user, assistant, tool or function");
  }
  const json::value* content = message->if_contains("content");
  if (content == nullptr)
    return wrong_field(where + ".content", "a string or a list of text parts");
  SERIN_TRY_ASSIGN(auto text, text_of(*content, where + ".content"));
  return json::object{{"role", *role}, {"content", std::move(text)}};
}

}  // namespace

Result<std::string> render_messages(const Context& context, const json::value* messages,
                                    std::string_view param) {
  const model::ChatTemplate* chat_template = context.parser.chat_template();
  if (chat_template == nullptr) {
    return fail(Error{Code::kFailedPrecondition,
                      context.service() + " has no chat template; use /v1/completions",
                      "no_chat_template"});
  }
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) {
    return wrong_field(param, "a list of at least one message");
  }
  json::array list;
  for (std::size_t i = 0; i < messages->get_array().size(); ++i) {
    const std::string where = std::string(param) + "[" + std::to_string(i) + "]";
    SERIN_TRY_ASSIGN(auto message, message_of(messages->get_array()[i], where));
    list.push_back(std::move(message));
  }
  return chat_template->render(list, {}, true);
}

}  // namespace serin::worker::api
