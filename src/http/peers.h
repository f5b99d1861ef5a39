#ifndef HZ_HTTP_PEERS_H
#define HZ_HTTP_PEERS_H
/*
 * peers - how many connections each address holds, over all servers of a process.
 *
 * An IPv6 peer counts by its first 64 bits: one customer has them all.
 *
 * Thread: any.
 */

#include "net/address.h"

struct peers;

/* `max` connections an address; 0: any number. */
struct peers *peers_create(size_t max);
/* For those that enter from now on. */
void peers_set_max(struct peers *p, size_t max);
/* NULL is accepted. After all that entered have left. */
void peers_destroy(struct peers *p);
/* False when the address is at its limit; otherwise peers_leave must follow. */
bool peers_enter(struct peers *p, const struct address *peer);
void peers_leave(struct peers *p, const struct address *peer);

#endif
