#ifndef HZ_LLM_LLM_H
#define HZ_LLM_LLM_H
/*
 * llm - provider dialects: pure translation between what our clients speak (OpenAI's API) and what
 * a deployment takes and answers. No I/O, no task, no clock.
 *
 * Requests are forwarded byte for byte except for what must change.
 *
 * Owner: results live in the arena or buf that the caller gave.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "llm/error.h"
#include "llm/headers.h"
#include "model/deployment.h"
#include "model/usage.h"

enum { LLM_STREAM_CHOICES_MAX = 128 };

enum llm_operation { LLM_CHAT, LLM_EMBEDDINGS, LLM_OPERATIONS };

/* ---- the client's request (llm/request.c) ---- */

/* What the gateway needs to know of a document that json_check accepted. */
struct llm_request {
    enum llm_operation operation;
    struct str body;     /* the client's document */
    struct str model;    /* decoded; empty if absent */
    struct str messages; /* raw array (chat) */
    struct str asked; /* raw content of the last user message (chat); at = NULL if there is none */
    struct str input; /* raw (embeddings) */
    bool is_stream;
    bool wants_usage; /* stream_options.include_usage */
    bool has_tools;
    bool has_images;
    bool has_prefill; /* the last message is an assistant's: the caller wants it continued */
    bool wants_json_object;
    bool wants_json_schema;
    bool wants_base64;   /* embeddings: encoding_format base64 */
    int64_t n;           /* choices; 1 if absent */
    int64_t max_tokens;  /* from either field; 0 if absent */
    int64_t media;       /* parts of messages that are not text */
    int64_t image_bytes; /* of the body: addresses and data of images */
    struct str
        prefill; /* llm_request_continue: an answer's beginning, for the provider to go on with */
    int64_t prefill_tokens; /* of it, by heuristic */
    struct str
        schemas[3]; /* raw: tools, functions and a JSON schema, which are part of the prompt */
    size_t schemas_len;
};

/* Validates the types of known fields: ERR_BAD_REQUEST with fail->param and a sentence that says
 * what is allowed (messages absent or empty, stream not boolean, n < 1, ...). */
enum err llm_request_read(struct arena *a, enum llm_operation operation, struct str body,
                          struct llm_request *out, struct fail *fail) HZ_MUST_USE;

/* From now on it asks for the rest of an answer that has begun: it ends with an assistant's message
 * of this text (borrowed), and its limit is less by what was said. */
void llm_request_continue(struct llm_request *r, struct str text);

/* More input tokens than this cannot be billed: a token is at least a byte of the request, whatever
 * the tokenizer, and an image costs at most what the dearest rule in use makes of the largest one.
 */
int64_t llm_request_input_bound(const struct llm_request *r);
/* By heuristic (llm/count.h), never above the bound. Walks all text: for when no usage is stated. */
int64_t llm_request_input_estimate(const struct llm_request *r);

/* The limit of each choice that this deployment is asked with: the caller's, else the deployment's
 * default, else the model's longest answer where it is sure to fit. 0: none is sent. */
int64_t llm_request_output_limit(const struct llm_request *r, const struct deployment *d);

/* May this deployment serve it? ERR_BAD_REQUEST names what it lacks: tools, images, ... */
enum err llm_request_fits(const struct llm_request *r, const struct capabilities *caps,
                          struct fail *fail) HZ_MUST_USE;

/* ---- to the provider (llm/outbound.c) ---- */

struct llm_outbound {
    struct str target;  /* path and query */
    struct str headers; /* "name: value\r\n"..., without Host, Content-Length */
    struct str body;
};
/* Includes the credential header: never log the result. */
enum err llm_outbound_build(struct arena *a, const struct llm_request *r,
                            const struct deployment *d, struct llm_outbound *out,
                            struct fail *fail) HZ_MUST_USE;

/* ---- from the provider, whole (llm/inbound.c); as a stream: llm/stream.h ---- */

struct llm_said;

struct llm_answer {
    struct usage usage;
    bool has_usage;          /* stated by the provider (a stated zero counts) */
    struct str absurd_usage; /* what it stated that cannot be true, and was not believed; else empty */
    bool is_content_filter;  /* refused: an answer, not a failure */
    int64_t output_estimate; /* tokens by heuristic, when usage is missing */
    struct str finish_reason;
    struct str response_model;
};

struct llm_answer_options {
    bool is_simulated; /* adds "simulated": true, to each chunk of a stream too */
    /* For answers that lack them, which strict clients refuse; borrowed until the answer ends. */
    struct str id;     /* empty: "chatcmpl-0" */
    int64_t created_s; /* Unix time */
    bool keeps_text;              /* of a stream, for llm_stream_said */
    const struct llm_said *after; /* the stream that this one goes on with, or NULL; borrowed */
};

/* A 200 body, rewritten for the client into `out` (think tags moved to reasoning_content, null
 * tool_calls dropped, float embeddings to base64 where asked, ...). ERR_UPSTREAM_BROKEN when it is
 * not an answer (empty, HTML, no choices, aborted, or {"error":...} under 200); `answer` then still
 * holds the usage that it stated. Text in `answer` lives in the arena. */
enum err llm_answer_read(struct arena *a, const struct llm_request *r, const struct deployment *d,
                         const struct llm_answer_options *options, struct str body, struct buf *out,
                         struct llm_answer *answer, struct fail *fail) HZ_MUST_USE;

#endif
