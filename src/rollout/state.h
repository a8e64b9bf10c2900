// SPDX-License-Identifier: Apache-2.0
// How the state of an analysis is written down and read again, to the bit. A class that has state
// names its fields once,
//
//   template <class Self, class Archive>
//   static void fields(Self& self, Archive& archive) { archive(self.sum_, self.count_); }
//
// and both directions follow. Numbers are little-endian in their full width; a list is its length
// and its elements. What is read is checked: a length that the bytes left cannot hold, a number
// that is not one, an enumerator that does not exist make the reader bad, and it stays so.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace serin::rollout {

class StateWriter {
 public:
  template <class... T>
  void operator()(const T&... fields) {
    (put(fields), ...);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void put_bits(std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
      bytes_ += static_cast<char>(static_cast<unsigned char>(value >> (8 * i)));
  }
  template <std::unsigned_integral T>
  void put(const T& value) {
    put_bits(value, sizeof(T));
  }
  template <class T>
    requires std::is_enum_v<T>
  void put(const T& value) {
    put(static_cast<std::uint8_t>(value));
  }
  void put(const double& value) { put_bits(std::bit_cast<std::uint64_t>(value), 8); }
  void put(const std::string& text) {
    put(std::uint64_t{text.size()});
    bytes_ += text;
  }
  template <class T>
  void put(const std::vector<T>& values) {
    put(std::uint64_t{values.size()});
    for (const T& value : values) put(value);
  }
  template <class T, std::size_t N>
  void put(const std::array<T, N>& values) {
    for (const T& value : values) put(value);
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
    requires requires(const T& value, StateWriter& archive) { T::fields(value, archive); }
  void put(const T& value) {
    T::fields(value, *this);
  }

  std::string bytes_;
};

class StateReader {
 public:
  explicit StateReader(std::string_view bytes) : bytes_(bytes) {}

  template <class... T>
  void operator()(T&... fields) {
    (get(fields), ...);
  }
  // Whether everything so far was as it must be; where not, what was read is not to be used.
  bool good() const { return good_; }
  bool at_end() const { return bytes_.empty(); }
  void set_bad() { good_ = false; }

 private:
  std::uint64_t bits(std::size_t width) {
    if (bytes_.size() < width) good_ = false;
    if (!good_) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(bytes_[i])} << (8 * i);
    bytes_.remove_prefix(width);
    return value;
  }
  // Every element takes a byte at least, so no length makes more room than the bytes left.
  std::size_t length() {
    const std::uint64_t value = bits(8);
    if (value > bytes_.size()) good_ = false;
    return good_ ? static_cast<std::size_t>(value) : 0;
  }
  template <std::unsigned_integral T>
  void get(T& value) {
    value = static_cast<T>(bits(sizeof(T)));
  }
  void get(bool& value) {
    const std::uint64_t read = bits(1);
    if (read > 1) good_ = false;
    value = read == 1;
  }
  // last_of(E) stands beside each enumeration.
  template <class T>
    requires std::is_enum_v<T>
  void get(T& value) {
    const std::uint64_t read = bits(1);
    if (read > static_cast<std::uint64_t>(last_of(T{}))) good_ = false;
    value = good_ ? static_cast<T>(read) : T{};
  }
  void get(double& value) {
    value = std::bit_cast<double>(bits(8));
    if (std::isnan(value)) good_ = false;
  }
  void get(std::string& text) {
    const std::size_t size = length();
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
  }
  template <class T>
  void get(std::vector<T>& values) {
    values.clear();
    for (std::size_t left = length(); left > 0 && good_; --left) get(values.emplace_back());
  }
  template <class T, std::size_t N>
  void get(std::array<T, N>& values) {
    for (T& value : values) get(value);
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    value.reset();
    if (there) get(value.emplace());
  }
  template <class T>
    requires requires(T& value, StateReader& archive) { T::fields(value, archive); }
  void get(T& value) {
    T::fields(value, *this);
  }

  std::string_view bytes_;
  bool good_ = true;
};

}  // namespace serin::rollout
