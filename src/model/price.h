#ifndef HZ_MODEL_PRICE_H
#define HZ_MODEL_PRICE_H
/* price - what a deployment charges, in nano-dollars per million tokens. */

#include "base/defs.h"

enum { PRICE_NONE = -1 };

struct price {
    int64_t input_nusd_per_mtok;  /* PRICE_NONE: the price is not known */
    int64_t output_nusd_per_mtok;
    int64_t cached_nusd_per_mtok; /* PRICE_NONE: billed as input */
};

static inline bool price_is_known(const struct price *p)
{
    return p->input_nusd_per_mtok >= 0 && p->output_nusd_per_mtok >= 0;
}

#endif
