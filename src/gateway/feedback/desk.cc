// SPDX-License-Identifier: Apache-2.0
#include "gateway/feedback/desk.h"

#include <utility>

#include "base/json.h"
#include "base/log.h"
#include "gateway/fields.h"
#include "gateway/route.h"
#include "gateway/split.h"
#include "net/http/error_body.h"

namespace serin::gateway {
namespace {

constexpr std::string_view kPath = "/v1/feedback";

// What an answer of the memory means to the client.
Status status_of(RequestMemory::Taken taken, const Feedback& feedback) {
  using Taken = RequestMemory::Taken;
  switch (taken) {
    case Taken::kNew:
    case Taken::kRepeated:
      return {};
    case Taken::kOther:
      return fail({Code::kAlreadyExists,
                   "the request was rated before, and otherwise: the first rating stands",
                   "already_rated", "rating"});
    case Taken::kTooMany:
      return fail({Code::kAlreadyExists,
                   "feedback was given " + std::to_string(RequestMemory::kMostSent) +
                       " times on this request, which is the most",
                   "feedback_full"});
    case Taken::kForgotten:
      break;
  }
  return fail({Code::kNotFound,
               "no request \"" + feedback.request_id +
                   "\" was answered lately: it must be the X-Request-Id of an answer, and this "
                   "gateway remembers the last ones of each service",
               "unknown_request", "requestId"});
}

// One feedback, from its head to its answer.
class Visit : public std::enable_shared_from_this<Visit> {
 public:
  Visit(Lane& lane, std::shared_ptr<net::Exchange> exchange)
      : lane_(lane),
        core_(lane.core()),
        table_(lane.table()),
        exchange_(std::move(exchange)),
        began_(core_.clock.now()),
        id_(request_id(head().headers, lane.random())) {}

  void begin() {
    exchange_->read_pieces([self = shared_from_this()](Result<std::string> piece) {
      return self->take_piece(std::move(piece));
    });
  }

 private:
  // A request that was found, and its service.
  struct Found {
    const ServiceEntry* service = nullptr;
    Remembered request;
  };

  const net::RequestHead& head() const { return exchange_->head(); }
  bool take_piece(Result<std::string> piece);
  Result<json::object> take();
  Result<Found> find(const Feedback& feedback) const;
  Status charge() const;
  bool is_own(const Found& found) const;
  Status keep(const Found& found, const Feedback& feedback) const;
  void tell(const Found& found, double rating) const;
  void answer(net::Response response, std::string_view result);

  Lane& lane_;
  Core& core_;
  const std::shared_ptr<const Table> table_;
  const std::shared_ptr<net::Exchange> exchange_;
  const Instant began_;
  const std::string id_;
  std::string body_;
  const ServiceEntry* service_ = nullptr;  // once it is known
  Pass pass_;
};

// True: more pieces may come.
bool Visit::take_piece(Result<std::string> piece) {
  if (!piece && piece.error().code == Code::kCancelled) return false;
  if (piece) body_ += *piece;
  if (piece && body_.size() > kFeedbackBytes) {
    piece = fail({Code::kResourceExhausted,
                  "a feedback is at most " + std::to_string(kFeedbackBytes) + " bytes long",
                  "body_too_large"});
  }
  if (piece && !piece->empty()) return true;
  auto taken = piece ? take() : fail(std::move(piece).error());
  if (taken) {
    const bool repeated = taken->at("repeated").get_bool();
    answer({200, {{"content-type", "application/json"}}, json::serialize(*taken)},
           repeated ? "repeated" : "taken");
  } else {
    answer(net::error_response(taken.error()), net::error_code(taken.error()));
  }
  return false;
}

// What was taken, as the client is told.
Result<json::object> Visit::take() {
  SERIN_TRY_ASSIGN(const Feedback feedback, read_feedback(body_));
  SERIN_TRY_ASSIGN(const Found found, find(feedback));
  service_ = found.service;
  const Remembered& request = found.request;
  SERIN_TRY_ASSIGN(pass_, core_.door.enter(service_->access, head(), service_->name, kPath));
  SERIN_TRY(charge());
  if (!is_own(found) && !pass_.rates_any)
    return fail({Code::kPermissionDenied, "the request was another key's, token's or user's",
                 "not_your_request", "requestId"});
  auto taken = RequestMemory::judge(request, feedback);
  if (taken == RequestMemory::Taken::kNew) {
    SERIN_TRY(keep(found, feedback));
    taken = service_->state->memory.take(feedback);
  }
  SERIN_TRY(status_of(taken, feedback));
  const bool repeated = taken == RequestMemory::Taken::kRepeated;
  json::object said{{"requestId", feedback.request_id},
                    {"service", request.served->service},
                    {"version", request.served->version},
                    {"repeated", repeated}};
  if (!feedback.rating) return said;
  said["evidence"] = request.not_counted.empty();
  if (!request.not_counted.empty()) {
    said["because"] = request.not_counted;
  } else if (!repeated) {
    tell(found, *feedback.rating);
  }
  return said;
}

Result<Visit::Found> Visit::find(const Feedback& feedback) const {
  const Name named = route_by_head(head()).name.value_or(Name{});
  for (const auto& [name, service] : table_->services) {
    if (!named.service.empty() && named.service != name) continue;
    if (auto request = service.state->memory.find(feedback.request_id))
      return Found{&service, *std::move(request)};
  }
  return fail(status_of(RequestMemory::Taken::kForgotten, feedback).error());
}

// It counts among the key's requests, and costs no tokens.
Status Visit::charge() const {
  if (pass_.account == nullptr) return {};
  SERIN_TRY_ASSIGN(const Meter::Share share, pass_.account->begin(0, core_.clock));
  pass_.account->end(share, 0, core_.clock);
  return {};
}

// Whether who sends this is who asked, as far as that was proved, or named by a field.
bool Visit::is_own(const Found& found) const {
  if (name_hash(pass_.identity.client()) != found.request.client) return false;
  return found.request.user == 0 ||
         name_hash(head().headers.get(found.service->split.user_header)) == found.request.user;
}

Status Visit::keep(const Found& found, const Feedback& feedback) const {
  const FeedbackLog& log = core_.feedback_log;
  if (!log.on()) {
    if (feedback.correction.empty() && feedback.comment.empty()) return {};
    return fail({Code::kFailedPrecondition,
                 "this gateway keeps no corrections and comments: start it with --feedback-log",
                 "feedback_not_kept", feedback.correction.empty() ? "comment" : "correction"});
  }
  const Served& served = *found.request.served;
  const Identity& who = pass_.identity;
  const Status written = log.write(feedback_line(feedback, {.time = core_.clock.wall(),
                                                            .service = served.service,
                                                            .version = served.version,
                                                            .package = served.package,
                                                            .client = who.name()}));
  if (written) return {};
  log::error("feedback is lost", {{"why", written.error().message}});
  return fail(
      {Code::kUnavailable, "the feedback could not be kept; try again later", "feedback_not_kept"});
}

// Who may rate what others asked for is one rater like everybody.
void Visit::tell(const Found& found, double rating) const {
  const Remembered& request = found.request;
  EvidenceRecord made;
  made.version = request.served->version;
  made.late = true;
  made.request.assigned = request.assigned;
  made.request.arm = request.arm;
  made.request.weight = request.weight;
  made.request.worker = request.worker;
  made.request.key =
      is_own(found) ? request.rater : evidence_key(found.service->split, pass_.identity.client());
  made.scores = {{"feedback", rating}};
  found.service->state->evidence.add(std::move(made));
}

void Visit::answer(net::Response response, std::string_view result) {
  const std::string_view service = service_ == nullptr ? std::string_view{} : service_->name;
  core_.registry
      .counter("serin_gateway_feedback_total", "Feedback of users, by what became of it",
               {{"service", std::string(service)}, {"result", std::string(result)}})
      .add();
  if (core_.log.on()) {
    AccessLine line;
    line.time = core_.clock.wall();
    line.id = id_;
    line.peer = head().peer;
    line.client = pass_.identity.name();
    line.method = head().method;
    line.path = head().path;
    line.service = service;
    line.end = result;
    line.status = response.status;
    line.bytes_in = body_.size();
    line.bytes_out = response.body.size();
    line.seconds = std::chrono::duration<double>(core_.clock.now() - began_).count();
    append_access_line(lane_.log_lines(), line);
  }
  response.headers.set("x-request-id", id_);
  exchange_->respond(std::move(response));
}

}  // namespace

bool is_feedback(const net::RequestHead& head) {
  if (head.method != "POST" || !head.path.ends_with(kPath)) return false;
  const std::string target = route_by_head(head).target;
  return std::string_view(target).substr(0, target.find('?')) == kPath;
}

void answer_feedback(Lane& lane, std::shared_ptr<net::Exchange> exchange) {
  std::make_shared<Visit>(lane, std::move(exchange))->begin();
}

}  // namespace serin::gateway
