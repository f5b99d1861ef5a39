#ifndef HZ_GATEWAY_INTERNAL_H
#define HZ_GATEWAY_INTERNAL_H
/* internal - what the stages of a call share and nobody outside gateway/ sees. */

#include <stdatomic.h>

#include "base/metrics.h"
#include "gateway/auth.h"
#include "gateway/breaker.h"
#include "gateway/gateway.h"
#include "gateway/rest.h"
#include "http/client.h"
#include "ledger/keys.h"
#include "net/dns.h"

/* What moves while the configuration stands still; shared by all loops, and by the setups in which
 * the ledger's names for it are the same. */
struct deployment_state {
    _Atomic int refs;
    _Atomic int64_t latency_us; /* moving average of whole answers; 0 = none yet */
    _Atomic int64_t attempts, failures;
    struct breaker breaker;
    _Atomic int last_failure; /* enum outcome, of those that the breaker counts; OUTCOME_ANSWER: none yet */
    struct rest rest;         /* after a 429 */
    struct series *breaker_gauge;
    struct series *outcomes[OUTCOMES];
    struct series *seconds, *first_content;
    struct series *tokens_in, *tokens_cached, *tokens_out, *tokens_reasoning, *cost;
    struct series *usage_absurd, *usage_above_bound;
    uint32_t name, provider_name, model_name, region_name; /* ledger names */
};

struct model_state {
    struct series *answered, *refused, *failed, *left;
};

/* A configuration and what belongs to it. A reload makes a new one; a call keeps the one it began
 * with, and the last of them frees it. */
struct setup {
    _Atomic int refs;
    struct config *config;
    struct deployment_state **deployments;  /* by deployment.index */
    struct model_state *models;             /* by model.index */
    struct retry_budget *retries;           /* by provider.index */
    struct outcome_rule (*rules)[OUTCOMES]; /* the failure table with its overrides, by provider.index */
    struct breaker_options breaker_options;
};

/* What lasts as long as the process. */
struct gateway {
    struct ledger *ledger;
    struct workers *workers;
    struct gateway_loop *loops;
    size_t loops_len;
    struct series *in_flight, *fallbacks, *resumed;
    uint32_t default_account, router_key_name;
    struct key_source *keys;
};

struct gateway_loop {
    struct gateway *gateway;
    struct loop *loop;
    struct setup *setup; /* for calls that begin now */
    struct resolver *resolver;
    struct http_client *client;
    struct key_view keys;
};

static inline struct deployment_state *state_of(const struct setup *setup, const struct deployment *d)
{
    return setup->deployments[d->index];
}

static inline const struct outcome_rule *rule_of(const struct setup *setup, const struct deployment *d,
                                                 enum outcome outcome)
{
    return &setup->rules[d->provider->index][outcome];
}

/* ---- setup.c ---- */

/* What `before` (NULL: nothing) knows of deployments and providers that are in both goes on. Takes a
 * reference to the configuration. */
struct setup *setup_create(struct ledger *ledger, struct config *config, const struct setup *before);
struct setup *setup_ref(struct setup *s);
/* Any thread; frees at the last. NULL is accepted. */
void setup_unref(struct setup *s);

/* ---- plan.c ---- */

/* Which deployments, in which order. ERR_NO_MODEL, ERR_BAD_REQUEST (nothing takes such a request),
 * ERR_RATE_LIMIT (all cool down). */
enum err plan_make(struct call *c, struct plan *out) HZ_MUST_USE;
/* Is it worth an attempt, after what the call has met so far? */
bool plan_may_ask(const struct call *c, const struct deployment *d);
/* Will somebody else be asked, should the one who is asked now fail? */
bool plan_has_another(const struct call *c);
/* May the call make another attempt, besides the rows that it has and `more`? */
bool plan_has_room(const struct call *c, size_t more);
/* Nobody but the one who was asked is ever asked, so that it may be asked again. */
bool plan_is_alone(const struct call *c);

/* ---- attempt.c ---- */

struct attempt {
    struct call *call;
    const struct deployment *deployment;
    struct deployment_state *state;
    struct arena *memory; /* of what goes to the provider; only while it runs */
    struct http_exchange exchange;
    struct llm_limits limits;
    int number; /* 1.. within the operation */
    int64_t started_ns, started_wall_ms;
    int64_t first_content_ns;  /* 0: none yet */
    int64_t silent_ns;         /* deadline for the first content, or for a whole answer */
    int http_status;
    enum err err;
    char detail[200];          /* why, for people */
    struct llm_error error;    /* the provider's, if it sent one */
    struct llm_answer answer;
    bool is_passed_over;       /* it rests, or is kept away: no attempt was made */
    bool was_sent;             /* the provider may have seen the request */
    bool has_begun;            /* part of an answer came: billed, even if it is of no use */
    bool lacks_end;            /* a stream's answer was complete when the stream broke or fell silent */
};

/* Runs one attempt to its end and appends its row to the call. */
enum outcome attempt_run(struct task *t, struct call *c, const struct deployment *d,
                         struct attempt *a);
enum outcome attempt_fail(struct attempt *a, enum outcome outcome, enum err err, const char *fmt, ...)
    HZ_PRINTF(4, 5);
/* The end of a wait as an outcome: who stopped it, or which deadline passed. */
enum outcome attempt_wait_failed(struct task *t, struct attempt *a, enum err err, const char *doing);
struct llm_answer_options attempt_answer_options(const struct attempt *a);
/* When an answer that has begun counts as stalled, if the last piece of it came now. */
int64_t attempt_idle_deadline(const struct attempt *a);

/* ---- relay.c ---- */

/* A 200 that is a stream: to the client as it comes, up to but without its last byte. */
enum outcome relay_stream(struct task *t, struct attempt *a);
/* The last bytes, after the rows are durable. */
enum err relay_finish(struct task *t, struct call *c) HZ_MUST_USE;

/* ---- resume.c ---- */

/* Does it go on with what another one began? */
bool resume_takes(const struct deployment *d);
/* Is the text of a stream worth keeping, because somebody could go on after the one who is asked now? */
bool resume_may_follow(const struct call *c);
/* Of a stream that broke: c->said.text is empty then if nobody can go on. */
void resume_note(struct call *c, const struct llm_stream *s);
/* The next attempt asks for the rest. */
void resume_begin(struct call *c, const struct deployment *d);

/* ---- settle.c ---- */

/* The in-flight slot and a row with the estimate; false when all slots are taken. */
bool settle_begin(struct attempt *a) HZ_MUST_USE;
/* Completes the attempt's row with what is known now. */
void settle_note(struct attempt *a, enum outcome outcome);
/* All rows of the call durable (or handed over, with ledger.wait: false). Shielded. */
enum err settle_all(struct task *t, struct call *c) HZ_MUST_USE;

/* ---- classify.c ---- */

enum call_type classify_type(struct str text);
/* "en", "fr", ...; at = NULL when undecided. */
struct str classify_language(struct str text);

#endif
