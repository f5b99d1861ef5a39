#ifndef HZ_LEDGER_INTERNAL_H
#define HZ_LEDGER_INTERNAL_H
/* internal - what the files of the ledger share and nobody else sees. */

#include <stdatomic.h>

#include "base/map.h"
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "store/store.h"

enum { NAME_LEN_MAX = 128, CORRELATION_LEN_MAX = 128, BATCH_ROWS_MAX = 512, HASH_BYTES = 32 };

/* ---- names.c: text to number, within this process ---- */

struct names;
struct names *names_create(void);
void names_destroy(struct names *n);
/* Thread-safe. What a database may refuse (control characters, bytes that are not UTF-8) becomes
 * '?'; longer text is cut at NAME_LEN_MAX. 0 for an empty text. */
uint32_t names_intern(struct names *n, struct str text);
/* The texts live as long as the names. */
void names_texts(struct names *n, const uint32_t *ids, struct str *out, size_t count);
uint32_t names_count(struct names *n); /* every id is below */
/* Writes at most `max` bytes, cleaned as above; returns how many. */
size_t text_clean(struct str text, char *out, size_t max);

/* ---- row.c: a transfer as columns, and as bytes ---- */

/* The columns of table transfer, in the order of the statements. */
enum column {
    COL_ID, COL_OPERATION_ID, COL_ATTEMPT, COL_KIND, COL_DEBIT, COL_CREDIT, COL_AMOUNT,
    COL_IS_UNPRICED, COL_KEY, COL_FEATURE, COL_PROVIDER, COL_DEPLOYMENT, COL_MODEL, COL_REGION,
    COL_TIER, COL_OPERATION, COL_INPUT, COL_CACHED, COL_CACHE_WRITE, COL_OUTPUT, COL_REASONING,
    COL_USAGE_SOURCE, COL_STATUS, COL_HTTP_STATUS, COL_ERROR, COL_STARTED, COL_DURATION,
    COL_FIRST_CONTENT, COL_IS_STREAM, COL_IS_FALLBACK,
    COL_NUMBERS, /* all before are numbers */
    COL_CORRELATION = COL_NUMBERS,
    COLUMNS
};
enum { ROW_NAMES = 9 };
extern const enum column name_columns[ROW_NAMES]; /* those that hold the id of a name */

struct records;

/* A row on its way: on the heap, owned by the committer until it has answered. */
struct record {
    struct record *next; /* in a queue, a batch, an answer, or the free list */
    struct record *more; /* further rows of the same hand-over */
    struct transfer row; /* its correlation_id points below */
    char correlation[CORRELATION_LEN_MAX];
    /* of the first row only */
    struct post post;
    struct records *owner;
    struct loop *loop; /* NULL: nobody is told */
    struct task *task; /* NULL once the wait was given up; loop thread only */
    bool is_done;      /* loop thread only */
    enum err result;
};

void row_set(struct record *r, const struct transfer *row);
void row_numbers(const struct transfer *row, int64_t out[COL_NUMBERS]);
/* Bytes that another process can read: names as text. */
enum { ROW_BYTES_MAX = 1 + COL_NUMBERS * 8 + (ROW_NAMES + 1) * (2 + NAME_LEN_MAX) };
size_t row_encode(const struct transfer *row, struct names *names, char out[ROW_BYTES_MAX]);
enum err row_decode(struct str bytes, struct names *names, struct record *out) HZ_MUST_USE;

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
    int64_t sums[ROLLUP_SUMS]; /* calls, five token classes, cost */
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
    struct series *rows, *batches, *seconds;
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

/* ---- spool.c: rows that wait in a local file for the database ---- */

struct spool {
    char *path; /* NULL: there is none */
    struct store *store; /* NULL until it is needed */
    struct series *waiting;
};
/* Opens the file only if it is there. */
enum err spool_init(struct spool *s, struct str path, struct fail *fail) HZ_MUST_USE;
void spool_fini(struct spool *s);
/* All hand-overs of the list, durable when it returns OK. */
enum err spool_add(struct spool *s, struct names *names, struct record *list) HZ_MUST_USE;
/* Oldest first, each row once, whatever interrupts it. */
enum err spool_drain(struct spool *s, struct writer *w) HZ_MUST_USE;

/* ---- slots.c: attempts in flight, in a memory-mapped file ---- */

struct slots;
struct slots_found {
    struct record *rows; /* a list; each freed with mem_free */
    size_t damaged;
};
/* Locks the file and reads what an earlier process left. */
enum err slots_open(struct str path, size_t count, struct names *names, struct slots **out,
                    struct slots_found *found, struct fail *fail) HZ_MUST_USE;
/* What was found is durable elsewhere: makes all slots anew. */
enum err slots_reset(struct slots *s, struct fail *fail) HZ_MUST_USE;
void slots_close(struct slots *s);
struct ledger_slot *slots_take(struct slots *s, const struct transfer *row);
void slots_release(struct slots *s, struct ledger_slot *slot);
/* Whichever slot this attempt holds, if any. */
void slots_release_attempt(struct slots *s, int64_t operation_id, int32_t attempt);

/* ---- records.c: memory of rows on their way, recycled ---- */

/* `slots` may be NULL. */
struct records *records_create(struct slots *slots);
/* Records that are still out keep the memory: a loop may take its last answers after the ledger's
 * end. The slots are not touched any more. */
void records_close(struct records *rs);
/* Any thread. One for each row, joined by `more`; count > 0. */
struct record *records_take(struct records *rs, size_t count);
void records_give_back(struct record *first);
/* Gives back what nobody waits for any more; if the result is OK, its slots are released. */
void records_settled(struct record *first);

/* ---- committer.c: the thread ---- */

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
void committer_hand_over(struct committer *c, struct record *first);
#endif
