// SPDX-License-Identifier: Apache-2.0
// `serin generate SERVICE`: one request, its answer to a file or to the terminal.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <iostream>
#include <memory>

#include "base/files.h"
#include "cli/command.h"
#include "cli/service_request.h"
#include "cli/takes.h"

namespace serin::cli {
namespace {

struct GenerateLine {
  RequestLine request;
  std::filesystem::path output;
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kTypes = {{
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".webp", "image/webp"},
    {".gif", "image/gif"},
    {".wav", "audio/wav"},
    {".flac", "audio/flac"},
    {".mp3", "audio/mpeg"},
    {".aac", "audio/aac"},
    {".opus", "audio/ogg"},
    {".ogg", "audio/ogg"},
    {".mp4", "video/mp4"},
    {".webm", "video/webm"},
    {".txt", "text/plain"},
    {".json", "application/json"},
    {".npy", "application/x-npy"},
}};

// What the file's name asks for; text for a terminal.
Result<std::string_view> type_of(const std::filesystem::path& output) {
  if (output.empty()) return "text/plain";
  const std::string ending = output.extension();
  const auto* found =
      std::ranges::find(kTypes, ending, [](const auto& pair) { return std::string(pair.first); });
  if (found != kTypes.end()) return found->second;
  return invalid(output.string() + ": its ending names no medium; write .png, .wav, .mp4, .txt …");
}

// Without its parameters.
std::string media_type(const net::Response& response) {
  std::string type(response.headers.get("content-type"));
  return type.substr(0, type.find_first_of("; "));
}

Status generate(const GenerateLine& line) {
  SERIN_TRY_ASSIGN(const std::string_view type, type_of(line.output));
  SERIN_TRY_ASSIGN(auto request, request_of(line.request));
  request.headers.add("accept", type);
  request.timeout = std::chrono::hours(1);
  SERIN_TRY_ASSIGN(const auto client, net::Client::create());
  SERIN_TRY_ASSIGN(const net::Response response, client->fetch(std::move(request)));
  if (response.status >= 300) {
    Error error = error_of(response);
    if (response.status == 406 && line.output.empty())
      error.message += "; name a file with -o, whose ending says which";
    return fail(std::move(error));
  }
  const std::string made = media_type(response);
  if (line.output.empty()) {
    const bool text = made.starts_with("text/") || made == "application/json";
    if (!text && ::isatty(STDOUT_FILENO) == 1)
      return invalid("the answer is " + made + ", which no terminal shows: name a file with -o");
    std::cout << response.body << (text ? "\n" : "");
    return {};
  }
  if (!made.empty() && made != type)
    return invalid(line.output.string() + ": " + line.request.service + " made " + made + ", not " +
                   std::string(type) + "; nothing was written");
  SERIN_TRY(write_file(line.output, response.body));
  std::cout << line.output.string() << ": " << response.body.size() << " bytes by "
            << line.request.service << " " << response.headers.get("serin-version") << ", seed "
            << response.headers.get("serin-seed") << "\n";
  return {};
}

}  // namespace

void add_generate(CLI::App& app, Action& chosen) {
  auto line = std::make_shared<GenerateLine>();
  CLI::App* command = app.add_subcommand("generate", "Ask a service for one generation");
  add_request_options(*command, line->request);
  takes_path(command->add_option(
      "-o,--output", line->output,
      "File to write; its ending names the medium. None: text to the terminal"));
  command->callback([line, &chosen] { chosen = [line] { return generate(*line); }; });
}

}  // namespace serin::cli
