#include "http/peers.h"

#include <pthread.h>

#include "base/map.h"
#include "base/mem.h"

enum { NETWORK_BYTES = 8, MAPPED_PREFIX_BYTES = 12 }; /* of an IPv6 address */

struct peers {
    pthread_mutex_t lock;
    struct peers_limits limits;
    size_t in_all;
    struct map counts; /* address -> size_t on the heap */
};

static struct str key_of(const struct address *peer)
{
    if (peer->any.sa_family == AF_INET)
        return str_make((const char *)&peer->v4.sin_addr, sizeof(peer->v4.sin_addr));
    struct str bytes = str_make((const char *)&peer->v6.sin6_addr, sizeof(peer->v6.sin6_addr));
    /* ::ffff:1.2.3.4 is an IPv4 peer of a socket for both. */
    if (IN6_IS_ADDR_V4MAPPED(&peer->v6.sin6_addr))
        return str_skip(bytes, MAPPED_PREFIX_BYTES);
    return str_first(bytes, NETWORK_BYTES);
}

struct peers *peers_create(struct peers_limits limits)
{
    struct peers *p = MEM_NEW(struct peers);
    p->limits = limits;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void peers_limit(struct peers *p, struct peers_limits limits)
{
    pthread_mutex_lock(&p->lock);
    p->limits = limits;
    pthread_mutex_unlock(&p->lock);
}

void peers_destroy(struct peers *p)
{
    if (!p)
        return;
    HZ_ASSERT(p->counts.len == 0);
    map_fini(&p->counts);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static bool has_room(size_t count, size_t limit)
{
    return limit == 0 || count < limit;
}

bool peers_enter(struct peers *p, const struct address *peer)
{
    struct str key = key_of(peer);
    pthread_mutex_lock(&p->lock);
    size_t *count = map_get(&p->counts, key);
    bool may_enter = has_room(p->in_all, p->limits.in_all) &&
                     has_room(count ? *count : 0, p->limits.an_address);
    if (may_enter && !count) {
        count = MEM_NEW(size_t);
        map_put(&p->counts, key, count);
    }
    if (may_enter) {
        ++*count;
        p->in_all++;
    }
    pthread_mutex_unlock(&p->lock);
    return may_enter;
}

void peers_leave(struct peers *p, const struct address *peer)
{
    struct str key = key_of(peer);
    pthread_mutex_lock(&p->lock);
    size_t *count = map_get(&p->counts, key);
    HZ_ASSERT(count && *count > 0);
    p->in_all--;
    if (--*count == 0) {
        map_remove(&p->counts, key);
        mem_free(count);
    }
    pthread_mutex_unlock(&p->lock);
}
