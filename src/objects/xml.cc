// SPDX-License-Identifier: Apache-2.0
#include "objects/xml.h"

#include <pugixml.hpp>

#include "net/http/uri.h"
#include "objects/text.h"

namespace serin::objects {
namespace {

// The root element by its name, whatever its namespace; empty when the text is another document.
pugi::xml_node root_of(pugi::xml_document& document, std::string_view xml, const char* name) {
  if (!document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8))
    return {};
  return document.child(name);
}

tl::unexpected<Error> unreadable(const char* what) {
  return fail(Code::kDataLoss,
              std::string("the store's answer is no ") + what + ": not the XML it should be");
}

Result<ObjectInfo> read_object(std::string key, std::string_view size,
                               std::optional<std::chrono::system_clock::time_point> modified) {
  const auto bytes = parse_number(size);
  if (!bytes || !modified) {
    return fail(Code::kDataLoss,
                "the store's listing says no size or time of '" + printable(key) + "'");
  }
  return ObjectInfo{std::move(key), *bytes, {}, *modified};
}

}  // namespace

StoreError parse_store_error(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "Error");
  const pugi::xml_node sts = root ? root : root_of(document, xml, "ErrorResponse").child("Error");
  const pugi::xml_node error = root ? root : sts;
  StoreError said{error.child_value("Code"), error.child_value("Message"),
                  error.child_value("Region")};
  if (said.region.empty()) said.region = error.child_value("BucketRegion");
  // Azure adds lines with a request's id and time.
  said.message.resize(std::min(said.message.find('\n'), said.message.size()));
  return said;
}

Result<Page> parse_s3_listing(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "ListBucketResult");
  if (!root) return unreadable("listing");
  const bool encoded = std::string_view(root.child_value("EncodingType")) == "url";
  Page page;
  for (const pugi::xml_node node : root.children("Contents")) {
    std::string key = node.child_value("Key");
    if (encoded) key = net::form_decode(key);
    if (!check_key(key)) continue;
    SERIN_TRY_ASSIGN(auto object, read_object(std::move(key), node.child_value("Size"),
                                              parse_iso_time(node.child_value("LastModified"))));
    page.objects.push_back(std::move(object));
  }
  if (std::string_view(root.child_value("IsTruncated")) == "true") {
    page.next = root.child_value("NextContinuationToken");
    if (page.next.empty()) return unreadable("listing (it is cut and names no next page)");
  }
  return page;
}

Result<Page> parse_azure_listing(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "EnumerationResults");
  if (!root) return unreadable("listing");
  Page page;
  for (const pugi::xml_node node : root.child("Blobs").children("Blob")) {
    const pugi::xml_node name = node.child("Name");
    std::string key = name.child_value();
    if (std::string_view(name.attribute("Encoded").value()) == "true")
      key = net::percent_decode(key).value_or("");
    if (!check_key(key)) continue;
    const pugi::xml_node properties = node.child("Properties");
    SERIN_TRY_ASSIGN(auto object,
                     read_object(std::move(key), properties.child_value("Content-Length"),
                                 parse_http_date(properties.child_value("Last-Modified"))));
    page.objects.push_back(std::move(object));
  }
  page.next = root.child_value("NextMarker");
  return page;
}

Result<std::string> parse_upload_id(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node root = root_of(document, xml, "InitiateMultipartUploadResult");
  std::string id = root.child_value("UploadId");
  if (id.empty()) return unreadable("answer to the start of an upload");
  return id;
}

Result<StsCredentials> parse_sts_credentials(std::string_view xml) {
  pugi::xml_document document;
  const pugi::xml_node found = root_of(document, xml, "AssumeRoleWithWebIdentityResponse")
                                   .child("AssumeRoleWithWebIdentityResult")
                                   .child("Credentials");
  const auto expires = parse_iso_time(found.child_value("Expiration"));
  StsCredentials credentials{found.child_value("AccessKeyId"), found.child_value("SecretAccessKey"),
                             found.child_value("SessionToken"),
                             expires.value_or(decltype(StsCredentials::expires){})};
  if (credentials.access_key.empty() || credentials.secret_key.empty() || !expires)
    return unreadable("set of credentials");
  return credentials;
}

std::string xml_escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace serin::objects
