#ifndef HZ_NET_DNS_H
#define HZ_NET_DNS_H
/*
 * dns - name lookup with c-ares on the loop, with a small cache.
 *
 * Answers are kept for their time to live (between 1 s and 5 min); one lookup a name is under way
 * at a time, others join it. Literal addresses never ask. "localhost" is answered from the hosts
 * file.
 *
 * Thread: one resolver a loop. Suspends: dns_lookup. Errors: ERR_DNS, ERR_TIMEOUT, stops.
 */

#include "loop/task.h"
#include "net/address.h"

enum { DNS_ADDRESSES_MAX = 8 };
struct dns_answer {
    struct address addresses[DNS_ADDRESSES_MAX]; /* with the port asked for */
    size_t len;
    const char *why; /* of ERR_DNS, for people; static text */
};

struct resolver;
enum err resolver_create(struct loop *l, struct resolver **out) HZ_MUST_USE;
void resolver_destroy(struct resolver *r);
/* "address:port,..." instead of the system's name servers; empty: these stay. */
enum err resolver_set_servers(struct resolver *r, struct str servers) HZ_MUST_USE;
enum err dns_lookup(struct task *t, struct resolver *r, struct str host, int port,
                    struct dns_answer *out, int64_t deadline_ns) HZ_MUST_USE;

#endif
