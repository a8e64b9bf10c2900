// SPDX-License-Identifier: Apache-2.0
// The C ABI of libserin_text.a: Hugging Face's tokenizers and chat templates, written in Rust. Only
// model/ includes it.
//
// Strings are UTF-8 with a length, without a terminating zero. A SerinTextView is borrowed for the
// call. A SerinTextBuffer that a function writes belongs to the caller, who gives it back with
// serin_text_free, also when it is empty. Functions that return bool write what they made on true
// and a message for a person on false; those that return a pointer write the message when the
// pointer is null (and an empty buffer otherwise). No panic leaves the library. Handles are made by
// load or new and ended by free; free takes null.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SerinTextView {
  const char* data;
  size_t size;
} SerinTextView;

typedef struct SerinTextBuffer {
  char* data;
  size_t size;
} SerinTextBuffer;

void serin_text_free(SerinTextBuffer owned);

// A tokenizer: immutable after load, safe from any thread.
typedef struct SerinTokenizer SerinTokenizer;
// `json`: the content of a tokenizer.json. Its truncation and padding settings are ignored.
SerinTokenizer* serin_tokenizer_load(SerinTextView json, SerinTextBuffer* error);
void serin_tokenizer_free(SerinTokenizer* tokenizer);
// One more than the largest id.
int64_t serin_tokenizer_vocabulary(const SerinTokenizer* tokenizer);
// `out`: uint32_t ids in the machine's byte order.
bool serin_tokenizer_encode(const SerinTokenizer* tokenizer, SerinTextView text,
                            bool special_tokens, SerinTextBuffer* out);
// Ids that no token has are left out.
bool serin_tokenizer_decode(const SerinTokenizer* tokenizer, const uint32_t* ids, size_t count,
                            bool skip_special, SerinTextBuffer* out);
bool serin_tokenizer_token(const SerinTokenizer* tokenizer, uint32_t id, SerinTextBuffer* out);

// Text as ids come. Keeps what it needs of the tokenizer alive; for one thread at a time.
typedef struct SerinStream SerinStream;
SerinStream* serin_stream_new(const SerinTokenizer* tokenizer, bool skip_special);
// What has become certain; nothing while a character is incomplete.
bool serin_stream_push(SerinStream* stream, uint32_t id, SerinTextBuffer* out);
// What was held back, with U+FFFD for what never became a character.
bool serin_stream_finish(SerinStream* stream, SerinTextBuffer* out);
void serin_stream_free(SerinStream* stream);

// A chat template: immutable after load, safe from any thread.
typedef struct SerinTemplate SerinTemplate;
SerinTemplate* serin_template_load(SerinTextView source, SerinTextBuffer* error);
void serin_template_free(SerinTemplate* chat_template);
// `context`: a JSON object with the template's variables. `now` in it, seconds since 1970, is what
// strftime_now shows.
bool serin_template_render(const SerinTemplate* chat_template, SerinTextView context,
                           size_t output_limit, SerinTextBuffer* out);

#ifdef __cplusplus
}
#endif
