// SPDX-License-Identifier: Apache-2.0
#include "worker/api/relay/relay_routes.h"

#include "worker/api/relay/answer.h"
#include "worker/api/relay/outgoing.h"

namespace serin::worker::api {
namespace {

bool speaks_openai(const model::Manifest& manifest) {
  return manifest.remote->protocol == model::Remote::Protocol::kOpenAi;
}

Result<std::string> answer_of(Upstream& upstream, const Outgoing& outgoing) {
  net::ClientRequest request = upstream.request("POST", outgoing.path);
  request.headers.add("content-type", "application/json");
  request.body = json::serialize(outgoing.body);
  auto answer = upstream.client().fetch(std::move(request));
  if (!answer) return fail(error_of_transport(std::move(answer).error()));
  if (answer->status >= 300)
    return fail(error_of_answer({answer->status, answer->headers}, answer->body));
  return std::move(answer->body);
}

Status prove(const model::Package& package, const engine::RequestParser& parser,
             const model::Golden& golden, Upstream& upstream) {
  const bool openai = speaks_openai(package.manifest);
  SERIN_TRY_ASSIGN(const Outgoing outgoing,
                   openai ? openai_generate(package.manifest, golden.request)
                          : plain_generate(package.manifest, parser, golden.request));
  SERIN_TRY_ASSIGN(std::string given, answer_of(upstream, outgoing));
  if (golden.expect.empty()) return {};
  if (openai) {
    SERIN_TRY_ASSIGN(const json::object answer, read_upstream_object(given));
    given = text_in(answer).value_or("");
  }
  if (given == golden.expect.front().second) return {};
  constexpr std::size_t kShown = 200;
  return fail(Code::kFailedPrecondition, "text is \"" + given.substr(0, kShown) + "\", not \"" +
                                             golden.expect.front().second.substr(0, kShown) + "\"");
}

}  // namespace

std::vector<Route> relay_routes(const model::Manifest& manifest) {
  return speaks_openai(manifest) ? openai_relay_routes() : plain_relay_routes();
}

Status prove_upstream(const model::Package& package, const engine::RequestParser& parser,
                      Upstream& upstream) {
  for (std::size_t i = 0; i < package.manifest.golden.size(); ++i) {
    Status proved = prove(package, parser, package.manifest.golden[i], upstream);
    if (!proved)
      return fail(std::move(proved).error().within("golden request " + std::to_string(i)));
  }
  return {};
}

}  // namespace serin::worker::api
