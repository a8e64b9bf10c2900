// SPDX-License-Identifier: Apache-2.0
#include "objects/azure_store.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/base64.h"
#include "net/http/uri.h"
#include "objects/remote_store.h"
#include "objects/text.h"
#include "objects/xml.h"

namespace serin::objects {
namespace {

constexpr std::string_view kVersion = "2021-12-02";  // of the service's interface
constexpr std::string_view kDigest = "x-ms-meta-serin_sha256";
constexpr std::string_view kMark = "x-ms-meta-serin_put";
constexpr std::uint64_t kMostBlocks = 50'000;
constexpr std::uint64_t kLargestObject = std::uint64_t{4} << 40;

Code code_of(std::string_view code) {
  struct Row {
    std::string_view name;
    Code code;
  };
  constexpr std::array<Row, 16> kCodes{{
      {"AuthenticationFailed", Code::kUnauthenticated},
      {"InvalidAuthenticationInfo", Code::kUnauthenticated},
      {"NoAuthenticationInformation", Code::kUnauthenticated},
      {"AuthorizationFailure", Code::kPermissionDenied},
      {"AuthorizationPermissionMismatch", Code::kPermissionDenied},
      {"BlobNotFound", Code::kNotFound},
      {"ContainerNotFound", Code::kNotFound},
      {"BlobAlreadyExists", Code::kAborted},
      {"ConditionNotMet", Code::kAborted},
      {"UnauthorizedBlobOverwrite", Code::kAborted},
      {"InvalidBlockList", Code::kAborted},  // another writer's put dropped our blocks
      {"Md5Mismatch", Code::kDataLoss},
      {"RequestBodyTooLarge", Code::kResourceExhausted},
      {"ServerBusy", Code::kUnavailable},
      {"InternalError", Code::kUnavailable},
      {"ContainerBeingDeleted", Code::kUnavailable},
  }};
  const auto found = std::ranges::find(kCodes, code, &Row::name);
  return found == kCodes.end() ? Code::kUnknown : found->code;
}

Error error_of_azure(const HttpAnswer& answer, const std::string& what) {
  StoreError said = parse_store_error(answer.body);
  if (said.code.empty()) said.code = answer.header("x-ms-error-code");
  std::string message = what;
  if (!said.code.empty()) message += ": " + said.code + ": " + printable(said.message);
  if (said.code == "AuthenticationFailed") {
    message +=
        "; the account key or the signature is wrong, or this machine's clock is: the "
        "store's says " +
        std::string(answer.header("date"));
  }
  Error error = error_of_answer(answer, message);
  if (const Code code = code_of(said.code); code != Code::kUnknown) error.code = code;
  return error;
}

Result<std::string> md5_base64(const Body& body) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  if (!context || EVP_DigestInit_ex(context.get(), EVP_md5(), nullptr) != 1)
    return fail(Code::kInternal, "OpenSSL offers no MD5, which Azure checks blocks with");
  SERIN_TRY(body.each([&](std::string_view piece) -> Status {
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
    return {};
  }));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_DigestFinal_ex(context.get(), digest.data(), &size);
  return to_base64({reinterpret_cast<const char*>(digest.data()), size});
}

class AzureStore final : public RemoteStore {
 public:
  AzureStore(const AzureContainer& container, AzureSettings settings,
             std::unique_ptr<HttpClient> http, const RetryPolicy& retry)
      : RemoteStore({kDigest, kMark, "BlobNotFound", kLargestObject,
                     "an object of Azure Blob has at most 4 TiB"},
                    container.prefix, retry),
        account_(container.account),
        settings_(std::move(settings)),
        base_((settings_.endpoint.empty() ? "https://" + account_ + ".blob.core.windows.net"
                                          : settings_.endpoint) +
              "/" + container.container),
        http_(std::move(http)) {}

 private:
  std::string base() const override { return base_; }

  std::string listing_url(std::string_view prefix, std::string_view from) const override {
    const std::string marker = from.empty() ? "" : "&marker=" + net::percent_encode(from);
    return base_ + "?restype=container&comp=list&maxresults=" + std::to_string(kPageLimit) +
           "&prefix=" + net::percent_encode(prefix) + marker;
  }
  Result<Page> parse_listing(std::string_view body) const override {
    return parse_azure_listing(body);
  }

  Result<HttpAnswer> send(HttpRequest request, const CancelToken& cancel) override {
    const std::string what = request.method + " " + request.url.substr(0, request.url.find('?'));
    request.headers.emplace_back("x-ms-version", kVersion);
    request.headers.emplace_back("x-ms-date", http_date(std::chrono::system_clock::now()));
    if (!settings_.key.empty()) {
      request.headers.emplace_back("Authorization",
                                   azure_authorization(request, account_, settings_.key));
    } else if (!settings_.sas.empty()) {
      request.url += (request.url.find('?') == std::string::npos ? "?" : "&") + settings_.sas;
    }
    SERIN_TRY_ASSIGN(HttpAnswer answer, http_->send(request, cancel));
    if (answer.ok()) return answer;
    return fail(error_of_azure(answer, what));
  }

  Result<HttpAnswer> put_object(const Put& put, const CancelToken& cancel) override {
    // A list of blocks, and not Put Blob, where nothing may be: blocks that a dead writer left
    // count as a blob for the latter (seen with Azurite).
    const bool whole = put.body.size() <= settings_.block_bytes && !put.condition.is_absent();
    return whole ? put_whole(put, cancel) : put_in_blocks(put, cancel);
  }

  Result<HttpAnswer> put_whole(const Put& put, const CancelToken& cancel) {
    HttpRequest request;
    request.method = "PUT";
    request.url = url(put.key);
    request.body = put.body;
    request.headers.emplace_back("x-ms-blob-type", "BlockBlob");
    SERIN_TRY_ASSIGN(std::string md5, md5_base64(put.body));
    request.headers.emplace_back("Content-MD5", std::move(md5));
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    add_marks(request, put);
    return make_visible(put, std::move(request), cancel);
  }

  Result<HttpAnswer> put_in_blocks(const Put& put, const CancelToken& cancel) {
    const std::uint64_t size =
        std::max(settings_.block_bytes, (put.body.size() + kMostBlocks - 1) / kMostBlocks);
    std::string list;
    std::uint64_t number = 0;
    for (std::uint64_t at = 0; at < put.body.size(); at += size, ++number) {
      // Two writers of one key must not take each other's blocks; all names have one length.
      std::string digits = std::to_string(number);
      digits.insert(0, 6 - digits.size(), '0');
      const std::string id = to_base64(put.mark + digits);
      const Body piece = put.body.piece(at, std::min(size, put.body.size() - at));
      SERIN_TRY(put_block(put, piece, id, cancel));
      list += "<Latest>" + id + "</Latest>";
    }
    HttpRequest request;
    request.method = "PUT";
    request.url = url(put.key) + "?comp=blocklist";
    request.body = Body::bytes("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>" + list +
                               "</BlockList>");
    request.headers.emplace_back("Content-Type", "application/xml");
    request.headers.emplace_back("x-ms-blob-content-type", "application/octet-stream");
    add_marks(request, put);
    return make_visible(put, std::move(request), cancel);
  }

  Status put_block(const Put& put, const Body& piece, const std::string& id,
                   const CancelToken& cancel) {
    HttpRequest request;
    request.method = "PUT";
    request.url = url(put.key) + "?comp=block&blockid=" + net::percent_encode(id);
    request.body = piece;
    SERIN_TRY_ASSIGN(std::string md5, md5_base64(piece));
    request.headers.emplace_back("Content-MD5", std::move(md5));
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    SERIN_TRY(send_with_retries(request, cancel));
    return {};
  }

  const std::string account_;
  const AzureSettings settings_;
  const std::string base_;
  const std::unique_ptr<HttpClient> http_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> create_azure_store(const AzureContainer& container,
                                                        AzureSettings settings,
                                                        const HttpOptions& http,
                                                        const RetryPolicy& retry) {
  if (!settings.endpoint.empty() && !settings.endpoint.starts_with("http://") &&
      !settings.endpoint.starts_with("https://")) {
    return invalid("the Azure endpoint '" + printable(settings.endpoint) +
                   "' must begin with https:// or http://");
  }
  while (settings.endpoint.ends_with('/')) settings.endpoint.pop_back();
  SERIN_TRY_ASSIGN(auto client, HttpClient::create(http));
  return std::unique_ptr<ObjectStore>(
      new AzureStore(container, std::move(settings), std::move(client), retry));
}

}  // namespace serin::objects
