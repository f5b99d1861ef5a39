#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/planted.h"
#include "ledger/committer.h"
#include "ledger/slots.h"

struct ledger {
    int lock_fd;
    struct names *names;
    struct store *store;
    struct writer writer;
    struct spool spool;
    struct slots *slots;
    struct records *records;
    struct committer *committer;
};

/* ---- opening ---- */

/* Two processes on one SQLite ledger would take each other's calls in flight for unfinished ones.
 * Not in store/, since `keys create` may write beside a server. */
static enum err lock_database(struct ledger *l, struct str url, struct fail *fail)
{
    struct buf path = { 0 };
    char why[128];
    enum err err = OK;
    if (!store_sqlite_path(url).len)
        return OK;
    buf_add(&path, store_sqlite_path(url));
    buf_add(&path, str_make(".lock", sizeof(".lock")));
    l->lock_fd = open(path.at, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0)
        err = fail_set(fail, ERR_STORE, "%s cannot be opened: %s", path.at,
                       strerror_r(errno, why, sizeof(why)));
    else if (flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0)
        err = fail_set(
            fail, ERR_STORE,
            "the store %.*s is in use by another huntaze: stop it first, or use PostgreSQL, "
            "which several can share",
            STR_ARG(store_sqlite_path(url)));
    buf_fini(&path);
    return err;
}

/* Attempts that a crash left: charged at their estimate, unless they were settled after all. */
static enum err settle_unknown(struct ledger *l, const struct slots_found *found)
{
    size_t total = 0, count = 0, added = 0;
    int64_t amount_nusd = 0;
    struct record *rows[64];
    enum err err = OK;
    for (struct record *r = found->rows; r && !err; r = r->next) {
        rows[count++] = r;
        if (count < HZ_LEN(rows) && r->next)
            continue;
        err = writer_write(&l->writer, rows, count, &added);
        for (size_t i = 0; i < added && !err; i++)
            amount_nusd += rows[i]->row.amount_nusd;
        total += err ? 0 : added;
        count = 0;
    }
    series_add(metrics_series(METRIC_LEDGER_UNKNOWN, NULL), (int64_t)total);
    if (total)
        log_warn(NULL, "ledger_unknown_attempts", LOG_INT("attempts", total),
                 LOG_USD("charged_usd", amount_nusd));
    if (found->damaged)
        log_error(NULL, "ledger_slots_damaged", LOG_INT("slots", found->damaged));
    return err;
}

static void free_found(struct slots_found *found)
{
    for (struct record *r = found->rows, *next; r; r = next) {
        next = r->next;
        mem_free(r);
    }
}

/* The spool goes first: it may hold the settle row of an attempt whose slot was never released. */
static enum err recover(struct ledger *l, const struct ledger_options *options, struct fail *fail)
{
    struct slots_found found = { 0 };
    enum err err = spool_init(&l->spool, options->spool_path, fail);
    if (!err && options->slots_path.len && options->slots_count)
        err = slots_open(options->slots_path, options->slots_count, l->names, &l->slots, &found,
                         fail);
    if (err)
        goto out;
    err = writer_load(&l->writer);
    if (!err)
        err = spool_drain(&l->spool, &l->writer);
    if (!err && HZ_PLANTED(SLOTS_RESET_EARLY))
        err = slots_reset(l->slots, fail);
    if (!err && !HZ_PLANTED(UNKNOWN_SKIPPED))
        err = settle_unknown(l, &found);
    if (err)
        err = fail_set(fail, ERR_STORE, "the ledger could not be taken up: %s",
                       store_error(l->store));
    else if (l->slots && !HZ_PLANTED(SLOTS_RESET_EARLY))
        err = slots_reset(l->slots, fail);
out:
    free_found(&found);
    return err;
}

static enum err open_store(struct ledger *l, const struct ledger_options *options,
                           struct fail *fail)
{
    struct store_options store = { .url = options->store_url };
    enum err err = store_open(&store, &l->store, fail);
    return err ? err : lock_database(l, options->store_url, fail);
}

static void release_all(struct ledger *l)
{
    committer_destroy(l->committer);
    records_close(l->records);
    slots_close(l->slots);
    spool_fini(&l->spool);
    writer_fini(&l->writer);
    store_close(l->store);
    names_destroy(l->names);
    if (l->lock_fd >= 0)
        close(l->lock_fd);
    mem_free(l);
}

enum err ledger_open(const struct ledger_options *options, struct ledger **out, struct fail *fail)
{
    struct ledger *l = MEM_NEW(struct ledger);
    l->lock_fd = -1;
    l->names = names_create();
    enum err err = open_store(l, options, fail);
    writer_init(&l->writer, l->store, l->names, options->node);
    if (!err)
        err = recover(l, options, fail);
    if (err) {
        release_all(l);
        return err;
    }
    l->records = records_create(l->slots);
    l->committer = committer_create(&(struct committer_options) {
        .writer = &l->writer,
        .spool = &l->spool,
        .records = l->records,
        .names = l->names,
        .spools_when_down = options->spools_when_down,
        .down_wait_ms = options->down_wait_ms,
    });
    log_info(NULL, "ledger_open", LOG_INT("node", l->writer.node),
             LOG_INT("epoch", l->writer.epoch),
             LOG_INT("slots", l->slots ? options->slots_count : 0));
    committer_start(l->committer);
    *out = l;
    return OK;
}

void ledger_close(struct ledger *l)
{
    if (l)
        release_all(l);
}

/* ---- handing over ---- */

void ledger_attach(struct ledger *l, struct loop *loop)
{
    committer_attach(l->committer, loop);
}

uint32_t ledger_name(struct ledger *l, struct str text)
{
    return names_intern(l->names, text);
}

uint32_t ledger_label(struct ledger *l, struct str text)
{
    return names_intern_label(l->names, text);
}

static struct record *copy_rows(struct ledger *l, const struct transfer *rows, size_t count)
{
    HZ_ASSERT(count <= BATCH_ROWS_MAX);
    struct record *first = records_take(l->records, count);
    size_t i = 0;
    for (struct record *r = first; r; r = r->more)
        row_set(r, &rows[i++]);
    for (i = 0; i < count && HZ_PLANTED(SLOT_RELEASED_EARLY); i++)
        slots_release_attempt(l->slots, rows[i].operation_id, rows[i].attempt);
    return first;
}

enum err ledger_settle(struct task *t, struct ledger *l, const struct transfer *rows, size_t count)
{
    if (!count)
        return OK;
    struct record *r = copy_rows(l, rows, count);
    r->loop = task_loop(t);
    r->task = t;
    loop_external_begin(r->loop);
    committer_hand_over(l->committer, r);

    enum err err = task_wait(t, INT64_MAX);
    if (err && !r->is_done) {
        r->task = NULL;
        return err;
    }
    /* The answer may have come between the end of a wait that was given up and this line. */
    if (err) {
        records_settled(r);
        return err;
    }
    err = r->result;
    records_give_back(r);
    return err;
}

void ledger_post(struct ledger *l, const struct transfer *rows, size_t count)
{
    if (count)
        committer_hand_over(l->committer, copy_rows(l, rows, count));
}

struct ledger_slot *ledger_slot_take(struct ledger *l, const struct transfer *row)
{
    return l->slots ? slots_take(l->slots, row) : NULL;
}

void ledger_slot_release(struct ledger *l, struct ledger_slot *slot)
{
    slots_release(l->slots, slot);
}

bool ledger_is_healthy(struct ledger *l)
{
    return committer_is_healthy(l->committer);
}
