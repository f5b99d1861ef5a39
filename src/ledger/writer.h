#ifndef HZ_LEDGER_WRITER_H
#define HZ_LEDGER_WRITER_H
/* writer - one batch, one transaction: names, rows, the chain that seals them, rollups. */

#include "base/map.h"
#include "base/metrics.h"
#include "ledger/row.h"

enum { HASH_BYTES = 32 };

/* ---- chain.c: the hash of a batch over the hash before and each row ---- */

struct chain;
struct chain *chain_create(void);
void chain_destroy(struct chain *c);
void chain_begin(struct chain *c, const unsigned char before[HASH_BYTES]);
/* `digests` stand for the names of name_columns: renaming an account breaks the chain, too. */
void chain_add(struct chain *c, const struct value columns[COLUMNS], const uint64_t digests[ROW_NAMES]);
void chain_end(struct chain *c, unsigned char out[HASH_BYTES]);
uint64_t chain_name_digest(struct str text);

/* ---- rollup.c: sums per hour and kind of call ---- */

enum { ROLLUP_KEYS = 7, ROLLUP_SUMS = 7 };
struct rollup {
    int64_t key[ROLLUP_KEYS];  /* hour, account, key, feature, model, deployment, status */
    int64_t sums[ROLLUP_SUMS]; /* calls, five token classes, cost: as far as 64 bits go */
    bool is_capped[ROLLUP_SUMS]; /* the true sum is beyond, since it was made or read */
};
struct rollups {
    struct map by_key; /* struct rollup */
    int64_t last_id;   /* every row of the writer up to here is folded in */
};
void rollups_fini(struct rollups *r);
void rollups_clear(struct rollups *r);
void rollups_fold(struct rollups *r, const struct value columns[COLUMNS]);
/* Adds them to the node's rows and clears them. Within a transaction. */
enum err rollups_write(struct rollups *r, struct store *s, unsigned node) HZ_MUST_USE;
/* For map_get of a key. */
struct str rollup_key(const int64_t key[ROLLUP_KEYS]);
/* From a row of SQL_ROLLUP_LIST. */
void rollup_from_columns(struct rollup *out, const struct value *columns);

/* ---- writer.c: one batch, one transaction ---- */

struct writer {
    struct store *store;
    struct names *names;
    unsigned node;
    int64_t epoch; /* 0: not registered yet */
    bool is_loaded; /* what follows agrees with the database */
    int64_t seq;
    unsigned char hash[HASH_BYTES];
    struct rollups rollups;
    int64_t beat_ns; /* when rollups and heartbeat were last written */
    bool has_news;   /* since then */
    struct stored_name *stored; /* by id of names.c */
    uint32_t stored_len;
    struct chain *chain;
    struct value *values;
    struct series *rows, *repeated, *batches, *seconds;
};
void writer_init(struct writer *w, struct store *store, struct names *names, unsigned node);
void writer_fini(struct writer *w);
/* Takes a node number, an epoch and the end of the chain from the database; after a failure this is
 * what finds out how far it came. */
enum err writer_load(struct writer *w) HZ_MUST_USE;
/* Rows that are there already count as written. `rows` is scratch afterwards; `added` may be NULL. */
enum err writer_write(struct writer *w, struct record **rows, size_t count, size_t *added) HZ_MUST_USE;
/* Rollups and heartbeat in a transaction of their own. */
enum err writer_beat(struct writer *w) HZ_MUST_USE;
int64_t writer_due_ns(const struct writer *w); /* of the next one */

#endif
