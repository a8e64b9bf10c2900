// SPDX-License-Identifier: Apache-2.0
// For tests: the stores that tests/env/run.py starts, and a folder, each behind the same few calls.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/base64.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/hmac.h"
#include "net/http/uri.h"
#include "objects/azure_store.h"
#include "objects/folder_store.h"
#include "objects/s3_store.h"
#include "objects/text.h"

namespace serin::objects {

inline constexpr std::uint64_t kPartForTest = std::uint64_t{5} << 20;
// Retries as they are, without the waits.
inline constexpr RetryPolicy kRetryForTest{5, std::chrono::milliseconds(1),
                                           std::chrono::milliseconds(20)};

// One kind of store. Every open() below one StoreForTest sees the same objects.
class StoreForTest {
 public:
  virtual ~StoreForTest() = default;
  // Through a proxy at this port, where one is given.
  virtual std::unique_ptr<ObjectStore> open(std::uint16_t proxy = 0) = 0;
  virtual std::unique_ptr<ObjectStore> open_with_wrong_secret() { return nullptr; }
  virtual std::unique_ptr<ObjectStore> open_elsewhere() { return nullptr; }  // no such bucket
  virtual std::uint16_t port() const { return 0; }  // of the server; 0: there is none
};

class FolderForTest final : public StoreForTest {
 public:
  std::unique_ptr<ObjectStore> open(std::uint16_t) override {
    auto store = create_folder_store(folder_->path());
    EXPECT_TRUE(store) << store.error().message;
    return *std::move(store);
  }
  const std::filesystem::path& path() const { return folder_->path(); }

 private:
  Result<TemporaryDirectory> folder_ = TemporaryDirectory::create("objects");
};

inline std::string through(const std::string& endpoint, std::uint16_t proxy) {
  if (proxy == 0) return endpoint;
  const std::size_t colon = endpoint.find(':', endpoint.find("://") + 3);
  const std::size_t end = std::min(endpoint.find('/', colon), endpoint.size());
  return endpoint.substr(0, colon + 1) + std::to_string(proxy) + endpoint.substr(end);
}

class S3ForTest final : public StoreForTest {
 public:
  S3ForTest() : settings_(*s3_settings_from(process_environment())) {
    settings_.part_bytes = kPartForTest;
    HttpRequest make;
    make.method = "PUT";
    make.url = settings_.endpoint + "/" + bucket_;
    make.body = Body::bytes({});
    make.headers = {{"x-amz-content-sha256", sha256_hex("")}};
    make.sign = AwsSignature{settings_.region, settings_.credentials->access_key,
                             settings_.credentials->secret_key};
    const auto answer = (*HttpClient::create({}))->send(make, {});
    EXPECT_TRUE(answer && answer->ok()) << (answer ? answer->body : answer.error().message);
  }
  std::unique_ptr<ObjectStore> open(std::uint16_t proxy) override {
    return open(bucket_, settings_, proxy);
  }
  std::unique_ptr<ObjectStore> open_with_wrong_secret() override {
    S3Settings wrong = settings_;
    wrong.credentials->secret_key += "x";
    return open(bucket_, wrong, 0);
  }
  std::unique_ptr<ObjectStore> open_elsewhere() override { return open("nobody", settings_, 0); }
  std::uint16_t port() const override { return net::parse_url(settings_.endpoint)->port; }

 private:
  static std::unique_ptr<ObjectStore> open(const std::string& bucket, S3Settings settings,
                                           std::uint16_t proxy) {
    settings.endpoint = through(settings.endpoint, proxy);
    return *create_s3_store(bucket, "below/this/", settings, {}, kRetryForTest);
  }
  S3Settings settings_;
  std::string bucket_ = "b" + random_id();
};

class AzureForTest final : public StoreForTest {
 public:
  AzureForTest() : settings_(*azure_settings_from(process_environment(), kAccount)) {
    settings_.block_bytes = kPartForTest;
    HttpRequest make;
    make.method = "PUT";
    make.url = settings_.endpoint + "/" + container_ + "?restype=container";
    make.body = Body::bytes({});
    make.headers = {{"x-ms-version", "2021-12-02"},
                    {"x-ms-date", http_date(std::chrono::system_clock::now())}};
    make.headers.emplace_back("Authorization", azure_authorization(make, kAccount, settings_.key));
    const auto answer = (*HttpClient::create({}))->send(make, {});
    EXPECT_TRUE(answer && answer->ok()) << (answer ? answer->body : answer.error().message);
  }
  std::unique_ptr<ObjectStore> open(std::uint16_t proxy) override {
    return open(container_, settings_, proxy);
  }
  std::unique_ptr<ObjectStore> open_with_wrong_secret() override {
    AzureSettings wrong = settings_;
    wrong.key += "x";
    return open(container_, wrong, 0);
  }
  // With a signature that was made for the container, without the account's key.
  std::unique_ptr<ObjectStore> open_with_sas(const std::string& permissions) {
    AzureSettings sas = settings_;
    const std::string until = "2099-01-01T00:00:00Z", version = "2021-12-02";
    const std::string text = permissions + "\n\n" + until + "\n/blob/" + kAccount + "/" +
                             container_ + "\n\n\n\n" + version + "\nc\n\n\n\n\n\n\n";
    const std::string signature = to_base64(hmac_sha256(sas.key, text));
    sas.key.clear();
    sas.sas = "sv=" + version + "&sr=c&sp=" + permissions + "&se=" + net::percent_encode(until) +
              "&sig=" + net::percent_encode(signature);
    return open(container_, sas, 0);
  }
  std::unique_ptr<ObjectStore> open_elsewhere() override { return open("nobody", settings_, 0); }
  std::uint16_t port() const override { return net::parse_url(settings_.endpoint)->port; }

 private:
  static constexpr const char* kAccount = "devstoreaccount1";
  static std::unique_ptr<ObjectStore> open(const std::string& container, AzureSettings settings,
                                           std::uint16_t proxy) {
    settings.endpoint = through(settings.endpoint, proxy);
    return *create_azure_store({kAccount, container, "below/this/"}, settings, {}, kRetryForTest);
  }
  AzureSettings settings_;
  std::string container_ = "c" + random_id();
};

inline std::unique_ptr<StoreForTest> store_for_test(std::string_view name) {
  if (name == "folder") return std::make_unique<FolderForTest>();
  if (name == "s3") return std::make_unique<S3ForTest>();
  return std::make_unique<AzureForTest>();
}

}  // namespace serin::objects
