// SPDX-License-Identifier: Apache-2.0
// How a file begins, by which its kind is known.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace serin {

// The first `most` bytes, or all where there are fewer; none of what cannot be read.
std::string head_of(const std::filesystem::path& path, std::size_t most);

}  // namespace serin
