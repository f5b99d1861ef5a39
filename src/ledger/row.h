#ifndef HZ_LEDGER_ROW_H
#define HZ_LEDGER_ROW_H
/* row - a row on its way to the database: its names, its columns, its bytes, its memory. */

#include "ledger/ledger.h"
#include "store/store.h"

enum { NAME_LEN_MAX = 128, CORRELATION_LEN_MAX = 128, BATCH_ROWS_MAX = 512 };

/* ---- names.c: text to number, within this process ---- */

struct names;
struct names *names_create(void);
void names_destroy(struct names *n);
/* Thread-safe. What a database may refuse (control characters, bytes that are not UTF-8) becomes
 * '?'; longer text is cut at NAME_LEN_MAX. 0 for an empty text. */
uint32_t names_intern(struct names *n, struct str text);
/* For texts that callers make up: once there are LABELS_MOST names, a new one is "(other)". */
enum { LABELS_MOST = 20000 };
uint32_t names_intern_label(struct names *n, struct str text);
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
    int64_t handed_ns; /* when it was handed over */
    struct loop *loop; /* NULL: nobody is told */
    struct task *task; /* NULL once the wait was given up; loop thread only */
    bool is_done;      /* loop thread only */
    enum err result;
};

/* Hand-overs, in order. */
struct record_list {
    struct record *first, *last;
};

void row_set(struct record *r, const struct transfer *row);
void row_numbers(const struct transfer *row, int64_t out[COL_NUMBERS]);
/* Bytes that another process can read: names as text. */
enum { ROW_BYTES_MAX = 1 + COL_NUMBERS * 8 + (ROW_NAMES + 1) * (2 + NAME_LEN_MAX) };
size_t row_encode(const struct transfer *row, struct names *names, char out[ROW_BYTES_MAX]);
enum err row_decode(struct str bytes, struct names *names, struct record *out) HZ_MUST_USE;

/* ---- records.c: rows on their way ---- */

void record_list_add(struct record_list *list, struct record *first, struct record *last);
struct record_list record_list_take(struct record_list *list);

struct slots; /* slots.h */
/* `slots` may be NULL. */
struct records *records_create(struct slots *slots);
/* Records that are still out keep the memory: a loop may take its last answers after the ledger's
 * end. The slots are not touched any more. */
void records_close(struct records *rs);
/* Any thread. One for each row, joined by `more`; count > 0. */
struct record *records_take(struct records *rs, size_t count);
void records_give_back(struct record *first);
/* Tells the loops of a list of hand-overs what became of them: one wake-up for each loop, however many of its
 * tasks wait. */
void records_answer(struct record *first, enum err result);
/* Gives back what nobody waits for any more; if the result is OK, its slots are released. */
void records_settled(struct record *first);

#endif
