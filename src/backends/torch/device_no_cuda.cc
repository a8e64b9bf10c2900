// SPDX-License-Identifier: Apache-2.0
#include "backends/torch/device.h"
#include "base/check.h"

namespace serin::backends {

Status prepare_gpu(int index, std::uint64_t) {
  return fail(Error{Code::kUnimplemented,
                    "this build runs PyTorch on the CPU only; for cuda:" + std::to_string(index) +
                        " build with the preset \"cuda\", or give --device cpu",
                    "no_cuda"});
}

std::unique_ptr<Lane> make_gpu_lane(int) { SERIN_CHECK(false); }

}  // namespace serin::backends
