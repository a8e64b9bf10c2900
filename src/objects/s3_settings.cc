// SPDX-License-Identifier: Apache-2.0
#include "objects/s3_settings.h"

#include <algorithm>

#include "base/files.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

constexpr std::uint64_t kLargestFile = 1 << 20;

// The text of a configuration file, empty where there is none. One that was named must be there.
Result<std::string> configuration(const Environment& environment, const char* variable,
                                  const char* below_home) {
  const auto named = environment(variable);
  const auto home = environment("HOME");
  if (!named && !home) return std::string();
  auto text = read_file(named ? *named : *home + below_home, kLargestFile);
  if (!text && !named && text.error().code == Code::kNotFound) return std::string();
  return text;
}

Status find_credentials(const Environment& environment, const std::string& profile,
                        S3Settings& settings) {
  const auto key = environment("AWS_ACCESS_KEY_ID");
  const auto secret = environment("AWS_SECRET_ACCESS_KEY");
  if (key.has_value() != secret.has_value()) {
    return invalid("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together; only one is set");
  }
  if (key) {
    settings.credentials =
        S3Credentials{*key, *secret, environment("AWS_SESSION_TOKEN").value_or("")};
    return {};
  }
  SERIN_TRY_ASSIGN(const std::string shared,
                   configuration(environment, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"));
  S3Credentials found{ini_value(shared, profile, "aws_access_key_id"),
                      ini_value(shared, profile, "aws_secret_access_key"),
                      ini_value(shared, profile, "aws_session_token")};
  if (!found.access_key.empty() && !found.secret_key.empty()) {
    settings.credentials = std::move(found);
    return {};
  }
  const auto role = environment("AWS_ROLE_ARN");
  const auto token_file = environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (role && token_file) {
    settings.web_identity =
        WebIdentity{*role, *token_file, environment("AWS_ROLE_SESSION_NAME").value_or("serin"),
                    environment("AWS_ENDPOINT_URL_STS").value_or("")};
  }
  return {};
}

}  // namespace

std::string ini_value(std::string_view text, std::string_view section, std::string_view key) {
  bool inside = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('[')) {
      inside = trimmed(line.substr(1, line.find(']') - 1)) == section;
      continue;
    }
    const std::size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos || line.starts_with('#')) continue;
    if (trimmed(line.substr(0, equals)) == key)
      return std::string(trimmed(line.substr(equals + 1)));
  }
  return {};
}

Result<S3Settings> s3_settings_from(const Environment& environment) {
  S3Settings settings;
  const std::string profile = environment("AWS_PROFILE").value_or("default");
  SERIN_TRY(find_credentials(environment, profile, settings));
  SERIN_TRY_ASSIGN(const std::string config,
                   configuration(environment, "AWS_CONFIG_FILE", "/.aws/config"));
  const std::string section = profile == "default" ? profile : "profile " + profile;
  for (const std::string& region :
       {environment("AWS_REGION").value_or(""), environment("AWS_DEFAULT_REGION").value_or(""),
        ini_value(config, section, "region")}) {
    if (region.empty()) continue;
    settings.region = region;
    break;
  }
  const auto general = environment("AWS_ENDPOINT_URL");
  settings.endpoint = environment("AWS_ENDPOINT_URL_S3").value_or(general.value_or(""));
  settings.path_style = !settings.endpoint.empty();
  return settings;
}

}  // namespace serin::objects
