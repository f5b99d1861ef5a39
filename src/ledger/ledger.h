#ifndef HZ_LEDGER_LEDGER_H
#define HZ_LEDGER_LEDGER_H
/*
 * ledger - every attempt at a provider as one durable row of table `transfer`.
 *
 * Loops hand rows to the committer thread, which writes what has gathered as one transaction (group
 * commit) and tells the loops. While a call is in flight it stands in a slot of a small memory-mapped
 * file; slots found at start belong to attempts that a crash left unfinished: they become rows with
 * usage source "unknown", charged at their estimate.
 *
 * Owner:    rows handed in are copied to a heap record that belongs to the committer until it has
 *           answered; a task may give up the wait, never the record.
 * Thread:   ledger_open/close by the main thread; ledger_name, slots and ledger_settle on loops.
 *           Loops that have settled are destroyed after ledger_close, never before.
 * Suspends: ledger_settle.
 * Errors:   ERR_STORE.
 */

#include "base/buf.h"
#include "loop/task.h"
#include "model/usage.h"

struct ledger;

enum { LEDGER_RETRY_MS = 2000 }; /* how long after a failure at most the store is tried again */

struct ledger_options {
    struct str store_url;
    struct str spool_path;  /* SQLite file that takes settles while the database is away */
    struct str slots_path;
    size_t slots_count;
    unsigned node; /* PostgreSQL: if a living process has it, the next free one is taken */
    bool spools_when_down;
    int64_t down_wait_ms;   /* how long after a failure settles wait for the database (5000) */
    int predecessor;        /* the socket's end of a process whose ledger we take over; 0: none */
};

/* Opens, migrates, drains the spool, turns left slots into unknown rows, folds rows after the last
 * rollup, starts the committer. A SQLite store takes one process at a time: a predecessor on the same
 * store is asked to let go of it and does so at a barrier between two batches. */
enum err ledger_open(const struct ledger_options *options, struct ledger **out, struct fail *fail) HZ_MUST_USE;
/* Writes what was handed in, then ends the committer. */
void ledger_close(struct ledger *l);
/* Before the loop runs, once a loop: what its tasks settle is handed over at the end of each turn,
 * as one piece: fewer wake-ups, larger groups. The loop does not run after ledger_close. */
void ledger_attach(struct ledger *l, struct loop *loop);

/* ---- from one process to the next, over a pair of SOCK_SEQPACKET ---- */

/* Serves the late rows of the predecessor, if there is one, on this loop, which is about to run. */
void ledger_serve_predecessor(struct ledger *l, struct loop *loop);
/* Until the predecessor has ended. Any thread. */
bool ledger_has_predecessor(const struct ledger *l);
/* Takes the socket's end. The process at the other end has the ledger once it asks; what is settled
 * here afterwards goes to it. If that process is lost, the ledger is taken back. On the loop's thread;
 * the loop is destroyed after ledger_close. */
enum err ledger_await_successor(struct ledger *l, struct loop *loop, int fd) HZ_MUST_USE;

/* The number of an interned name; made durable with the first row that uses it. Names from outside
 * must be bounded in length by the caller (128). Thread-safe; 0 for an empty name. */
uint32_t ledger_name(struct ledger *l, struct str text);
/* The same for labels that callers make up, whose number must not grow without end: when there are
 * very many names, new labels share one. */
uint32_t ledger_label(struct ledger *l, struct str text);

/* Values are stored: they never change. */
enum transfer_kind { TRANSFER_HOLD = 1, TRANSFER_SETTLE = 2, TRANSFER_ADJUST = 3, TRANSFER_CREDIT = 4 };
enum attempt_status {
    ATTEMPT_OK = 1,             /* a whole answer */
    ATTEMPT_FAILED = 2,         /* the provider failed: see error */
    ATTEMPT_CLIENT_GONE = 3,    /* the client left; what passed is billed */
    ATTEMPT_CONTENT_FILTER = 4, /* refused by the provider's filter; billed */
    ATTEMPT_BROKEN = 5,         /* the stream broke after content; what passed is billed */
    ATTEMPT_CRASHED = 6         /* found in a slot after a crash */
};

/* One row. Names are ids of ledger_name. */
struct transfer {
    int64_t operation_id;
    int32_t attempt;  /* 1.. within the operation */
    enum transfer_kind kind;
    uint32_t debit_account;  /* who pays: the caller's account */
    uint32_t credit_account; /* who earns: the provider's account */
    int64_t amount_nusd;
    bool is_unpriced;
    uint32_t key, feature, provider, deployment, model, region;
    uint8_t tier;      /* enum tier */
    uint8_t operation; /* enum llm_operation */
    struct usage usage;
    enum usage_source usage_source;
    enum attempt_status status;
    int32_t http_status; /* the provider's, 0 if none came */
    uint32_t error;      /* interned error name, 0 if none */
    int64_t started_ms;  /* wall clock */
    int32_t duration_ms;
    int32_t first_content_ms; /* -1 if none */
    bool is_stream;
    bool is_fallback;
    struct str correlation_id; /* only if the caller gave it; else at = NULL (it is the operation's) */
};

/* Durable when this returns OK (in the database or in the spool). After ERR_STORE, or after a wait
 * that was given up, the rows are still kept and written when the database is back. */
enum err ledger_settle(struct task *t, struct ledger *l, const struct transfer *rows, size_t count) HZ_MUST_USE;
/* Hands over without waiting (ledger.wait: false). */
void ledger_post(struct ledger *l, const struct transfer *rows, size_t count);

/* An attempt in flight: filled before the request is sent, released after its row is durable.
 * `row` holds the estimate as amount. NULL when all slots are taken: refuse with ERR_BUSY.
 * Slots of rows that were posted, or whose settle did not return OK, are not the caller's any more:
 * the ledger releases them when the row is durable. */
struct ledger_slot;
struct ledger_slot *ledger_slot_take(struct ledger *l, const struct transfer *row);
void ledger_slot_release(struct ledger *l, struct ledger_slot *slot);

bool ledger_is_healthy(struct ledger *l); /* the last commit reached the database */
/* False while the last rows found a place neither in the database nor in the spool: what is paid for
 * now would be in memory alone. Both are tried again, at least every LEDGER_RETRY_MS. Any thread. */
bool ledger_can_record(const struct ledger *l);
/* How long rows have waited that did not fit into the last transaction: 0 while each takes all that
 * there is, however slow the disk. Any thread. */
int64_t ledger_wait_ns(const struct ledger *l);

/* `huntaze verify ledger`: hash chain, uniqueness, rollups equal to rows, settled sums. Prints to
 * out, returns ERR_STORE if anything is wrong. Works on a running system. */
enum err ledger_verify(struct str store_url, struct buf *out, bool *is_sound) HZ_MUST_USE;

#endif
