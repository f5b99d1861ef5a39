#ifndef HZ_LEDGER_PREDECESSOR_H
#define HZ_LEDGER_PREDECESSOR_H
/*
 * predecessor - the process whose ledger we have taken over, while it ends: its late rows are
 * settled here, and if it dies, what it left in its slots becomes rows.
 *
 * Owner:  the ledger.
 * Thread: the loop's; predecessor_is_there is for any.
 */

#include "ledger/committer.h"

struct predecessor;

/* Takes `fd`. */
struct predecessor *predecessor_create(int fd);
/* After its loop has stopped, or when it was never started. */
void predecessor_destroy(struct predecessor *p);
void predecessor_start(struct predecessor *p, struct loop *loop, struct committer *committer,
                       struct records *records, struct names *names);
bool predecessor_is_there(const struct predecessor *p);

#endif
