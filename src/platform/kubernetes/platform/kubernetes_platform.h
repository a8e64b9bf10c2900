// SPDX-License-Identifier: Apache-2.0
// A cluster as a Platform: one namespace of it. Versions are Deployments, requests go as the
// manifest's router has it, and what there is is read from the caches of informers.
//
// What it was told is known to it as long as it lives; the cluster keeps all that matters, and the
// control plane tells everything again when it begins. Level-triggered by refresh(): whoever runs
// it calls that before each pass of its Controller, and when an informer hears of a change.
//
// Threads: as platform.h has it; calls of one thread and refresh() may come from several, and wait
// for each other. Everything blocks for the API server and for the gateway's pods.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "platform/kubernetes/client/api.h"
#include "platform/kubernetes/platform/options.h"
#include "platform/platform.h"

namespace serin::platform::kubernetes {

class KubernetesPlatform final : public Platform {
 public:
  // Api, caches and clock outlive it. Its Api's manager owns the fields that are applied.
  static Result<std::unique_ptr<KubernetesPlatform>> create(Api& api, Caches caches,
                                                            OwnerOf owner_of,
                                                            KubernetesOptions options,
                                                            const Clock& clock = Clock::real());
  ~KubernetesPlatform() override;

  // Applies what others have changed, and tells the gateway's pods which of the workers' pods came
  // and went. Costs nothing while all is as it was. An error is the first of several; what it could
  // do is done.
  Status refresh();

  Result<Model> resolve(const std::string& model) override;
  Status ensure(const VersionSpec& spec) override;
  Status remove(std::string_view service, std::string_view label) override;
  Result<std::vector<VersionStatus>> observe(std::string_view service) override;
  Status route(const Traffic& traffic) override;
  Status unroute(std::string_view service) override;
  // Of all of the gateway's pods; a mesh has none. What a pod had that is gone is not known.
  Result<EvidencePage> evidence(std::string_view service, std::string_view after,
                                std::size_t most) override;
  Result<std::vector<Sample>> samples(std::string_view service, std::string_view scorer,
                                      double part, std::size_t most) override;
  Status score(std::string_view service, std::string_view scorer,
               const std::vector<SampleScore>& scores) override;
  Result<Reply> ask(std::string_view service, std::string body, std::chrono::milliseconds within,
                    const CancelToken& cancel) override;
  Result<std::string> logs(std::string_view service, std::string_view replica,
                           std::size_t lines) override;

 private:
  struct State;
  explicit KubernetesPlatform(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace serin::platform::kubernetes
