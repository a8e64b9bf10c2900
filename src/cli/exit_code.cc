// SPDX-License-Identifier: Apache-2.0
#include "cli/command.h"

namespace serin::cli {

int exit_code(const Error& error) {
  switch (error.code) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kOutOfRange:
      return 2;
    default:
      return 1;
  }
}

}  // namespace serin::cli
