#ifndef HZ_BASE_NUM_H
#define HZ_BASE_NUM_H
/* num - sums of money and tokens. What does not fit stands at the end of the range: a sum that
 * wraps turns a fortune into a debt. */

#include "base/defs.h"

static inline int64_t num_add_capped(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return a < 0 ? INT64_MIN : INT64_MAX;
}

#endif
