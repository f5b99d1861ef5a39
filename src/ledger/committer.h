#ifndef HZ_LEDGER_COMMITTER_H
#define HZ_LEDGER_COMMITTER_H
/* committer - the thread that writes what the loops hand over, and answers them. */

#include "ledger/spool.h"

struct committer_options {
    struct writer *writer;
    struct spool *spool;
    struct records *records;
    struct names *names;
    bool spools_when_down;
    int64_t down_wait_ms;
};
struct committer *committer_create(const struct committer_options *options);
void committer_start(struct committer *c);
/* Ends the thread after all that was handed in; what could not be written or spooled is lost then,
 * with an error in the log (its slots, if any, tell of it at the next start). */
void committer_destroy(struct committer *c);
bool committer_is_healthy(const struct committer *c);
/* See ledger_attach. */
void committer_attach(struct committer *c, struct loop *loop);
void committer_hand_over(struct committer *c, struct record *first);

#endif
