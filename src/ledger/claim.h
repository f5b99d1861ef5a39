#ifndef HZ_LEDGER_CLAIM_H
#define HZ_LEDGER_CLAIM_H
/*
 * claim - the right to write a SQLite database: one process at a time, by a lock on DB.lock.
 *
 * PostgreSQL knows several writers: there it is always held.
 *
 * Thread: one at a time; claim_names is for any.
 */

#include "base/str.h"

struct claim {
    char *path; /* NULL: none is needed */
    int fd;     /* -1 while it is not held */
    struct claim_name {
        int64_t device, inode;
    } name;
};

void claim_init(struct claim *c, struct str store_url);
void claim_fini(struct claim *c);
/* The claim's name in this machine; before the first claim_take. */
enum err claim_find(struct claim *c, struct fail *fail) HZ_MUST_USE;
/* OK also when it is held already. */
enum err claim_take(struct claim *c, struct fail *fail) HZ_MUST_USE;
void claim_drop(struct claim *c);
bool claim_is_held(const struct claim *c);
bool claim_is_named(const struct claim *c, const struct claim_name *name);

#endif
