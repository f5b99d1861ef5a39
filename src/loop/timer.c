#include "base/mem.h"
#include "loop/private.h"

/* A binary heap of pointers; each timer knows its place, so that cancelling needs no search. */

static void place(struct loop *l, size_t i, struct timer *timer)
{
    l->timers[i] = timer;
    timer->slot = i + 1;
}

static void sift_up(struct loop *l, size_t i, struct timer *timer)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (l->timers[parent]->at_ns <= timer->at_ns)
            break;
        place(l, i, l->timers[parent]);
        i = parent;
    }
    place(l, i, timer);
}

static void sift_down(struct loop *l, size_t i, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->timers_len)
            break;
        if (child + 1 < l->timers_len && l->timers[child + 1]->at_ns < l->timers[child]->at_ns)
            child++;
        if (timer->at_ns <= l->timers[child]->at_ns)
            break;
        place(l, i, l->timers[child]);
        i = child;
    }
    place(l, i, timer);
}

void timer_set(struct loop *l, struct timer *timer, int64_t at_ns)
{
    HZ_ASSERT(timer->on_time);
    if (timer->slot) {
        size_t i = timer->slot - 1;
        bool is_earlier = at_ns < timer->at_ns;
        timer->at_ns = at_ns;
        if (is_earlier)
            sift_up(l, i, timer);
        else
            sift_down(l, i, timer);
        return;
    }
    if (l->timers_len == l->timers_cap) {
        l->timers_cap = l->timers_cap ? l->timers_cap * 2 : 64;
        l->timers = mem_realloc(l->timers, l->timers_cap * sizeof(struct timer *));
    }
    timer->at_ns = at_ns;
    sift_up(l, l->timers_len++, timer);
}

void timer_cancel(struct loop *l, struct timer *timer)
{
    if (!timer->slot)
        return;
    size_t i = timer->slot - 1;
    timer->slot = 0;
    struct timer *last = l->timers[--l->timers_len];
    if (last == timer)
        return;
    if (i > 0 && last->at_ns < l->timers[(i - 1) / 2]->at_ns)
        sift_up(l, i, last);
    else
        sift_down(l, i, last);
}

int64_t timers_next_ns(const struct loop *l)
{
    return l->timers_len ? l->timers[0]->at_ns : INT64_MAX;
}

void timers_run(struct loop *l)
{
    while (l->timers_len && l->timers[0]->at_ns <= l->now_ns) {
        struct timer *timer = l->timers[0];
        timer_cancel(l, timer);
        timer->on_time(timer);
    }
}
