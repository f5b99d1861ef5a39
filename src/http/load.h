#ifndef HZ_HTTP_LOAD_H
#define HZ_HTTP_LOAD_H
/*
 * load - which new requests a server refuses so that the others are served in time.
 *
 * It is told again and again how long work waits for us. When every wait of an interval is longer
 * than the target, a queue stands that does not end by itself as a burst does. From then on a share
 * of the new requests is refused that grows with the wait that each would have: none at the target,
 * nearly all at twice the target. So the wait comes to rest where what is refused is what is too much.
 * It ends when no wait of an interval is longer than the target; below the target nothing is refused
 * in any case.
 *
 * Thread: one. Pure: the clock is the caller's.
 */

#include "base/defs.h"

enum {
    LOAD_INTERVAL_MS = 500,
    LOAD_SHARE_ALL = 1024,
    /* Were all refused, nobody would be served when refusing alone is more than we can do. */
    LOAD_SHARE_MOST = LOAD_SHARE_ALL - LOAD_SHARE_ALL / 8,
};

struct load {
    int64_t target_ns; /* 0: refuses nothing */
    int64_t wait_ns;   /* as last told */
    bool is_over;
    int64_t doubted_ns; /* since when waits contradict is_over; INT64_MAX: they do not */
    unsigned owed;      /* what of the shares is not a whole request yet */
};

/* At which pace a queue is worked off, as an average over about the last PACE_TURNS turns that begin as many
 * requests as a turn may. Others say nothing: the loop slept. */
enum { PACE_TURNS = 8 };
struct pace {
    int64_t each_ns; /* from one begin to the next; 0: not known */
    int64_t since_ns; /* the end of the turn before, if that was such a turn; 0: it was not */
};
/* At the end of a turn. `begun`: how many, while others still wait; 0: nobody waits. */
void pace_note(struct pace *p, int64_t now_ns, unsigned begun);

void load_init(struct load *l, int64_t target_ns);
/* How long work that comes to us now waits before it is served. */
void load_observe(struct load *l, int64_t now_ns, int64_t wait_ns);

/* For each new request, with the wait that it would have: whether to refuse it. */
bool load_refuses(struct load *l, int64_t wait_ns);

#endif
