// SPDX-License-Identifier: Apache-2.0
// Everything that the local platform can be told, with its defaults.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/source.h"
#include "platform/local/life.h"
#include "platform/local/logs.h"

namespace serin::platform::local {

struct GatewayPolicy {
  std::chrono::milliseconds ask_every{250};
  std::chrono::milliseconds answer_within{2'000};
  std::chrono::milliseconds dead_after{5'000};  // without an answer: ended and replaced
  std::chrono::milliseconds start_within{30'000};
  std::chrono::milliseconds grace{35'000};        // between SIGTERM and SIGKILL
  std::chrono::milliseconds route_within{2'000};  // route() waits for it so long
  RestartPolicy restarts{std::chrono::milliseconds(20), std::chrono::milliseconds(5'000),
                         std::chrono::milliseconds(10'000), 5};
};

struct LocalOptions {
  std::filesystem::path state;                       // its folder; made when missing
  std::filesystem::path program = "/proc/self/exe";  // `serin`
  std::string address = "127.0.0.1";                 // of the gateway
  std::uint16_t port = 8080;                         // 0: any free one, the same each time
  std::vector<std::string> worker_arguments;         // for every `serin serve`
  std::vector<std::string> gateway_arguments;        // for `serin gateway`
  std::vector<std::string> gpus;                     // as CUDA_VISIBLE_DEVICES names them
  std::uint64_t memory_bytes = 0;                    // for all workers; 0: what the machine has
  int replicas = 256;                                // of all versions together
  bool control_groups = true;                        // where they can be made
  model::SourceOptions source;                       // its registry is STATE/registry

  // Takes over what runs and starts nothing: for who only wants to shut it down.
  bool only_end = false;

  LifePolicy life;
  GatewayPolicy gateway;
  LogLimits logs;
  std::chrono::milliseconds tick_busy{50};     // between two looks while something starts or ends
  std::chrono::milliseconds tick_steady{250};  // else
  std::chrono::milliseconds housekeeping{1'000};  // memory, logs
};

// The GPUs of this machine that its driver shows, "0", "1", …
std::vector<std::string> find_gpus();

// Tells one program from another that lies, or lay, in its place: after an upgrade its processes
// are replaced.
std::string program_identity(const std::filesystem::path& program);

}  // namespace serin::platform::local
