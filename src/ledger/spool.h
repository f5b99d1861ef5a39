#ifndef HZ_LEDGER_SPOOL_H
#define HZ_LEDGER_SPOOL_H
/* spool - rows that wait in a local file for the database. The committer's thread. */

#include "ledger/writer.h"

struct spool {
    char *path; /* NULL: there is none */
    struct store *store; /* NULL until it is needed */
    struct series *waiting;
};
/* Opens the file only if it is there. */
enum err spool_init(struct spool *s, struct str path, struct fail *fail) HZ_MUST_USE;
/* Can the file be made when it is needed? It is not made now. */
enum err spool_check_place(const struct spool *s, struct fail *fail) HZ_MUST_USE;
void spool_fini(struct spool *s);
/* All hand-overs of the list, durable when it returns OK. */
enum err spool_add(struct spool *s, struct names *names, struct record *list) HZ_MUST_USE;
/* Oldest first, each row once, whatever interrupts it. */
enum err spool_drain(struct spool *s, struct writer *w) HZ_MUST_USE;

#endif
