// SPDX-License-Identifier: Apache-2.0
// What `serin help TOPIC` says.
#include <array>

#include "cli/command.h"

namespace serin::cli {
namespace {

struct Topic {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Topic, 5> kTopics = {{
    {"package",
     R"(A package is a folder with one model and a model.yaml that says how a request's JSON becomes
tensors, how the model is called, and how tensors become text, pictures, sound or video.

  serin package new FOLDER --task image-generation --engine torch
                                      a model.yaml to fill in
  serin package verify FOLDER         every byte against model.yaml; prints the digest
  serin package seal FOLDER --golden  list the files, record what the golden requests give
  serin serve FOLDER --port 5000      serve it

docs/package-format.md is the reference, docs/package-your-model.md the guided tour.
)"},
    {"seeds",
     R"(A generation is a function of (package digest, execution profile, request, seed). The answer's head
names them: Serin-Package, Serin-Profile, Serin-Seed. A request without a seed gets one, and the same
request with that seed gives the same bytes, alone or in a batch, today or next year, on a profile where
the attestation says bitwise. `serin package verify --reproducible` tests it and writes the attestation
beside the package, signed with --key. Serin-Reproducible says what was attested on the worker's profile:
"bitwise", "within 0.001" (the largest difference), "no" (other tokens or another shape), "unknown" (nobody
measured, or nobody trusted).
)"},
    {"trust",
     R"(Anybody can write a package. Who made one, its signature says: model.sig, an OpenSSF model-signing bundle.

  serin package sign FOLDER --key key.pem                        with a bare key (P-256, P-384 or P-521)
  serin package sign FOLDER --key key.pem --certificate mine.crt --certificate between.crt
  serin package verify FOLDER --trust key.pub                    or the authorities' certificates, in PEM
  serin serve FOLDER --trust ca.crt                              refuses what they did not sign

`model_signing verify key|certificate` reads the same file. Attestations are signed and trusted alike.
docs/signing.md says what is checked.
)"},
    {"errors",
     R"(Every error is {"error": {"message", "type", "param", "code"}} as OpenAI's clients expect it. `param`
names the field at fault, `code` is for programs. 429 and 503 carry Retry-After. An error inside a
stream is an event named "error" whose object says whether to retry ("retryable").

Exit codes of `serin`: 0 done, 2 the line or its files are wrong, 1 anything else.
)"},
    {"limits",
     R"(Nothing is unbounded. The limits of a worker, with their options: waiting requests (--queue, then
429), body size (--max-body-mb, then 413), open connections (--connections), answers of one request
(--max-choices), tokens of one answer (--max-tokens), idle connections (--idle-timeout), and the time
of a request (--timeout, or its own Serin-Timeout header: 250ms, 1.5s).
)"},
}};

}  // namespace

std::string topic_text(std::string_view topic) {
  for (const Topic& one : kTopics) {
    if (one.name == topic) return std::string(one.text);
  }
  return {};
}

std::string topic_list() {
  std::string list;
  for (const Topic& one : kTopics) list += (list.empty() ? "" : ", ") + std::string(one.name);
  return list;
}

}  // namespace serin::cli
