// SPDX-License-Identifier: Apache-2.0
// A request's body, read field by field; null is as good as absent, and what was never read is
// unknown. For one thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace serin::worker::api {

class Fields {
 public:
  explicit Fields(const json::object& body) : body_(&body) {}

  // Null when absent. kInvalidArgument with `param` from the others when the type is another or the
  // range is left.
  const json::value* any(std::string_view name);
  Result<std::optional<std::string>> string(std::string_view name);
  Result<std::optional<bool>> boolean(std::string_view name);
  Result<std::optional<std::int64_t>> integer(std::string_view name, std::int64_t least,
                                              std::int64_t most);
  Result<std::optional<json::object>> object(std::string_view name);

  // Fields that change nothing here: labels for the caller's own books.
  void ignore(std::initializer_list<std::string_view> names);
  // Copies fields that mean the same in a package's request.
  void pass(std::initializer_list<std::string_view> names, json::object& into);
  // The rest is a package's own inputs.
  void pass_rest(json::object& into);

  // kInvalidArgument, naming the first field that was never read.
  Status no_others() const;

 private:
  const json::object* body_;
  std::set<std::string, std::less<>> read_;
};

// kInvalidArgument: `name` must be `what`.
tl::unexpected<Error> wrong_field(std::string_view name, std::string_view what);

}  // namespace serin::worker::api
