#ifndef HZ_HTTP_PEERS_H
#define HZ_HTTP_PEERS_H
/*
 * peers - how many connections there are and how many each address holds, over all servers of a
 * process.
 *
 * An IPv6 peer counts by its first 64 bits: one customer has them all.
 *
 * Thread: any.
 */

#include "net/address.h"

struct peers;

/* 0: any number. */
struct peers_limits {
    size_t in_all;
    size_t an_address;
};

struct peers *peers_create(struct peers_limits limits);
/* For those that enter from now on. */
void peers_limit(struct peers *p, struct peers_limits limits);
/* NULL is accepted. After all that entered have left. */
void peers_destroy(struct peers *p);
/* False at a limit; otherwise peers_leave must follow. */
bool peers_enter(struct peers *p, const struct address *peer);
void peers_leave(struct peers *p, const struct address *peer);

#endif
