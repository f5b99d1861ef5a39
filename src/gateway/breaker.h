#ifndef HZ_GATEWAY_BREAKER_H
#define HZ_GATEWAY_BREAKER_H
/*
 * breaker - keeps calls away from a deployment that fails, and retries within their budget.
 *
 * Closed until `failures_in_row` failures in a row, or until the lower 95 % Wilson bound of the
 * failures among the last `window` results (at least `min_samples`) passes one half; open for
 * `open_ms`; then half open: one probe at a time decides. What counts as a
 * failure stands in the failure table.
 *
 * Thread:  any; a lock that is never held across a wait.
 * Source:  Wilson, E. B. (1927), score interval with z = 1.96.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "model/outcome.h"

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN, BREAKER_STATES };
const char *breaker_state_name(enum breaker_state state);

enum { BREAKER_WINDOW_MAX = 64 };

struct breaker_options {
    int64_t failures_in_row;
    int64_t window; /* at most BREAKER_WINDOW_MAX */
    int64_t min_samples;
    int64_t open_ms;
};

struct breaker {
    pthread_mutex_t lock;
    _Atomic int state; /* enum breaker_state */
    int64_t since_ns; /* it is in its state; 0: closed from the start */
    uint64_t results; /* newest in bit 0; set: a failure */
    unsigned results_len;
    unsigned in_row;
    bool is_probing;
};

void breaker_init(struct breaker *b);
void breaker_fini(struct breaker *b);

enum breaker_state breaker_state(const struct breaker *b);
/* Could a call go through now? Reserves nothing: for planning. */
bool breaker_may_pass(struct breaker *b, const struct breaker_options *options, int64_t now_ns);
/* Before a call: false when it must not be made. In the half-open state the one that gets through is
 * the probe, and its result must be told with breaker_note. */
bool breaker_enter(struct breaker *b, const struct breaker_options *options, int64_t now_ns, bool *is_probe);

/* The answer to the probe has begun, and may take minutes: the next one may go. Its end still decides. */
void breaker_probe_flows(struct breaker *b);

struct breaker_result {
    enum health health;
    bool is_probe; /* as breaker_enter said */
    int64_t began_ns;
    int64_t since_ns; /* now, or since when the deployment was down: if it opens, its time counts from here */
};
/* The state after it; differs from *before when it has changed. What began before the last change does
 * not count: it tells of a time that is over. */
enum breaker_state breaker_note(struct breaker *b, const struct breaker_options *options,
                                const struct breaker_result *result, enum breaker_state *before);

/* Milliseconds until an open breaker lets a probe through; 0 when it is not open. */
int64_t breaker_wait_ms(struct breaker *b, const struct breaker_options *options, int64_t now_ns);

/* Lower bound of the 95 % Wilson score interval, in thousandths. */
int wilson_lower_permille(unsigned failures, unsigned samples);

/* ---- repeats to the same provider ---- */

/* A bucket of `max` repeats that earns a tenth for each success. */
struct retry_budget {
    _Atomic int64_t tenths;
};
void retry_budget_init(struct retry_budget *r, int64_t max);
/* What is left in the other, but no more than is in this one. */
void retry_budget_copy(struct retry_budget *r, const struct retry_budget *other);
bool retry_budget_take(struct retry_budget *r);
void retry_budget_earn(struct retry_budget *r, int64_t max);

#endif
