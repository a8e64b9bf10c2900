// SPDX-License-Identifier: Apache-2.0
// Streams as workers write them, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace serin::gateway {

// What a worker streams: a chat answer of `tokens` tokens, each a function of its
// place, ended by a finish, usage and [DONE].
class TestStream {
 public:
  TestStream(std::string_view answer, std::int64_t created, std::int64_t tokens)
      : answer_(answer), created_(std::to_string(created)), tokens_(tokens) {}

  std::string stream(const std::vector<std::int64_t>& continued) const {
    std::string out;
    if (continued.empty()) out += chunk(R"({"role":"assistant","content":""})", "null", "");
    for (auto i = static_cast<std::int64_t>(continued.size()); i < tokens_; ++i) {
      const std::string id = std::to_string(token(i));
      out += chunk(R"({"content":" \"w)" + id + R"(\"\n,\"serin\":{\"tokens\":[1]}}"})", "null",
                   R"(,"serin":{"tokens":[)" + id + "]}");
    }
    out += chunk("{}", R"("stop")", "");
    out += "data: " + head() + R"("choices":[],"usage":{"completion_tokens":)" +
           std::to_string(tokens_) + "}}\n\n";
    return out + "data: [DONE]\n\n";
  }
  static std::int64_t token(std::int64_t place) { return 100 + place * place; }

 private:
  std::string head() const {
    return R"({"id":")" + answer_ + R"(","object":"chat.completion.chunk","created":)" + created_ +
           R"(,"model":"m",)";
  }
  std::string chunk(const std::string& delta, const std::string& reason,
                    const std::string& end) const {
    return "data: " + head() + R"("choices":[{"index":0,"delta":)" + delta +
           R"(,"logprobs":null,"finish_reason":)" + reason + "}]" + end + "}\n\n";
  }

  std::string answer_, created_;
  std::int64_t tokens_;
};

}  // namespace serin::gateway
