#ifndef HZ_LLM_STREAM_H
#define HZ_LLM_STREAM_H
/*
 * stream - a provider's stream, event by event, rewritten for the client as llm_answer_read does it
 * with a whole answer; and what another stream needs to go on where one broke.
 *
 * Owner: one for each attempt; borrows its request and options' text.
 */

#include "llm/llm.h"

/* What a client has of a stream that broke. */
struct llm_said {
    struct str text;
    struct str id, model; /* of its chunks */
    int64_t created_s;
    struct usage usage; /* what it came to */
};

struct llm_stream;
struct llm_stream *llm_stream_create(const struct llm_request *r, const struct deployment *d,
                                     const struct llm_answer_options *options);
void llm_stream_destroy(struct llm_stream *s);

enum llm_stream_kind {
    /* No content (role, usage, filter notes). What it wrote to `out` waits for the first content.
     */
    LLM_EVENT_NOTHING,
    LLM_EVENT_CONTENT, /* content, reasoning, tool call or finish: commits the answer */
    LLM_EVENT_DONE,    /* [DONE] */
    LLM_EVENT_ERROR,   /* an error object inside the stream; see llm_stream_error */
    LLM_EVENT_GARBAGE  /* not a JSON object */
};

/* One event's data in; appends what the client shall receive to `out` ("data: ...\n\n", possibly
 * nothing). [DONE] is not written: the gateway writes it after settling. Usage chunks are withheld
 * unless asked for, and then kept back until llm_stream_finish. */
enum llm_stream_kind llm_stream_event(struct llm_stream *s, struct str data, struct buf *out);
/* Held-back text (half a think tag), a finish_reason where [DONE] came without one, and the usage
 * chunk if the client asked for it. Not after a broken stream. */
void llm_stream_finish(struct llm_stream *s, struct buf *out);
/* Did every choice that was asked for get its finish_reason? Else a missing [DONE] is a cut. */
bool llm_stream_is_complete(const struct llm_stream *s);
/* What is known so far, at any moment; output_estimate counts all text that was received. The text
 * lives as long as the stream. */
void llm_stream_answer(const struct llm_stream *s, struct llm_answer *out);
/* Can another stream go on where this one ended? Not if it finished or said nothing, nor if there
 * was more than text (reasoning, tool calls, several choices), nor beyond 256 KiB, nor between the
 * halves of a character, of which the client has the first. The text is what this stream alone
 * said; all but usage is set, and lives as long as the stream. */
bool llm_stream_said(const struct llm_stream *s, struct llm_said *out);
const struct llm_error *llm_stream_error(const struct llm_stream *s);

#endif
