// SPDX-License-Identifier: Apache-2.0
#include "cluster/realm.h"

#include <utility>

#include "base/last_resort.h"
#include "base/log.h"
#include "cluster/pause.h"
#include "control/notify/tell.h"

namespace serin::cluster {

Result<std::unique_ptr<Realm>> Realm::open(platform::kubernetes::Api& api, RealmOptions options,
                                           const MakePlatform& make_platform,
                                           ClusterStore::Announce announce, const Clock& clock) {
  std::unique_ptr<Realm> realm(new Realm());
  realm->ns_ = options.store.ns;
  SERIN_TRY_ASSIGN(realm->store_,
                   ClusterStore::open(api, std::move(options.store), std::move(announce)));
  SERIN_TRY_ASSIGN(realm->platform_, make_platform(realm->ns_));
  SERIN_TRY_ASSIGN(realm->controller_,
                   control::Controller::create(*realm->store_, *realm->platform_.platform, clock,
                                               options.controller));
  SERIN_TRY_ASSIGN(auto teller, control::notify::Teller::create(clock));
  realm->notifier_ = std::make_unique<control::notify::Notifier>(
      *realm->store_, clock, realm->controller_->metrics(),
      [teller = std::make_shared<control::notify::Teller>(std::move(teller))](
          const auto& target, const control::Event& event, const CancelToken& cancel) {
        return teller->tell(target, event, cancel);
      });
  realm->controller_->start();
  realm->notifier_->start();
  realm->keeper_ =
      std::jthread([realm = realm.get()](const std::stop_token& stop) { realm->keep_fresh(stop); });
  return realm;
}

// Told when it begins to fail and when it fails otherwise.
void Realm::keep_fresh(const std::stop_token& stop) {
  constexpr std::chrono::milliseconds kEvery{250};
  std::string said;
  while (pause_for(kEvery, stop)) {
    survives("a look at a namespace", [&] {
      const Status done = platform_.refresh();
      const std::string problem = done ? std::string() : done.error().message;
      if (!problem.empty() && problem != said) log::warning(problem, {{"namespace", ns_}});
      said = problem;
    });
  }
}

}  // namespace serin::cluster
