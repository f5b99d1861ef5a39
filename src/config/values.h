#ifndef HZ_CONFIG_VALUES_H
#define HZ_CONFIG_VALUES_H
/* values - the text of one value turned into what it means. ERR_CONFIG when it means nothing. */

#include "base/arena.h"

enum err value_bool(struct str text, bool *out) HZ_MUST_USE;
enum err value_int(struct str text, int64_t min, int64_t max, int64_t *out) HZ_MUST_USE;
/* Nano-dollars from decimal dollars; at most 1,000 dollars a token. */
enum err value_price(struct str text, int64_t *out) HZ_MUST_USE;
/* "host:port", "[v6]:port"; "*" and an absent host mean every address. */
enum err value_address(struct arena *a, struct str text, struct str *host, int *port) HZ_MUST_USE;
bool value_is_date(struct str text);
/* The id of a service: spiffe://trust-domain/path (SPIFFE-ID, section 2). */
bool value_is_spiffe_id(struct str text);

struct base_url {
    bool is_tls;
    struct str host; /* IPv6 without its brackets */
    int port;
    struct str path; /* without a trailing slash */
};
/* The address of a provider. Returns what is wrong with it, or NULL. */
const char *value_base_url(struct str text, struct base_url *out);

#endif
