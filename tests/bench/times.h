#ifndef BENCH_TIMES_H
#define BENCH_TIMES_H
/*
 * times - a distribution of durations, exact to 0.4 %.
 *
 * Counts in buckets: 256 for each power of two. Memory is fixed, whatever is added.
 */
#include <stdint.h>

enum { TIMES_SUB_BITS = 8, TIMES_BUCKETS = (64 - TIMES_SUB_BITS) << TIMES_SUB_BITS };

struct times {
    uint64_t count;
    int64_t max_ns;
    uint64_t buckets[TIMES_BUCKETS];
};

void times_add(struct times *t, int64_t ns);
/* The duration that `share` of all (0 to 1) do not pass, in nanoseconds; 0 when empty. */
int64_t times_at(const struct times *t, double share);
#endif
