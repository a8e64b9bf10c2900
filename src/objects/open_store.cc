// SPDX-License-Identifier: Apache-2.0
#include "objects/open_store.h"

#include <algorithm>

#include "objects/azure_store.h"
#include "objects/folder_store.h"
#include "objects/s3_store.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

struct Parts {
  std::string scheme, authority, path;  // the path without the '/' after the authority
};

Result<Parts> split(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos)
    return invalid("'" + printable(url) + "' is no URL: there is no '://' in it");
  Parts parts;
  parts.scheme = url.substr(0, colon);
  const std::string_view rest = url.substr(colon + 3);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  parts.authority = rest.substr(0, slash);
  parts.path = rest.substr(std::min(slash + 1, rest.size()));
  return parts;
}

// Of a bucket, an account or a container: letters, digits, '-', '.', '_'.
Status check_name(std::string_view what, std::string_view name) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_';
  };
  if (!name.empty() && name.size() <= 255 && std::ranges::all_of(name, plain) && name[0] != '.')
    return {};
  return invalid("'" + printable(name) + "' is no name of " + std::string(what));
}

// "a/b" and "a/b/" as "a/b/"; "" stays.
Result<std::string> prefix_of(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  if (path.empty()) return path;
  SERIN_TRY(check_key(path));
  return path + "/";
}

Result<std::unique_ptr<ObjectStore>> open_folder(const Parts& parts) {
  if (!parts.authority.empty())
    return invalid("write file:///path, with three slashes: files of other machines are not read");
  return create_folder_store("/" + parts.path);
}

Result<std::unique_ptr<ObjectStore>> open_s3(const Parts& parts, const Environment& environment) {
  SERIN_TRY(check_name("an S3 bucket", parts.authority));
  SERIN_TRY_ASSIGN(std::string prefix, prefix_of(parts.path));
  SERIN_TRY_ASSIGN(S3Settings settings, s3_settings_from(environment));
  return create_s3_store(parts.authority, std::move(prefix), std::move(settings),
                         http_options_from(environment), RetryPolicy());
}

Result<std::unique_ptr<ObjectStore>> open_azure(const Parts& parts,
                                                const Environment& environment) {
  const std::size_t slash = std::min(parts.path.find('/'), parts.path.size());
  AzureContainer container{parts.authority, parts.path.substr(0, slash), {}};
  SERIN_TRY(check_name("an Azure storage account", container.account));
  SERIN_TRY(
      check_name("an Azure container; write azblob://ACCOUNT/CONTAINER", container.container));
  SERIN_TRY_ASSIGN(container.prefix,
                   prefix_of(parts.path.substr(std::min(slash + 1, parts.path.size()))));
  SERIN_TRY_ASSIGN(AzureSettings settings, azure_settings_from(environment, container.account));
  return create_azure_store(container, std::move(settings), http_options_from(environment),
                            RetryPolicy());
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_store(std::string_view url,
                                                const Environment& environment) {
  SERIN_TRY_ASSIGN(const Parts parts, split(url));
  if (parts.scheme == "file") return open_folder(parts);
  if (parts.scheme == "s3") return open_s3(parts, environment);
  if (parts.scheme == "azblob") return open_azure(parts, environment);
  return invalid("there are stores at file://, s3:// and azblob://, not at '" +
                 printable(parts.scheme) + "://'");
}

Result<ObjectLocation> parse_object_url(std::string_view url) {
  SERIN_TRY_ASSIGN(const Parts parts, split(url));
  std::string_view path = parts.path;
  std::string store = parts.scheme + "://" + parts.authority;
  std::size_t split_at = 0;
  if (parts.scheme == "azblob") split_at = std::min(path.find('/'), path.size()) + 1;
  if (parts.scheme == "file") split_at = path.rfind('/') + 1;  // npos + 1 is 0
  if (split_at > 0) store += "/" + std::string(path.substr(0, split_at - 1));
  path.remove_prefix(std::min(split_at, path.size()));
  if (path.empty()) return invalid("'" + printable(url) + "' names no object in its store");
  SERIN_TRY(check_key(path));
  return ObjectLocation{std::move(store), std::string(path)};
}

}  // namespace serin::objects
