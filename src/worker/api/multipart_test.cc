// SPDX-License-Identifier: Apache-2.0
#include "worker/api/multipart.h"

#include <gmock/gmock.h>

namespace serin::worker::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view kForm =
    "--XX\r\n"
    "Content-Disposition: form-data; name=\"prompt\"\r\n"
    "\r\n"
    "a circle\r\n"
    "--XX\r\n"
    "content-disposition: form-data; name=picture; filename=\"a b.png\"\r\n"
    "Content-Type: image/png\r\n"
    "\r\n"
    "\x89PNG\r\n--X\r\n\r\n"
    "--XX--\r\n";

std::string error_of(std::string_view body, const MultipartLimits& limits = {}) {
  const auto parts = parse_multipart(body, "XX", limits);
  return parts ? "" : parts.error().message;
}

TEST(Multipart, ReadsFieldsAndFiles) {
  const auto parts = parse_multipart(kForm, "XX");
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].name, "prompt");
  EXPECT_EQ((*parts)[0].body, "a circle");
  EXPECT_FALSE((*parts)[0].filename);
  EXPECT_EQ((*parts)[1].name, "picture");
  EXPECT_EQ((*parts)[1].filename, "a b.png");
  EXPECT_EQ((*parts)[1].content_type, "image/png");
}

TEST(Multipart, KeepsBytesThatOnlyLookLikeABoundary) {
  const auto parts = parse_multipart(kForm, "XX");
  ASSERT_TRUE(parts);
  EXPECT_EQ((*parts)[1].body, "\x89PNG\r\n--X\r\n");
}

TEST(Multipart, AnEmptyFormHasNoParts) {
  const auto parts = parse_multipart("--XX--", "XX");
  ASSERT_TRUE(parts);
  EXPECT_TRUE(parts->empty());
}

TEST(Multipart, EveryPrefixOfAFormIsRefused) {
  const std::string_view whole = kForm.substr(0, kForm.size() - 2);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of(whole.substr(0, size)), "") << size;
  }
  EXPECT_EQ(error_of(whole), "");
}

TEST(Multipart, SaysWhatIsWrong) {
  EXPECT_THAT(error_of("hello --XX--"), HasSubstr("begin with its boundary"));
  EXPECT_THAT(error_of("--XX--more"), HasSubstr("follow its closing boundary"));
  EXPECT_THAT(error_of("--XXY\r\n"), HasSubstr("alone on its line"));
  EXPECT_THAT(error_of("--XX\r\n\r\nx\r\n--XX--"), HasSubstr("has no name (part 1)"));
  EXPECT_THAT(error_of("--XX\r\nno field\r\n\r\nx\r\n--XX--"), HasSubstr("Name: value"));
  EXPECT_THAT(error_of("--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XX--"),
              HasSubstr("must be form-data"));
  EXPECT_THAT(error_of("--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--XX--"),
              HasSubstr("not name=value"));
  EXPECT_THAT(error_of("--XX\r\nContent-Disposition: form-data; name=a\r\n"
                       "Content-Transfer-Encoding: base64\r\n\r\nx\r\n--XX--"),
              HasSubstr("must be left out"));
}

TEST(Multipart, BoundsPartsAndTheirFields) {
  const std::string part = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n";
  EXPECT_EQ(error_of(part + part + "--XX--", {.parts = 2}), "");
  EXPECT_THAT(error_of(part + part + part + "--XX--", {.parts = 2}), HasSubstr("more than 2"));
  const std::string long_name = "--XX\r\nX-Long: " + std::string(5000, 'a') + "\r\n\r\nx\r\n--XX--";
  EXPECT_THAT(error_of(long_name), HasSubstr("within 4096 bytes"));
}

TEST(Multipart, FindsTheBoundaryInAContentType) {
  EXPECT_TRUE(is_multipart("Multipart/Form-Data; boundary=x"));
  EXPECT_FALSE(is_multipart("application/json"));
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("multipart/form-data; charset=utf-8; Boundary=\"a b:c\""), "a b:c");
  for (const std::string bad :
       {"multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=a\xff", "multipart/form-data; boundary=\"a \""}) {
    EXPECT_FALSE(multipart_boundary(bad)) << bad;
  }
  EXPECT_FALSE(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')));
}

}  // namespace
}  // namespace serin::worker::api
