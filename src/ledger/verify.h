#ifndef HZ_LEDGER_VERIFY_H
#define HZ_LEDGER_VERIFY_H
/* verify - what the parts of `huntaze verify ledger` share. */

#include "ledger/writer.h"

struct seen_writer {
    int64_t node, epoch;
    int64_t noted_seq; /* by its last heartbeat */
    int64_t found_seq;
};

struct verify {
    struct store *store;
    struct buf *out;
    int64_t problems;
    uint64_t *digests; /* of names, by their id; 0: no such name */
    size_t digests_len;
    struct seen_writer *writers;
    size_t writers_len, writers_cap;
    struct chain *chain;

    /* Exact: a ledger may hold rows whose sum is beyond 64 bits. */
    int64_t rows, batches;
    int64_t settles, unknowns, unpriced;
    __int128 settled_nusd, unknown_nusd;
    __int128 input_tokens, cached_tokens, output_tokens, reasoning_tokens;
    int64_t beyond_rollups;
    int64_t absurd_rows, first_absurd_id; /* more tokens of a class than USAGE_CLASS_MOST */
};

/* Adds a line, up to a number of lines beyond which problems are only counted. */
void verify_problem(struct verify *v, const char *fmt, ...) HZ_PRINTF(2, 3);

/* Walks all rows and batches of a node; folds the rows that its rollups must contain. */
enum err verify_node(struct verify *v, int64_t node, struct rollups *expected) HZ_MUST_USE;

#endif
