#include "times.h"

#include <math.h>

static unsigned bucket_of(uint64_t ns)
{
    if (ns >> TIMES_SUB_BITS == 0)
        return (unsigned)ns;
    unsigned shift = 63 - TIMES_SUB_BITS - (unsigned)__builtin_clzll(ns);
    return (shift << TIMES_SUB_BITS) + (unsigned)(ns >> shift);
}

static int64_t middle_of(unsigned bucket)
{
    if (bucket < 2u << TIMES_SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> TIMES_SUB_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << TIMES_SUB_BITS)) << shift;
    return (int64_t)(low + (1ULL << shift) / 2);
}

void times_add(struct times *t, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    t->count++;
    t->buckets[bucket_of((uint64_t)ns)]++;
    if (ns > t->max_ns)
        t->max_ns = ns;
}

int64_t times_at(const struct times *t, double share)
{
    uint64_t wanted = (uint64_t)ceil((double)t->count * share);
    uint64_t seen = 0;
    for (unsigned i = 0; i < TIMES_BUCKETS; i++) {
        seen += t->buckets[i];
        if (seen >= wanted && seen > 0)
            return middle_of(i) < t->max_ns ? middle_of(i) : t->max_ns;
    }
    return 0;
}
