#include "gateway/rest.h"

#include "base/clock.h"
#include "base/defs.h"

void rest_init(struct rest *r)
{
    *r = (struct rest) { .in_row = 0 };
    pthread_mutex_init(&r->lock, NULL);
}

void rest_fini(struct rest *r)
{
    pthread_mutex_destroy(&r->lock);
}

int64_t rest_left_ms(const struct rest *r, int64_t now_ns)
{
    int64_t left_ns = atomic_load_explicit(&r->until_ns, memory_order_relaxed) - now_ns;
    return left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
}

/* Of the nth rest in a row, from 1. */
static int64_t unstated_ms(int32_t nth)
{
    int64_t ms = REST_FIRST_MS;
    while (--nth > 0 && ms < REST_UNSTATED_MAX_MS)
        ms *= 2;
    return HZ_MIN(ms, REST_UNSTATED_MAX_MS);
}

void rest_note(struct rest *r, int64_t asked_ns, int64_t now_ns, int64_t stated_ms)
{
    pthread_mutex_lock(&r->lock);
    if (r->in_row == 0 || asked_ns >= r->until_ns) {
        r->in_row = HZ_MIN(r->in_row + 1, INT32_MAX - 1);
        r->began_ns = now_ns;
    }
    int64_t ms = stated_ms > 0 ? HZ_MIN(stated_ms, REST_STATED_MAX_MS) : unstated_ms(r->in_row);
    r->until_ns = HZ_MAX(r->until_ns, now_ns + ms * NS_PER_MS);
    pthread_mutex_unlock(&r->lock);
}

void rest_answered(struct rest *r, int64_t asked_ns)
{
    /* None is the usual case, and then nothing is written to what all loops share. */
    if (atomic_load_explicit(&r->in_row, memory_order_relaxed) == 0)
        return;
    pthread_mutex_lock(&r->lock);
    if (asked_ns >= r->began_ns)
        r->in_row = 0;
    pthread_mutex_unlock(&r->lock);
}
