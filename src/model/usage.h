#ifndef HZ_MODEL_USAGE_H
#define HZ_MODEL_USAGE_H
/* usage - tokens of one attempt, by the classes that are priced apart. */

#include "base/num.h"

/* Where the numbers come from; stored in the ledger, so the values never change. */
enum usage_source {
    USAGE_PROVIDER = 0, /* stated by the provider */
    USAGE_COUNTED = 1,  /* counted by us while passing: the provider stated nothing */
    USAGE_UNKNOWN = 2,  /* nobody saw what it came to (a crash, an answer cut off): charged at its bound */
    USAGE_SOURCES
};

/* More tokens of a class than this no call can use: a request has fewer bytes, and the limit of
 * an answer (max_tokens) ends here too. Who states more is not believed. */
#define USAGE_CLASS_MOST ((int64_t)INT32_MAX)

/* cached and cache_write are part of input; reasoning is part of output (OpenAI's rule). */
struct usage {
    int64_t input_tokens;
    int64_t cached_tokens;
    int64_t cache_write_tokens;
    int64_t output_tokens;
    int64_t reasoning_tokens;
};

static inline void usage_add(struct usage *sum, const struct usage *more)
{
    sum->input_tokens = num_add_capped(sum->input_tokens, more->input_tokens);
    sum->cached_tokens = num_add_capped(sum->cached_tokens, more->cached_tokens);
    sum->cache_write_tokens = num_add_capped(sum->cache_write_tokens, more->cache_write_tokens);
    sum->output_tokens = num_add_capped(sum->output_tokens, more->output_tokens);
    sum->reasoning_tokens = num_add_capped(sum->reasoning_tokens, more->reasoning_tokens);
}

#endif
