// SPDX-License-Identifier: Apache-2.0
#include "cli/service_table.h"

#include <cmath>

#include "cli/control.h"

namespace serin::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string dash(std::string text) { return text.empty() ? "-" : text; }
std::string whole(double number) { return std::to_string(static_cast<std::int64_t>(number)); }

const json::array& array_at(const json::value& object, std::string_view field) {
  static const json::array kNone;
  const auto* found = at(object, field).if_array();
  return found == nullptr ? kNone : *found;
}

bool running(const json::value& rollout) { return text_at(rollout, "ending") == "none"; }

// The version of that label; null where there is none.
const json::value& version_of(const json::value& service, const std::string& label) {
  static const json::value kNull;
  for (const json::value& version : array_at(service, "versions"))
    if (text_at(version, "label") == label) return version;
  return kNull;
}

std::string ready_text(const json::value& version) {
  return whole(number_at(version, "ready")) + "/" + whole(number_at(version, "wanted"));
}

std::string score_text(double score) {
  const auto thousandths = static_cast<int>(std::lround(score * 1000));
  std::string digits = std::to_string(thousandths % 1000);
  digits.insert(0, 3 - digits.size(), '0');
  return std::to_string(thousandths / 1000) + "." + digits;
}

// A value of a metric in its unit.
std::string metric_value(const json::value& metric, std::string_view field) {
  const json::value& value = at(metric, field);
  if (!value.is_number()) return "-";
  const std::string unit = text_at(metric, "unit");
  const bool measured = number_at(metric, std::string(field) + "Count") > 0;
  if (unit != "count" && !measured) return "-";
  const double number = value.to_number<double>();
  if (unit == "seconds") return seconds_text(value);
  if (unit == "rate") return percent_text(number);
  if (unit == "count") return whole(number);
  return score_text(number);
}

// "-0.1 % to +0.4 %": 95 % at every look together.
std::string difference_text(const json::value& metric) {
  const json::array& bounds = array_at(metric, "difference");
  if (bounds.size() != 2) return "-";
  const auto text = [&](const json::value& bound) {
    if (!bound.is_number()) return std::string("?");
    const double number = bound.to_number<double>();
    return (number < 0 ? "-" : "+") + percent_text(std::abs(number));
  };
  return text(bounds[0]) + " to " + text(bounds[1]);
}

std::string share_text(const json::value& metric, std::string_view verdict) {
  return whole(std::floor(number_at(at(metric, verdict), "share") * 100)) + " %";
}

std::string metrics_table(const json::value& rollout) {
  Rows rows{
      {"METRIC", "STABLE", "CANDIDATE", "DIFFERENCE", "HARMFUL", "SAFE", "VERDICT", "EXPECTED"}};
  for (const json::value& metric : array_at(rollout, "metrics")) {
    std::string expected = text_at(at(metric, "expected"), "text");
    if (!expected.empty())
      expected = text_at(at(metric, "expected"), "verdict") + " after " + expected;
    rows.push_back({text_at(metric, "name"), metric_value(metric, "stable"),
                    metric_value(metric, "candidate"), difference_text(metric),
                    share_text(metric, "harmful"), share_text(metric, "safe"),
                    text_at(metric, "verdict"), dash(expected)});
  }
  return table(rows);
}

void append_versions(const json::value& service, Rows& rows) {
  for (const json::value& version : array_at(service, "versions")) {
    const bool there = number_at(version, "wanted") > 0 || !array_at(version, "replicas").empty();
    if (!there && number_at(version, "weight") == 0) continue;
    const json::value& traffic = at(version, "traffic");
    const bool answers = traffic.is_object();
    rows.push_back({text_at(service, "name"), text_at(version, "label"), text_at(version, "state"),
                    ready_text(version), whole(number_at(version, "weight")) + " %",
                    answers ? rate_text(number_at(traffic, "requestsPerSecond")) : "-",
                    answers ? percent_text(number_at(traffic, "errorRate")) : "-",
                    answers ? seconds_text(at(traffic, "p50")) : "-",
                    answers ? seconds_text(at(traffic, "p95")) : "-", text_at(version, "model")});
  }
}

// Of a shadow rollout: how much alike both versions' answers are.
std::string agreement_text(const json::value& agreement) {
  if (!agreement.is_object()) return "";
  std::string out = whole(number_at(agreement, "compared")) + " answers compared";
  if (const double compared = number_at(agreement, "compared"); compared > 0) {
    const json::array& bounds = array_at(agreement, "interval");
    out += ", " + percent_text(number_at(agreement, "identical") / compared) +
           " identical, agreement " + score_text(number_at(agreement, "mean"));
    if (bounds.size() == 2)
      out += " (" + score_text(bounds[0].to_number<double>()) + " to " +
             score_text(bounds[1].to_number<double>()) + ")";
    out += ", the candidate's " + score_text(number_at(agreement, "sizeRatio")) + " times as long";
  }
  if (const json::object* why = at(agreement, "notCompared").if_object(); why && !why->empty()) {
    std::string_view between = "; not compared: ";
    for (const auto& reason : *why) {
      out.append(between).append(whole(reason.value().to_number<double>())).append(" ");
      out += reason.key();
      between = ", ";
    }
  }
  return out + "\n";
}

// Percent of the keys that the candidate answers, or gets copies of.
std::string weight_text(const json::value& rollout) {
  const bool copies = text_at(rollout, "strategy") == "shadow" && running(rollout);
  return whole(number_at(rollout, "weight")) + (copies ? " % copied" : " %");
}

const std::vector<std::string> kVersionHead{"SERVICE", "VERSION", "STATE", "READY", "WEIGHT",
                                            "RATE",    "ERRORS",  "P50",   "P95",   "MODEL"};

}  // namespace

std::string service_table(const json::array& services) {
  Rows rows{{"NAME", "STATE", "STABLE", "READY", "CANDIDATE", "WEIGHT", "RATE", "P95", "MODEL"}};
  for (const json::value& service : services) {
    const json::value& stable = version_of(service, text_at(service, "stable"));
    const json::value& rollout = at(service, "rollout");
    const bool rolls = rollout.is_object() && running(rollout);
    double rate = 0;
    for (const json::value& version : array_at(service, "versions"))
      rate += number_at(at(version, "traffic"), "requestsPerSecond");
    rows.push_back({text_at(service, "name"), text_at(service, "state"),
                    dash(text_at(service, "stable")), ready_text(stable),
                    rolls ? text_at(rollout, "candidate") : "-", rolls ? weight_text(rollout) : "-",
                    rate_text(rate), seconds_text(at(at(stable, "traffic"), "p95")),
                    text_at(service, "model")});
  }
  return services.empty() ? "no service is there: serin apply -f FILE\n" : table(rows);
}

std::string version_table(const json::array& services) {
  Rows rows{kVersionHead};
  for (const json::value& service : services) append_versions(service, rows);
  return rows.size() == 1 ? "nothing runs\n" : table(rows);
}

std::string rollout_line(const json::value& rollout) {
  if (!rollout.is_object()) return "none";
  std::string line = text_at(rollout, "stable") + " to " + text_at(rollout, "candidate") + ", " +
                     text_at(rollout, "strategy");
  if (running(rollout)) {
    line += ", " + weight_text(rollout);
    if (const std::string who = text_at(rollout, "pausedBy"); !who.empty())
      line += ", paused by " + who;
  } else {
    line += ", " + text_at(rollout, "ending");
  }
  return line + ": " + text_at(rollout, "reason") + ", " + text_at(rollout, "message");
}

std::string evidence_line(const json::value& rollout) {
  if (!running(rollout) || array_at(rollout, "metrics").empty()) return {};
  std::string line;
  for (const json::value& metric : array_at(rollout, "metrics")) {
    const bool harmful = number_at(at(metric, "harmful"), "share") > 0;
    const std::string_view side = harmful ? "harmful" : "safe";
    line += (line.empty() ? "  " : ", ") + text_at(metric, "name") + " " + std::string(side) + " " +
            share_text(metric, side);
  }
  return line + "\n";
}

std::string rollout_text(const std::string& service, const json::value& rollout) {
  std::string out = service + ", rollout " + whole(number_at(rollout, "number")) + ": " +
                    rollout_line(rollout) + "\n";
  out += "began " + text_at(rollout, "began");
  if (const std::string next = text_at(rollout, "nextStepAt"); !next.empty())
    out += ", next step not before " + next;
  if (const std::string ended = text_at(rollout, "ended"); !ended.empty())
    out += ", ended " + ended;
  out += "\n" + agreement_text(at(rollout, "agreement"));
  if (array_at(rollout, "metrics").empty()) return out;
  out += whole(number_at(rollout, "requests")) + " requests counted, " +
         whole(number_at(rollout, "censored")) + " of them evidence of nothing (4xx, gone), " +
         rate_text(number_at(rollout, "requestsPerSecond")) + "\n\n" + metrics_table(rollout) +
         "\nHARMFUL and SAFE: the evidence as a part of what the verdict takes. DIFFERENCE: "
         "candidate less stable, 95 % at every look; of times as a part of the stable quantile.\n";
  if (const std::string why = text_at(rollout, "withdrawn"); !why.empty())
    out += "The stated error rates are not promised: " + why + "\n";
  return out;
}

std::string history_table(const json::array& rollouts) {
  Rows rows{{"NUMBER", "FROM", "TO", "STRATEGY", "BEGAN", "ENDED", "ENDING", "REASON", "MESSAGE"}};
  for (const json::value& rollout : rollouts) {
    rows.push_back({whole(number_at(rollout, "number")), text_at(rollout, "stable"),
                    text_at(rollout, "candidate"), text_at(rollout, "strategy"),
                    text_at(rollout, "began"), dash(text_at(rollout, "ended")),
                    running(rollout) ? "runs" : text_at(rollout, "ending"),
                    text_at(rollout, "reason"), text_at(rollout, "message")});
  }
  return rollouts.empty() ? "there was none yet\n" : table(rows);
}

std::string event_line(const json::value& event) {
  std::string what = text_at(event, "service");
  if (const std::string version = text_at(event, "version"); !version.empty())
    what += " " + version;
  // "2026-11-28T21:05:02.123Z": the seconds are enough.
  const std::string time = text_at(event, "time").substr(0, 19);
  return time + "  " + (text_at(event, "type") == "Warning" ? "! " : "  ") + what + "  " +
         text_at(event, "reason") + "  " + text_at(event, "message") + "\n";
}

std::string service_text(const json::value& service, const json::array& events) {
  std::string out = "Name:        " + text_at(service, "name") + "\n" +
                    "State:       " + text_at(service, "state") + "\n" +
                    "Model:       " + text_at(service, "model") + "\n" +
                    "Digest:      " + text_at(service, "digest") + "\n" +
                    "Generation:  " + text_at(service, "generation") + "\n" +
                    "Strategy:    " + text_at(service, "strategy") + "\n" +
                    "Rollout:     " + rollout_line(at(service, "rollout")) + "\n";
  if (const std::string problem = text_at(service, "problem"); !problem.empty())
    out += "Problem:     " + problem + "\n";
  Rows rows{kVersionHead};
  append_versions(service, rows);
  out += "\n" + table(rows) + "\n";
  Rows replicas{{"REPLICA", "VERSION", "STATE", "PID", "RESTARTS", "MESSAGE"}};
  for (const json::value& version : array_at(service, "versions")) {
    for (const json::value& replica : array_at(version, "replicas")) {
      replicas.push_back({text_at(replica, "id"), text_at(version, "label"),
                          text_at(replica, "state"), text_at(replica, "pid"),
                          text_at(replica, "restarts"), text_at(replica, "message")});
    }
  }
  out += table(replicas) + "\nEvents:\n";
  for (const json::value& event : events) out += event_line(event);
  return out;
}

}  // namespace serin::cli
