// SPDX-License-Identifier: Apache-2.0
#include "backends/call_check.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <set>

namespace serin::backends {
namespace {

// Binds N or T at its first sight; false when it was bound to something else.
bool agrees(std::int64_t declared, std::int64_t actual, Dimensions& known) {
  if (declared == model::kBatchDimension || declared == model::kLoopDimension) {
    std::optional<std::int64_t>& bound =
        declared == model::kBatchDimension ? known.batch : known.loop;
    if (!bound) bound = actual;
    return *bound == actual;
  }
  return declared == actual;
}

bool shape_agrees(const Shape& declared, const Shape& actual, Dimensions& known) {
  if (declared.size() != actual.size()) return false;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (!agrees(declared[i], actual[i], known)) return false;
  }
  return true;
}

std::string described(DType dtype, const std::string& shape) {
  return std::string(name_of(dtype)) + " " + shape;
}

// "with N = 4" where that was known before.
std::string bound_text(const Dimensions& known) {
  std::string text;
  if (known.batch) text += " with N = " + std::to_string(*known.batch);
  if (known.loop) text += (text.empty() ? " with T = " : " and T = ") + std::to_string(*known.loop);
  return text;
}

template <class Word>
bool any_nan(std::span<const std::byte> bytes, Word exponent, Word fraction) {
  // Bit patterns, not comparisons: the compiler may vectorise it, and no rounding mode or fast-math
  // matters.
  bool found = false;
  const std::size_t count = bytes.size() / sizeof(Word);
  constexpr std::size_t kBlock = 4096;
  for (std::size_t begin = 0; begin < count && !found; begin += kBlock) {
    const std::size_t end = std::min(count, begin + kBlock);
    for (std::size_t i = begin; i < end; ++i) {
      Word word;
      std::memcpy(&word, bytes.data() + i * sizeof(Word), sizeof(Word));
      found |= static_cast<Word>(word & (exponent | fraction)) > exponent;
    }
  }
  return found;
}

}  // namespace

Result<Shape> concrete_shape(const Shape& declared, const Dimensions& dimensions) {
  Shape shape = declared;
  for (std::int64_t& dimension : shape) {
    if (dimension >= 0) continue;
    const auto& bound = dimension == model::kBatchDimension ? dimensions.batch : dimensions.loop;
    if (!bound)
      return invalid("the shape " + model::declared_shape(declared) +
                     " has a dimension that is not known here");
    dimension = *bound;
  }
  SERIN_TRY(element_count(shape));
  return shape;
}

Result<Dimensions> check_arguments(const model::Call& call, std::span<const Tensor> arguments,
                                   const std::vector<bool>& carried, Dimensions known) {
  if (arguments.size() != call.arguments.size()) {
    return invalid("the call takes " + std::to_string(call.arguments.size()) + " arguments, " +
                   std::to_string(arguments.size()) + " were given");
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const model::Argument& declared = call.arguments[i];
    const Tensor& given = arguments[i];
    if (carried[i]) {
      if (!given.empty())
        return invalid("argument " + declared.name + " is fed by the state, and was given too",
                       declared.name);
      continue;
    }
    if (given.empty()) return invalid("argument " + declared.name + " is missing", declared.name);
    const Dimensions before = known;
    if (given.dtype() != declared.dtype || !shape_agrees(declared.shape, given.shape(), known)) {
      return invalid("argument " + declared.name + " must be " +
                         described(declared.dtype, model::declared_shape(declared.shape)) +
                         bound_text(before) + ", not " +
                         described(given.dtype(), to_string(given.shape())),
                     declared.name);
    }
  }
  return known;
}

Status check_result(const model::ResultSpec& declared, DType dtype, const Shape& shape,
                    const Dimensions& dimensions) {
  Dimensions known = dimensions;
  if (dtype == declared.dtype && shape_agrees(declared.shape, shape, known)) return {};
  return fail(Code::kInternal,
              "the package declares result " + declared.name + " as " +
                  described(declared.dtype, model::declared_shape(declared.shape)) +
                  bound_text(dimensions) + ", its model gave " +
                  described(dtype, to_string(shape)));
}

Error out_of_memory(std::string_view what) {
  Error error{Code::kResourceExhausted, "out of memory: " + std::string(what), "out_of_memory"};
  error.retry_after = std::chrono::seconds(1);
  return error;
}

Status check_carry(const model::Call& call, std::span<const engine::Model::Carry> pairs) {
  std::set<std::size_t> arguments, results;
  for (const auto& pair : pairs) {
    if (pair.argument >= call.arguments.size() || pair.result >= call.results.size()) {
      return invalid("a cache names an argument or a result that the call does not have");
    }
    const model::Argument& argument = call.arguments[pair.argument];
    const model::ResultSpec& result = call.results[pair.result];
    if (!arguments.insert(pair.argument).second || !results.insert(pair.result).second) {
      return invalid("a cache names " + argument.name + " or " + result.name + " twice",
                     argument.name);
    }
    if (argument.dtype != result.dtype || argument.shape != result.shape) {
      return invalid("cache argument " + argument.name + " is " +
                         described(argument.dtype, model::declared_shape(argument.shape)) +
                         ", its result " + result.name + " is " +
                         described(result.dtype, model::declared_shape(result.shape)) +
                         "; they must be the same",
                     argument.name);
    }
  }
  return {};
}

bool lies_in(const void* data, std::span<const Tensor> arguments) {
  return std::any_of(arguments.begin(), arguments.end(), [data](const Tensor& argument) {
    const auto bytes = argument.bytes();
    return !argument.empty() && data >= bytes.data() && data < bytes.data() + bytes.size();
  });
}

bool holds_nan(DType dtype, std::span<const std::byte> bytes) {
  switch (dtype) {
    case DType::kFloat16:
      return any_nan<std::uint16_t>(bytes, 0x7c00, 0x03ff);
    case DType::kBFloat16:
      return any_nan<std::uint16_t>(bytes, 0x7f80, 0x007f);
    case DType::kFloat32:
      return any_nan<std::uint32_t>(bytes, 0x7f800000, 0x007fffff);
    case DType::kFloat64:
      return any_nan<std::uint64_t>(bytes, 0x7ff0000000000000, 0x000fffffffffffff);
    default:
      return false;
  }
}

}  // namespace serin::backends
