// SPDX-License-Identifier: Apache-2.0
// POST /v1/feedback on the data port: what users say of answers. A rating becomes evidence about
// the version that the request was first assigned to; everything is kept in the feedback log. For
// the lane's thread, which also writes the line.
#pragma once

#include <memory>

#include "gateway/lane.h"

namespace serin::gateway {

bool is_feedback(const net::RequestHead& head);

// | answer                        | when                                                         |
// | ----------------------------- | ------------------------------------------------------------ |
// | 200                           | it was taken, or is what was said before                     |
// | 400                           | not a feedback; a correction that nothing here would keep    |
// | 401, 403, 429                 | as the service's other requests (access/door.h)              |
// | 403 "not_your_request"        | another key, token or user asked                             |
// | 404 "unknown_request"         | no such request, or forgotten                                |
// | 409 "already_rated"           | the request has another rating                               |
// | 409 "feedback_full"           | enough was said of the request                               |
// | 413                           | more than kFeedbackBytes                                     |
// | 503 "feedback_not_kept"       | the log cannot be written: nothing was taken                 |
void answer_feedback(Lane& lane, std::shared_ptr<net::Exchange> exchange);

}  // namespace serin::gateway
