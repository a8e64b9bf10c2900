// SPDX-License-Identifier: Apache-2.0
#include "base/tensor.h"

#include <gtest/gtest.h>
#include <cmath>
#include <limits>
#include <vector>

namespace serin {
namespace {

Tensor floats(Shape shape, std::vector<float> values) {
  return Tensor::of<float>(std::move(shape), values);
}

TEST(ElementCount, MultipliesAndRefusesWhatCannotBe) {
  EXPECT_EQ(*element_count({}), 1);
  EXPECT_EQ(*element_count({2, 3, 4}), 24);
  EXPECT_EQ(*element_count({2, 0, 4}), 0);
  EXPECT_FALSE(element_count({-1}).has_value());
  EXPECT_FALSE(element_count({0, -1}).has_value());
  EXPECT_FALSE(element_count({std::int64_t{1} << 32, std::int64_t{1} << 31}).has_value());
  EXPECT_FALSE(element_count({0, std::int64_t{1} << 62, 4}).has_value());
}

TEST(TensorType, BeginsAsAlignedZeros) {
  const Tensor made(DType::kInt64, {3, 5});
  EXPECT_EQ(made.byte_size(), 120u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(made.bytes().data()) % 64, 0u);
  for (const std::int64_t value : made.values<std::int64_t>()) EXPECT_EQ(value, 0);
  EXPECT_TRUE(Tensor().empty());
  EXPECT_FALSE(Tensor(DType::kFloat32, {0}).empty());
}

TEST(TensorType, RowsShareTheBytes) {
  Tensor made = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor second = made.row(1);
  EXPECT_EQ(second.shape(), (Shape{3}));
  EXPECT_EQ(second.values<float>()[0], 4);
  made.mutable_values<float>()[3] = 40;
  EXPECT_EQ(second.values<float>()[0], 40);
  EXPECT_EQ(made.reshaped({3, 2}).row(2).values<float>()[1], 6);
}

TEST(TensorType, KeepsTheOwnerOfForeignMemoryAlive) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{1, 2});
  const std::weak_ptr<std::vector<float>> watch = owner;
  {
    Tensor view(DType::kFloat32, {2}, owner, owner->data());
    const Tensor row = view.row(1);
    owner.reset();
    view = Tensor();
    EXPECT_FALSE(watch.expired());
    EXPECT_EQ(row.values<float>()[0], 2);
  }
  EXPECT_TRUE(watch.expired());
}

TEST(TensorType, ConvertsEveryTypeToFloat32) {
  EXPECT_EQ(Tensor::of<std::int32_t>({2}, std::vector<std::int32_t>{-3, 4})
                .to_float32()
                .values<float>()[0],
            -3);
  EXPECT_EQ(Tensor::of<double>({1}, std::vector<double>{0.25}).to_float32().values<float>()[0],
            0.25F);
  Tensor half(DType::kFloat16, {1});
  half.mutable_bytes()[1] = std::byte{0x3c};
  EXPECT_EQ(half.to_float32().values<float>()[0], 1.0F);
  Tensor brain(DType::kBFloat16, {1});
  brain.mutable_bytes()[1] = std::byte{0x40};
  EXPECT_EQ(brain.to_float32().values<float>()[0], 2.0F);
}

TEST(HalfPrecision, IsExactForSpecialAndSmallValues) {
  EXPECT_EQ(float_of_half(0x0000), 0.0F);
  EXPECT_TRUE(std::signbit(float_of_half(0x8000)));
  EXPECT_EQ(float_of_half(0x0001), 0x1p-24F);
  EXPECT_EQ(float_of_half(0x03ff), 1023 * 0x1p-24F);
  EXPECT_EQ(float_of_half(0x0400), 0x1p-14F);
  EXPECT_EQ(float_of_half(0x7bff), 65504.0F);
  EXPECT_EQ(float_of_half(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(float_of_half(0x7e00)));
}

TEST(DTypeNames, AreThoseOfTheFormatAndBack) {
  for (const char* name : {"bool", "uint8", "int8", "int16", "int32", "int64", "float16",
                           "bfloat16", "float32", "float64"}) {
    ASSERT_TRUE(dtype_named(name).has_value()) << name;
    EXPECT_EQ(name_of(*dtype_named(name)), name);
  }
  EXPECT_FALSE(dtype_named("float").has_value());
}

std::string npy(std::string header, std::string_view data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  return bytes + header + std::string(data);
}

TEST(Npy, WritesWhatItReads) {
  const Tensor made = floats({2, 3}, {1, 2, 3, 4, 5, 6.5F});
  const Result<std::string> bytes = to_npy(made);
  ASSERT_TRUE(bytes.has_value());
  // What numpy.save wrote for the same array, up to the padding.
  EXPECT_EQ(bytes->substr(10, 58), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), ");
  EXPECT_EQ((bytes->size() - 24) % 64, 0u);
  const Result<Tensor> again = parse_npy(*bytes);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->shape(), made.shape());
  EXPECT_TRUE(std::equal(made.bytes().begin(), made.bytes().end(), again->bytes().begin()));
}

TEST(Npy, WritesScalarsAndVectorsAsPythonDoes) {
  EXPECT_NE(to_npy(floats({}, {1}))->find("'shape': (), }"), std::string::npos);
  EXPECT_NE(to_npy(floats({1}, {1}))->find("'shape': (1,), }"), std::string::npos);
  EXPECT_EQ(parse_npy(*to_npy(floats({}, {7})))->shape(), Shape{});
  EXPECT_FALSE(to_npy(Tensor(DType::kBFloat16, {1})).has_value());
}

TEST(Npy, ReadsKeysInAnyOrderAndWithAnySpace) {
  const auto read =
      parse_npy(npy("{ 'shape':( 2 , ) ,\"descr\" : '|u1','fortran_order':False}\n", "ab"));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->values<std::uint8_t>()[1], 'b');
}

TEST(Npy, RefusesWhatIsBrokenOrStrange) {
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_TRUE(parse_npy(npy(good, "ab")).has_value());
  EXPECT_FALSE(parse_npy(npy(good, "a")).has_value());
  EXPECT_FALSE(parse_npy(npy(good, "abc")).has_value());
  EXPECT_FALSE(parse_npy("").has_value());
  EXPECT_FALSE(parse_npy(npy(good, "ab").substr(0, 30)).has_value());
  EXPECT_FALSE(
      parse_npy(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\x01\x02"))
          .has_value());
  for (const char* header : {
           "",
           "{",
           "{}",
           "{'descr': '|u1'}",
           "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }",
           "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
           "{'descr': '>i2', 'fortran_order': False, 'shape': (1,), }",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (2,) } x",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 4), }",
           "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (2,), }",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'more': 1}",
       }) {
    EXPECT_FALSE(parse_npy(npy(header, "ab")).has_value()) << header;
  }
}

}  // namespace
}  // namespace serin
