// SPDX-License-Identifier: Apache-2.0
// Which handler a method and a path belong to. Built before the server starts, read-only after.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/http/server.h"

namespace serin::net {

using PathParameters = std::map<std::string, std::string, std::less<>>;
using RouteHandler = std::function<void(std::shared_ptr<Exchange>, const PathParameters&)>;

class Router {
 public:
  // Pattern segments: literal, {name} for one segment, and a literal after a parameter:
  // "/v1/models/{model}:predict". A literal wins over a parameter. Adding the same method and
  // pattern twice is a programmer's mistake.
  void add(std::string_view method, std::string_view pattern, RouteHandler handler);

  struct Match {
    const RouteHandler* handler = nullptr;  // null: nothing fits
    PathParameters parameters;
    std::vector<std::string> allowed;  // methods of the path when only the method does not fit: 405
  };
  Match match(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    RouteHandler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace serin::net
