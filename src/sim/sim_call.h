#ifndef HZ_SIM_SIM_CALL_H
#define HZ_SIM_SIM_CALL_H
/*
 * sim_call - one request to the simulator: what its path and body ask for, and how it went.
 *
 * Owner: lives on its task; text borrows from the request and its arena.
 */

#include "http/server.h"
#include "model/deployment.h"
#include "sim/sim.h"
#include "sim/words.h"

enum sim_operation { SIM_CHAT, SIM_EMBEDDINGS, SIM_MODELS, SIM_MODEL, SIM_OPERATIONS };

struct sim_call {
    struct sim *sim;
    struct http_request *http;
    struct arena *arena;
    int64_t seq;

    /* the path (sim_call_route) */
    enum dialect dialect;
    enum sim_operation operation;
    struct str api_version; /* at = NULL: not given */

    /* the body (request.c) */
    struct str body;  /* without white space around */
    struct str name;  /* model or deployment as asked for, with its words */
    struct str model; /* without them */
    struct behaviour behave;
    bool is_stream, wants_usage;
    bool is_tool_turn; /* the last message is a tool's result */
    bool wants_json;
    bool has_tool_choice_none;
    bool wants_base64;
    struct str schema;      /* raw; at = NULL: none */
    struct str tools;       /* raw array; at = NULL: none */
    struct str forced_tool; /* tool_choice names it */
    struct str last_text;   /* of the last user message */
    struct str tool_result; /* of the last tool message */
    struct str prefill;     /* what is to be continued; at = NULL: nothing */
    int64_t prefill_tokens; /* of that message */
    struct str input;       /* raw (embeddings) */
    int64_t n, max_tokens;  /* max_tokens -1: none */
    int64_t dimensions;     /* -1: the model's own */
    int64_t images;
    int64_t prompt_tokens;
    uint64_t seed;

    /* how it went */
    int status;
    bool has_left; /* the caller, before the end */
    bool is_billed;
    bool is_cut;       /* the connection is to end where the answer stands */
    bool is_completed; /* the answer went out as it was meant to */
    int64_t cached_tokens, completion_tokens, reasoning_tokens;
    int64_t generated_tokens, generated_reasoning; /* of a stream so far */
};

static inline bool sim_call_is_azure(const struct sim_call *c)
{
    return c->dialect != DIALECT_OPENAI;
}

struct script;
struct script *sim_script(struct sim *s);

/* Finds dialect, operation and the name in the path. False: nothing is at this address. */
bool sim_call_route(struct sim_call *c) HZ_MUST_USE;
/* What answers call their model: on the classic path never the deployment's name. */
struct str sim_call_underlying_model(const struct sim_call *c);
enum { REQUEST_ID_LEN = 36 };
void request_id_format(int64_t seq, char out[REQUEST_ID_LEN + 1]);

struct refusal {
    int status;
    const char *type; /* OpenAI's */
    const char *code; /* OpenAI's */
    const char *azure_code;
    struct str message;
    struct str param; /* at = NULL: none */
};

/* ---- request.c ---- */

/* Reads the body. False: refused, and why stands in `why`. */
bool sim_call_read(struct sim_call *c, struct refusal *why) HZ_MUST_USE;

/* ---- refuse.c ---- */

/* By status: texts and codes of the table. */
void refusal_of_status(struct arena *a, int status, struct refusal *out);
struct refusal refusal_bad(struct str param, struct str message);
/* In the shape of the dialect, or of the word error_shape. */
void refusal_write(const struct sim_call *c, const struct refusal *why, struct buf *out);
enum err sim_call_refuse(struct task *t, struct sim_call *c, const struct refusal *why) HZ_MUST_USE;

/* ---- headers.c ---- */

/* The dialect's response headers, after Content-Type. */
struct str sim_call_headers(const struct sim_call *c, const char *content_type);

/* ---- fault.c ---- */

/* Is there a scripted failure that comes in place of an answer? */
bool sim_call_misbehaves(const struct sim_call *c);
enum err sim_call_misbehave(struct task *t, struct sim_call *c) HZ_MUST_USE;
enum err sim_call_delay(struct task *t, const struct sim_call *c) HZ_MUST_USE;
/* Until the caller leaves. */
enum err sim_call_be_silent(struct task *t) HZ_MUST_USE;

/* ---- chat.c, stream.c, embed.c, models.c ---- */

struct answer;
enum err chat_serve(struct task *t, struct sim_call *c) HZ_MUST_USE;
enum err stream_serve(struct task *t, struct sim_call *c, struct answer *a) HZ_MUST_USE;
enum err embed_serve(struct task *t, struct sim_call *c) HZ_MUST_USE;
enum err models_serve(struct task *t, struct sim_call *c) HZ_MUST_USE;

#endif
