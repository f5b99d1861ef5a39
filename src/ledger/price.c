#include "ledger/price.h"

static int64_t clamp(int64_t value, int64_t max)
{
    return value < 0 ? 0 : value > max ? max : value;
}

/* Half up, in whole nano-dollars. */
static __int128 class_cost(int64_t tokens, int64_t nusd_per_mtok)
{
    return ((__int128)tokens * nusd_per_mtok + 500000) / 1000000;
}

int64_t price_cost(const struct price *price, const struct usage *usage)
{
    if (!price_is_known(price))
        return 0;
    int64_t input = clamp(usage->input_tokens, INT64_MAX);
    /* Some providers report more cached tokens than input: those beyond it were never sent. */
    int64_t cached = clamp(usage->cached_tokens, input);
    int64_t cached_price =
        price->cached_nusd_per_mtok >= 0 ? price->cached_nusd_per_mtok : price->input_nusd_per_mtok;
    __int128 sum = class_cost(input - cached, price->input_nusd_per_mtok) +
                   class_cost(cached, cached_price) +
                   class_cost(clamp(usage->output_tokens, INT64_MAX), price->output_nusd_per_mtok);
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}
