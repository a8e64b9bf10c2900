// SPDX-License-Identifier: Apache-2.0
// A job's file: what is read is written, and read again the same.
#include "base/check.h"
#include "worker/jobs/video_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace serin;
  const auto value = parse_json({reinterpret_cast<const char*>(data), size});
  if (!value) return 0;
  const auto job = worker::video_job_from(*value);
  if (!job) return 0;
  const json::object written = worker::to_json(*job, nullptr);
  const auto again = worker::video_job_from(written);
  SERIN_CHECK(again.has_value());
  SERIN_CHECK(worker::to_json(*again, nullptr) == written);
  return 0;
}
