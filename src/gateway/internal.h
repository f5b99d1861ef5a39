#ifndef HZ_GATEWAY_INTERNAL_H
#define HZ_GATEWAY_INTERNAL_H
/* internal - the stages of a call, as they see each other; nobody outside gateway/ does. */

#include "gateway/setup.h"

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
    bool is_probe;             /* of a half-open breaker */
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
