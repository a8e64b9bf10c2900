// SPDX-License-Identifier: Apache-2.0
// The pure parts: keys, escapes, times, retries, settings, signatures, and what stores say in XML.
#include <gmock/gmock.h>

#include <map>

#include "base/base64.h"
#include "base/files.h"
#include "objects/azure_settings.h"
#include "objects/open_store.h"
#include "objects/retry.h"
#include "objects/s3_settings.h"
#include "objects/text.h"
#include "objects/xml.h"

namespace serin::objects {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

Environment environment_of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

TEST(Text, ReadsAndWritesTimes) {
  const auto time = std::chrono::system_clock::from_time_t(1'000'000'000);
  EXPECT_EQ(http_date(time), "Sun, 09 Sep 2001 01:46:40 GMT");
  EXPECT_EQ(parse_http_date(http_date(time)), time);
  EXPECT_EQ(parse_iso_time("2001-09-09T01:46:40.000Z"), time);
  EXPECT_FALSE(parse_http_date("yesterday"));
  EXPECT_FALSE(parse_iso_time("3028-09-09T01:46:40.000Z"));
  EXPECT_FALSE(parse_iso_time("1969-12-31T23:59:59.000Z"));
}

TEST(Retry, WaitsLongerEachTimeAndStopsAfterTheLastAttempt) {
  const RetryPolicy policy{4, milliseconds(100), milliseconds(300)};
  const Error error{Code::kUnavailable, "no answer"};
  EXPECT_EQ(wait_before_retry(policy, 1, error, 0), milliseconds(50));
  EXPECT_EQ(wait_before_retry(policy, 2, error, 0), milliseconds(100));
  EXPECT_EQ(wait_before_retry(policy, 3, error, 0), milliseconds(150));
  EXPECT_EQ(wait_before_retry(policy, 4, error, 0), std::nullopt);
}

TEST(Retry, DoesAsTheStoreAsksWithinItsOwnBound) {
  const RetryPolicy policy{4, milliseconds(100), milliseconds(300)};
  Error error{Code::kUnavailable, "slow down"};
  error.retry_after = milliseconds(200);
  EXPECT_EQ(wait_before_retry(policy, 1, error, 0), milliseconds(200));
  error.retry_after = std::chrono::hours(1);
  EXPECT_EQ(wait_before_retry(policy, 1, error, 0), milliseconds(300));
}

TEST(Retry, DoesNotRepeatWhatWillFailAgain) {
  for (const Code code : {Code::kNotFound, Code::kAborted, Code::kPermissionDenied,
                          Code::kUnauthenticated, Code::kInvalidArgument, Code::kCancelled})
    EXPECT_EQ(wait_before_retry({}, 1, Error{code, "no"}, 0.5), std::nullopt);
}

TEST(S3Settings, ReadTheEnvironmentBeforeFiles) {
  const auto folder = TemporaryDirectory::create();
  const std::string file = (folder->path() / "credentials").string();
  ASSERT_TRUE(write_file(file,
                         "# comment\n[default]\naws_access_key_id = fromfile\n"
                         "aws_secret_access_key=filesecret\n[other]\naws_access_key_id=o\n"
                         "aws_secret_access_key = p\naws_session_token = t\n"));
  const auto from_file = s3_settings_from(environment_of({{"AWS_SHARED_CREDENTIALS_FILE", file}}));
  ASSERT_TRUE(from_file) << from_file.error().message;
  EXPECT_EQ(from_file->credentials->access_key, "fromfile");
  EXPECT_EQ(from_file->credentials->secret_key, "filesecret");
  const auto profile = s3_settings_from(
      environment_of({{"AWS_SHARED_CREDENTIALS_FILE", file}, {"AWS_PROFILE", "other"}}));
  EXPECT_EQ(profile->credentials->session_token, "t");
  const auto from_environment =
      s3_settings_from(environment_of({{"AWS_SHARED_CREDENTIALS_FILE", file},
                                       {"AWS_ACCESS_KEY_ID", "env"},
                                       {"AWS_SECRET_ACCESS_KEY", "envsecret"},
                                       {"AWS_REGION", "eu-central-1"},
                                       {"AWS_ENDPOINT_URL", "http://127.0.0.1:9000"}}));
  EXPECT_EQ(from_environment->credentials->access_key, "env");
  EXPECT_EQ(from_environment->region, "eu-central-1");
  EXPECT_TRUE(from_environment->path_style);
}

TEST(S3Settings, RefuseHalfAPairOfKeys) {
  EXPECT_FALSE(s3_settings_from(environment_of({{"AWS_ACCESS_KEY_ID", "a"}})));
}

TEST(S3Settings, TakeAWebIdentityWhereThereAreNoKeys) {
  const auto settings = s3_settings_from(environment_of(
      {{"AWS_ROLE_ARN", "arn:aws:iam::1:role/r"}, {"AWS_WEB_IDENTITY_TOKEN_FILE", "/token"}}));
  ASSERT_TRUE(settings->web_identity);
  EXPECT_EQ(settings->web_identity->role, "arn:aws:iam::1:role/r");
  EXPECT_FALSE(settings->credentials);
}

TEST(AzureSettings, ReadAConnectionString) {
  const auto environment = environment_of(
      {{"AZURE_STORAGE_CONNECTION_STRING",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=" + to_base64("key") +
            ";BlobEndpoint=http://127.0.0.1:1/me"}});
  const auto settings = azure_settings_from(environment, "me");
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->key, "key");
  EXPECT_EQ(settings->endpoint, "http://127.0.0.1:1/me");
  EXPECT_FALSE(azure_settings_from(environment, "somebody"));
  EXPECT_FALSE(azure_settings_from(environment_of({{"AZURE_STORAGE_KEY", "no base64!"}}), "me"));
}

TEST(Urls, AreTakenApart) {
  const auto s3 = parse_object_url("s3://bucket/a/b.serin");
  EXPECT_EQ(s3->store, "s3://bucket");
  EXPECT_EQ(s3->key, "a/b.serin");
  const auto azure = parse_object_url("azblob://account/container/a/b");
  EXPECT_EQ(azure->store, "azblob://account/container");
  EXPECT_EQ(azure->key, "a/b");
  const auto file = parse_object_url("file:///srv/a/b");
  EXPECT_EQ(file->store, "file:///srv/a");
  EXPECT_EQ(file->key, "b");
  for (const char* wrong : {"s3://bucket", "s3://bucket/", "azblob://account/container", "s3:/x/y",
                            "s3://bucket/../x", "azblob://account"})
    EXPECT_FALSE(parse_object_url(wrong)) << wrong;
  for (const char* wrong : {"gs://bucket", "s3://", "azblob://a", "file://host/x", "s3://b%2f/x"})
    EXPECT_FALSE(open_store(wrong, environment_of({}))) << wrong;
}

TEST(Xml, ReadsAListingOfS3) {
  const auto page = parse_s3_listing(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
      "<NextContinuationToken>next=</NextContinuationToken>"
      "<Contents><Key>a+b%2Fc</Key><LastModified>2001-09-09T01:46:40.000Z</LastModified>"
      "<Size>7</Size></Contents>"
      "<Contents><Key>folder/</Key><LastModified>2001-09-09T01:46:40.000Z</LastModified>"
      "<Size>0</Size></Contents></ListBucketResult>");
  ASSERT_TRUE(page) << page.error().message;
  ASSERT_EQ(page->objects.size(), 1U);  // the marker of a folder is no object of ours
  EXPECT_EQ(page->objects[0].key, "a b/c");
  EXPECT_EQ(page->objects[0].size, 7U);
  EXPECT_EQ(page->next, "next=");
}

TEST(Xml, RefusesWhatIsNoListing) {
  for (const char* wrong :
       {"", "<", "<html/>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"})
    EXPECT_FALSE(parse_s3_listing(wrong)) << wrong;
  EXPECT_FALSE(
      parse_azure_listing("<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs>"
                          "</EnumerationResults>"));
}

TEST(Xml, ExpandsNoEntitiesOfItsOwn) {
  const StoreError error = parse_store_error(
      "<?xml version=\"1.0\"?><!DOCTYPE e [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
      "<Error><Code>C&amp;D</Code><Message>&x;</Message></Error>");
  EXPECT_EQ(error.code, "C&D");
  EXPECT_EQ(error.message, "&x;");
}

TEST(Xml, ReadsTemporaryKeys) {
  const auto keys = parse_sts_credentials(
      "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
      "<AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</"
      "SessionToken>"
      "<Expiration>2001-09-09T01:46:40Z</Expiration></Credentials>"
      "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->session_token, "t");
  EXPECT_FALSE(parse_sts_credentials("<Error/>"));
}

}  // namespace
}  // namespace serin::objects
