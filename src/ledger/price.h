#ifndef HZ_LEDGER_PRICE_H
#define HZ_LEDGER_PRICE_H
/* price - the cost of a usage. The price list itself is read with the configuration. */

#include "model/price.h"
#include "model/usage.h"

/*
 * Each class is priced and rounded half up to a whole nano-dollar by itself, then summed:
 *   (input - cached) x input + cached x (cached or input price) + output x output price, each /
 * 10^6. Products use 128 bits. Cache writes are billed as input; cached tokens beyond the input are
 * not billed. 0 without a price (the row says unpriced); INT64_MAX instead of an overflow.
 */
int64_t price_cost(const struct price *price, const struct usage *usage);

#endif
