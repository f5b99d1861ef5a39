#include "gateway/breaker.h"

#include <math.h>

#include "base/clock.h"

enum { TENTHS = 10, HALF_PERMILLE = 500 };

static const char *const state_names[BREAKER_STATES] = { "closed", "half_open", "open" };

const char *breaker_state_name(enum breaker_state state)
{
    return state_names[state];
}

void breaker_init(struct breaker *b)
{
    *b = (struct breaker) { .state = BREAKER_CLOSED };
    pthread_mutex_init(&b->lock, NULL);
}

void breaker_fini(struct breaker *b)
{
    pthread_mutex_destroy(&b->lock);
}

enum breaker_state breaker_state(const struct breaker *b)
{
    return (enum breaker_state)atomic_load_explicit(&b->state, memory_order_relaxed);
}

int wilson_lower_permille(unsigned failures, unsigned samples)
{
    if (samples == 0)
        return 0;
    const double z = 1.96, n = samples;
    double p = failures / n;
    double center = p + z * z / (2 * n);
    double spread = z * sqrt((p * (1 - p) + z * z / (4 * n)) / n);
    return (int)(1000 * (center - spread) / (1 + z * z / n));
}

static void set_state(struct breaker *b, enum breaker_state state, int64_t since_ns)
{
    atomic_store_explicit(&b->state, state, memory_order_relaxed);
    b->is_probing = false;
    b->since_ns = since_ns;
    if (state == BREAKER_CLOSED) {
        b->results = 0;
        b->results_len = 0;
        b->in_row = 0;
    }
}

/* An open breaker whose time is over is half open, whoever looks first. */
static void let_time_pass(struct breaker *b, const struct breaker_options *options, int64_t now_ns)
{
    if (breaker_state(b) == BREAKER_OPEN && now_ns >= b->since_ns + options->open_ms * NS_PER_MS)
        set_state(b, BREAKER_HALF_OPEN, now_ns);
}

bool breaker_may_pass(struct breaker *b, const struct breaker_options *options, int64_t now_ns)
{
    if (breaker_state(b) == BREAKER_CLOSED)
        return true;
    pthread_mutex_lock(&b->lock);
    let_time_pass(b, options, now_ns);
    bool passes = breaker_state(b) != BREAKER_OPEN && !b->is_probing;
    pthread_mutex_unlock(&b->lock);
    return passes;
}

bool breaker_enter(struct breaker *b, const struct breaker_options *options, int64_t now_ns, bool *is_probe)
{
    *is_probe = false;
    if (breaker_state(b) == BREAKER_CLOSED)
        return true;
    pthread_mutex_lock(&b->lock);
    let_time_pass(b, options, now_ns);
    enum breaker_state state = breaker_state(b);
    bool enters = state == BREAKER_CLOSED || (state == BREAKER_HALF_OPEN && !b->is_probing);
    *is_probe = enters && state == BREAKER_HALF_OPEN;
    b->is_probing |= *is_probe;
    pthread_mutex_unlock(&b->lock);
    return enters;
}

void breaker_probe_flows(struct breaker *b)
{
    pthread_mutex_lock(&b->lock);
    b->is_probing = false;
    pthread_mutex_unlock(&b->lock);
}

static bool must_open(struct breaker *b, const struct breaker_options *options)
{
    if (b->in_row >= options->failures_in_row)
        return true;
    if (b->results_len < options->min_samples)
        return false;
    unsigned failures = (unsigned)__builtin_popcountll(b->results);
    return wilson_lower_permille(failures, b->results_len) > HALF_PERMILLE;
}

static void add_result(struct breaker *b, const struct breaker_options *options, bool is_failure)
{
    unsigned window = (unsigned)HZ_MIN(options->window, BREAKER_WINDOW_MAX);
    uint64_t mask = window >= 64 ? UINT64_MAX : (1ULL << window) - 1;
    b->results = ((b->results << 1) | is_failure) & mask;
    b->results_len = HZ_MIN(b->results_len + 1, window);
    b->in_row = is_failure ? b->in_row + 1 : 0;
}

static void note_probe(struct breaker *b, const struct breaker_result *result)
{
    if (result->health == HEALTH_SUCCESS || result->health == HEALTH_ALIVE)
        set_state(b, BREAKER_CLOSED, result->since_ns);
    else if (result->health == HEALTH_NEUTRAL)
        b->is_probing = false;
    else
        set_state(b, BREAKER_OPEN, result->since_ns);
}

static void note_call(struct breaker *b, const struct breaker_options *options,
                      const struct breaker_result *result)
{
    if (result->began_ns < b->since_ns || result->health == HEALTH_NEUTRAL || result->health == HEALTH_ALIVE)
        return;
    add_result(b, options, result->health != HEALTH_SUCCESS);
    if (result->health == HEALTH_TRIP || must_open(b, options))
        set_state(b, BREAKER_OPEN, result->since_ns);
}

enum breaker_state breaker_note(struct breaker *b, const struct breaker_options *options,
                                const struct breaker_result *result, enum breaker_state *before)
{
    pthread_mutex_lock(&b->lock);
    *before = breaker_state(b);
    if (*before == BREAKER_HALF_OPEN && result->is_probe)
        note_probe(b, result);
    else if (*before == BREAKER_CLOSED)
        note_call(b, options, result);
    enum breaker_state after = breaker_state(b);
    pthread_mutex_unlock(&b->lock);
    return after;
}

int64_t breaker_wait_ms(struct breaker *b, const struct breaker_options *options, int64_t now_ns)
{
    pthread_mutex_lock(&b->lock);
    int64_t left_ns = b->since_ns + options->open_ms * NS_PER_MS - now_ns;
    bool is_open = breaker_state(b) == BREAKER_OPEN;
    pthread_mutex_unlock(&b->lock);
    return is_open && left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
}

void retry_budget_init(struct retry_budget *r, int64_t max)
{
    atomic_store(&r->tenths, max * TENTHS);
}

void retry_budget_copy(struct retry_budget *r, const struct retry_budget *other)
{
    int64_t own = atomic_load(&r->tenths), left = atomic_load(&other->tenths);
    atomic_store(&r->tenths, HZ_MIN(own, left));
}

bool retry_budget_take(struct retry_budget *r)
{
    int64_t tenths = atomic_load(&r->tenths);
    do {
        if (tenths < TENTHS)
            return false;
    } while (!atomic_compare_exchange_weak(&r->tenths, &tenths, tenths - TENTHS));
    return true;
}

void retry_budget_earn(struct retry_budget *r, int64_t max)
{
    /* Full is the usual case, and then nothing is written to what all loops share. */
    int64_t tenths = atomic_load_explicit(&r->tenths, memory_order_relaxed);
    while (tenths < max * TENTHS &&
           !atomic_compare_exchange_weak(&r->tenths, &tenths, tenths + 1)) {
    }
}
