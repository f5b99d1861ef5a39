#ifndef HZ_TESTS_FLOW_WORLD_H
#define HZ_TESTS_FLOW_WORLD_H
/*
 * world - a whole router on one loop with a virtual clock: client, router and provider over TLS on
 * loopback sockets, a real ledger with its committer thread, real workers.
 *
 * A scenario is one request. It runs once untouched and then again and again, each time disturbed at
 * the next of its waits (or with a little more memory), until it comes through undisturbed. After each run: every
 * attempt is recorded exactly once, as the provider knows it (books.h), no descriptor is open, no task
 * is live, no slot is taken.
 */

#include "test.h"

#include "loop/task.h"

enum disturbance {
    DISTURB_NOTHING,
    DISTURB_CLIENT,   /* the client closes its connection */
    DISTURB_REQUEST,  /* the request's task is stopped, as if its client had left */
    DISTURB_PROVIDER, /* the provider's tasks stop in the middle of what they do */
    DISTURB_STORE,    /* the database refuses rows */
    DISTURB_COMMIT,   /* commits do not return until the client has given up or has its answer */
    DISTURB_CLOCK,    /* the request's deadline passes */
    DISTURB_SHUTDOWN, /* the loop is stopped */
    DISTURB_MEMORY,   /* a request's memory ends, at the nth step from nothing to what it needs */
    DISTURBANCES
};

struct scenario {
    const char *name;
    const char *path; /* of the POST; NULL: /v1/chat/completions */
    const char *body;
    bool is_not_awaited; /* ledger.wait: false */
    /* When nothing disturbs. */
    int status;
    int64_t rows;
    const char *text; /* somewhere in the answer */
};

/* Runs the scenario, disturbed at wait `nth` of the router's task, from its TLS handshake on; returns whether it had that
 * many waits. */
bool world_run(const struct scenario *scenario, enum disturbance disturbance, size_t nth);

#endif
