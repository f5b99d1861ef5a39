#ifndef HZ_CONFIG_PRICES_H
#define HZ_CONFIG_PRICES_H
/*
 * prices - the price list: config/prices.csv, or the file that prices.file names.
 *
 * Owner: price_list_load's caller; rows live as long as the list.
 */

#include "base/buf.h"
#include "model/price.h"

struct price_list;

/* CSV with the header of config/prices.csv; dollars per million tokens. All errors are collected,
 * one line each: NAME:LINE: what is wrong. NULL then. */
struct price_list *price_list_load(struct str csv, const char *name, struct buf *errors);
void price_list_destroy(struct price_list *list);

/* provider: azure_ai, azure_openai, openai, ..., or empty for the first row of that model at any
 * provider. NULL when there is no such row. Compares without case. */
const struct price *price_list_find(const struct price_list *list, struct str provider,
                                    struct str model);
/* Adds ", "-joined names of the provider's rows that are the model with a suffix
 * (gpt-4o-mini@global). */
void price_list_similar(const struct price_list *list, struct str provider, struct str model,
                        struct buf *out);

#endif
