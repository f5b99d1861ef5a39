#ifndef HZ_SIM_JOURNAL_H
#define HZ_SIM_JOURNAL_H
/*
 * journal - what was received, without credentials, and whether the caller left before the end.
 *
 * Owner: the sim. The oldest entries go when a limit is passed.
 */

#include "base/buf.h"
#include "http/server.h"

struct journal_entry;

struct journal {
    struct journal_entry **entries; /* seq stands at seq % cap */
    size_t cap;
    size_t bytes, bytes_limit;
    int64_t first, next; /* seq of the oldest, and of the one to come */
};

void journal_init(struct journal *j, size_t cap, size_t bytes_limit);
void journal_fini(struct journal *j);
void journal_clear(struct journal *j);
/* Returns the request's number, from 1 upwards. */
int64_t journal_add(struct journal *j, const struct http_request *r);
/* left_ns: when the caller left, since the request began; -1: it did not. */
void journal_finish(struct journal *j, int64_t seq, int status, int64_t left_ns);
/* False when that entry is gone or not yet there. */
bool journal_write(const struct journal *j, int64_t seq, struct buf *out);

#endif
