// SPDX-License-Identifier: Apache-2.0
// A request from its head to the choice of its version.
#include "gateway/forward.h"

#include <utility>

#include "gateway/balance.h"
#include "gateway/fields.h"
#include "gateway/hash.h"
#include "gateway/own_answers.h"
#include "gateway/seed.h"
#include "net/grpc/frame.h"
#include "net/http/request_fields.h"

namespace serin::gateway {
namespace {

// Of a streamed request so much is kept for another try.
constexpr std::size_t kReplayBytes = 1024 * 1024;
constexpr std::string_view kInference = "/inference.GRPCInferenceService/";

// Messages go to and fro for as long as the client likes; of the calls that are known, one does so.
bool is_stream(const net::RequestHead& head) {
  const std::string_view path = head.path;
  return !path.starts_with(kInference) || path.ends_with("/ModelStreamInfer");
}

}  // namespace

Forward::Forward(Lane& lane, std::shared_ptr<net::Exchange> exchange, std::size_t slot)
    : lane_(lane),
      core_(lane.core()),
      exchange_(std::move(exchange)),
      table_(lane.table()),
      slot_(slot),
      began_(core_.clock.now()),
      grpc_(net::grpc::is_grpc(exchange_->head())),
      streamed_(grpc_ && is_stream(exchange_->head())) {}

Forward::~Forward() = default;

void Forward::begin() {
  exchange_->on_gone([this] { client_gone(); });
  const net::RequestHead& head = exchange_->head();
  request_id_ = request_id(head.headers, lane_.random());
  route_ = route_by_head(head);
  begin_span();
  const auto asked = net::requested_timeout(head);
  if (!asked) return refuse(asked.error());
  asked_ = *asked;
  // Nobody's body is read who may not enter, where it is known without it for what it is.
  const bool known = route_.name || table_->services.size() == 1;
  if (known && !knock(route_.name.value_or(Name{}))) return;
  if (streamed_) {
    exchange_->read_pieces(
        [this](Result<std::string> piece) { return take_piece(std::move(piece)); });
  } else {
    exchange_->read_body([this](Result<std::string> body) { take_body(std::move(body)); });
  }
}

void Forward::take_body(Result<std::string> body) {
  if (phase_ != Phase::kReading) return;
  if (!body) {
    if (body.error().code == Code::kCancelled) return;  // client_gone() follows
    return refuse(body.error());
  }
  bytes_in_ = body->size();
  body_ = std::make_shared<const std::string>(*std::move(body));
  request_ended_ = true;
  understand_body();
}

void Forward::understand_body() {
  Name name = route_.name.value_or(Name{});
  const net::RequestHead& head = exchange_->head();
  if (grpc_) {
    if (!route_.name) name = grpc_name(*body_, true).name;
    if (seed_place(head, route_.target) == SeedPlace::kGrpc)
      take_seeded(seeded_grpc(*body_, new_seed()));
  } else if (const auto fields = body_->empty() ? std::nullopt : scan_body(*body_)) {
    user_ = fields->user;
    max_tokens_ = fields->max_tokens;
    if (!fields->prompt.empty()) prefix_ = hash_bytes(fields->prompt.substr(0, kPrefixBytes), 0);
    one_stream_ = fields->stream && fields->one_answer && streams_text(head, route_.target);
    if (const auto taken = take_position(); !taken) return refuse(taken.error());
    // Elsewhere "model" may be an input of the package's.
    const bool names_model = route_.target.starts_with("/v1/") ||
                             table_->services.contains(parse_name(fields->model).service);
    if (!route_.name && names_model) name = parse_name(fields->model);
    take_seeded(seeded(*body_, *fields, seed_place(head, route_.target), new_seed()));
  } else if (!body_->empty() && !route_.name && table_->services.size() > 1) {
    return refuse(Error{Code::kInvalidArgument,
                        "the body is not a JSON object, and only that could say which service the "
                        "request is for: name it as \"model\", or in the path /services/NAME/…",
                        "invalid_json"});
  }
  if (find_service(name)) set_off();
}

std::uint64_t Forward::new_seed() {
  constexpr int kDropped = 11;  // 53 bits: a number that every JSON reader reads exactly
  return resumed_ ? resumed_->seed : lane_.random() >> kDropped;
}

// The body with the seed that it had none of; nullopt: it stays what it is.
void Forward::take_seeded(std::optional<std::string> body) {
  if (!body) return;
  const net::Headers& headers = exchange_->head().headers;
  if (headers.find("inference-header-content-length")) {
    json_length_ = json_length(headers, body->size() - body_->size());
    if (json_length_.empty()) return;
  }
  body_ = std::make_shared<const std::string>(*std::move(body));
}

// True: more pieces may come.
bool Forward::take_piece(Result<std::string> piece) {
  if (phase_ == Phase::kEnded) return false;
  if (!piece) {
    if (piece.error().code != Code::kCancelled) refuse(piece.error());
    return false;
  }
  if (piece->empty()) {
    end_request();
    return false;
  }
  bytes_in_ += piece->size();
  exchange_->give_back(piece->size());
  if (replay_kept_) replay_ += *piece;
  if (phase_ == Phase::kReading) {
    const GrpcName named = route_.name ? GrpcName{true, *route_.name} : grpc_name(replay_, false);
    if (named.known && find_service(named.name)) set_off();
    return phase_ != Phase::kEnded;
  }
  // While nobody takes it all of it is needed: the client waits.
  if (upstream_ == nullptr) {
    if (replay_.size() > kReplayBytes) exchange_->pause_pieces(true);
    return true;
  }
  if (replay_.size() > kReplayBytes) {
    replay_kept_ = false;
    replay_ = {};
  }
  upstream_->write(*piece);
  if (upstream_->unsent() > kAhead) {
    exchange_->pause_pieces(true);
    upstream_->on_drained([this] { exchange_->pause_pieces(false); });
  }
  return true;
}

void Forward::end_request() {
  request_ended_ = true;
  if (phase_ == Phase::kReading) {
    const Name name = route_.name ? *route_.name : grpc_name(replay_, true).name;
    if (find_service(name)) set_off();
  } else if (upstream_ != nullptr) {
    upstream_->finish();
  }
}

// False: the client was told that there is none.
bool Forward::find_service(const Name& name) {
  const auto found = table_->find(name.service);
  if (!found) {
    refuse(found.error());
    return false;
  }
  service_ = *found;
  if (!enter(**found)) return false;
  if (!name.version.empty()) {
    version_ = service_->find(name.version);
    if (version_ == nullptr) {
      const std::string named = std::exchange(service_, nullptr)->name;
      refuse(Error{Code::kNotFound, named + " has no version \"" + name.version + "\"",
                   "model_not_found", "model"});
      return false;
    }
    pinned_ = true;
  }
  if (resumed_ && !find_package()) return false;
  // A stream of messages lasts as long as its client wants, unless it says for how long.
  if (asked_ || !streamed_) {
    const Duration most = service_->resilience.timeout;
    deadline_ = began_ + (asked_ && (streamed_ || *asked_ < most) ? *asked_ : most);
  }
  service_->state->in_flight.fetch_add(1, std::memory_order_relaxed);
  assign();
  return charge() && admit() && !inject_fault();
}

void Forward::assign() {
  const Split& split = service_->split;
  if (!pinned_ && split.shadow && home_ != nullptr) {
    // Dealt anew: its copy was sent, or not, when it set off. Of another rollout it has none.
    if (!home_->split.shadow || home_->split.salt != split.salt) weight_ = 0;
    assignment_.arm = rollout::Arm::kStable;
    version_ = service_->find(split.stable);
  } else if (!pinned_) {
    weight_ = split.weight;
    const User user = user_of(split.user_header, exchange_->head().headers, pass_.identity,
                              [this] { return user_; });
    assignment_ = gateway::assign(split, user.name, lane_.random());
    rater_ = evidence_key(split, user.name);
    if (user.by == NamedBy::kHeader) named_user_ = name_hash(user.name);
    const bool candidate = assignment_.arm == rollout::Arm::kCandidate && !split.shadow;
    version_ = service_->find(candidate ? split.candidate : split.stable);
  }
  home_table_ = table_;
  home_ = service_;
  assigned_version_ = version_;
  visited_ = {{service_->name}, {version_->label}};
}

}  // namespace serin::gateway
