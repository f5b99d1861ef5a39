#ifndef HZ_LEDGER_COMMITTER_H
#define HZ_LEDGER_COMMITTER_H
/*
 * committer - the thread that writes what the loops hand over, and answers them.
 *
 * Once it has given the database to a successor, rows go to that process instead; if the successor
 * is lost, the committer takes the database back as after an outage.
 *
 * Suspends: committer_settle.
 */

#include "ledger/handover.h"
#include "ledger/spool.h"

struct committer_options {
    struct writer *writer;
    struct claim *claim;
    struct spool *spool;
    struct records *records;
    struct names *names;
    bool spools_when_down;
    int64_t down_wait_ms;
    unsigned retired_node; /* the last number that ids were drawn under by who had given up a ledger */
    /* Takes rows out of the spool into our database, makes others of what processes that are gone have left in
     * slots, there or (>= 0) through the successor; on the thread. */
    enum err (*recover)(void *arg, int successor);
    void *recover_arg;
};
struct committer *committer_create(const struct committer_options *options);
void committer_start(struct committer *c);
/* Ends the thread after all that was handed in; what could not be written or spooled is lost then,
 * with an error in the log (its slots, if any, tell of it at the next start). True: all is durable. */
bool committer_stop(struct committer *c);
/* After the stop, and after the slots have been given up, since a successor that hears no goodbye
 * looks for them. */
void committer_destroy(struct committer *c);
bool committer_is_healthy(const struct committer *c);
/* See ledger_can_record. */
bool committer_can_record(const struct committer *c);
/* See ledger_wait_ns. */
int64_t committer_wait_ns(const struct committer *c);
/* See ledger_attach. */
void committer_attach(struct committer *c, struct loop *loop);
void committer_hand_over(struct committer *c, struct record *first);
/* Hands over and waits: see ledger_settle. */
enum err committer_settle(struct task *t, struct committer *c, struct record *first) HZ_MUST_USE;
/* Gives the database to the process at the other end, which draws ids under `node`; takes `fd`. */
void committer_yield(struct committer *c, int fd, unsigned node);
/* Calls `recover` soon. */
void committer_recover(struct committer *c);

#endif
