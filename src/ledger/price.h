#ifndef HZ_LEDGER_PRICE_H
#define HZ_LEDGER_PRICE_H
/* price - the price list (config/prices.csv) and the cost of a usage. */

#include "base/arena.h"
#include "base/buf.h"
#include "model/price.h"
#include "model/usage.h"

/*
 * Each class is priced and rounded half up to a whole nano-dollar by itself, then summed:
 *   (input - cached) x input + cached x (cached or input price) + output x output price, each / 10^6.
 * Products use 128 bits. Cache writes are billed as input.
 */
int64_t price_cost(const struct price *price, const struct usage *usage);

struct price_list;
/* CSV with the header of config/prices.csv; dollars per million tokens. All errors are collected:
 * FILE:LINE: what is wrong. NULL then. */
struct price_list *price_list_load(struct str csv, const char *name, struct buf *errors);
void price_list_destroy(struct price_list *list);
/* provider: azure_ai, azure_openai, openai, ... NULL when there is no such row. Compares without
 * case. */
const struct price *price_list_find(const struct price_list *list, struct str provider, struct str model);

#endif
