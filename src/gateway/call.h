#ifndef HZ_GATEWAY_CALL_H
#define HZ_GATEWAY_CALL_H
/*
 * call - one AI call from the caller's key to the durable row.
 *
 * The caller fills what it knows and asks call_run; the last part tells what happened. An answer
 * that is not streamed is left in `answer` for the caller to send: its rows are durable by then. A
 * stream is relayed to `http` by call_run itself, and its last byte goes out after its rows.
 *
 * Owner:    the caller; call_fini frees. Text lives in the request's arena.
 * Suspends: call_run.
 */

#include "base/log.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "llm/stream.h"
#include "model/call.h"
#include "model/outcome.h"

struct gateway_loop;
struct setup;

/* Who calls. Text lives in the request's arena. */
struct caller {
    struct str account;
    struct str key_id; /* empty: no key was asked for */
    enum tier tier;
    unsigned scopes;
    uint32_t account_name, key_name; /* ledger names */
};

enum { PLAN_MAX = 8, ATTEMPTS_MAX = 12, SAID_MAX = 256 * 1024 };
struct plan {
    const struct deployment *list[PLAN_MAX];
    size_t len;
    int64_t retry_after_ms;         /* when nothing is left because all wait out a 429 */
    int64_t open_ms;                /* until the first open breaker lets a probe through; 0: none is open */
    const struct deployment *first; /* what would have been first, were nothing cooling down */
    const struct timeouts *timeouts; /* the route's, or NULL */
};

struct call {
    /* by call_init */
    struct gateway_loop *gateway;
    struct setup *setup; /* the configuration as it was then; a reload does not touch it */

    /* filled by the caller */
    struct http_request *http; /* the arena; and where a stream goes */
    struct log_ctx log;
    int64_t operation_id;
    bool is_correlation_given; /* log.correlation_id came from outside */
    struct caller caller;
    struct llm_request request;
    bool has_type;
    enum call_type type;  /* decided by call_run if not given */
    struct str language;  /* as above; may stay empty */
    struct str feature;
    bool has_tier;
    enum tier tier;       /* the caller's unless given */

    /* what happened */
    struct fail fail;
    struct llm_error error;       /* for the client, when call_run did not return OK */
    int error_status;
    int64_t retry_after_ms;       /* 0: none */
    const struct deployment *served; /* who answered (or was tried last) */
    struct str region;
    struct buf answer;
    struct usage usage;           /* of the answer, as settled */
    enum usage_source usage_source;
    int64_t cost_nusd;            /* of all attempts */
    bool is_unpriced;
    bool is_fallback;
    struct str fallback_reason;
    bool is_stream_begun;
    bool has_others;          /* the plan has deployments after the one that is asked */
    bool keeps_text;          /* of a stream, for another deployment to go on where it breaks */
    struct buf said_text;     /* of streams that broke, what the client has */
    struct llm_said said;     /* the same with its envelope; text empty: nothing to go on with */
    struct plan plan;
    enum outcome outcome;
    int64_t deadline_ns;
    int64_t started_ns;
    int64_t first_content_ms; /* -1: none */

    /* one row an attempt, settled together at the end */
    struct transfer *rows; /* in the arena */
    struct ledger_slot *slots[ATTEMPTS_MAX];
    size_t rows_len, rows_cap;
};

void call_init(struct call *c, struct gateway_loop *gl);
/* OK: answered (JSON: see answer; stream: sent). Otherwise `error`, `error_status` hold what the
 * client shall read, unless is_stream_begun (it was told in the stream) or it has left. */
enum err call_run(struct task *t, struct call *c) HZ_MUST_USE;
void call_fini(struct call *c);

/* Headers that tell of the call, as "name: value\r\n"... */
void call_write_headers(const struct call *c, struct buf *out);

#endif
