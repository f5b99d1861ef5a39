#include "ledger/ledger.h"

#include <sys/epoll.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/planted.h"
#include "ledger/predecessor.h"
#include "ledger/slots.h"

enum { NO_SUCCESSOR = -1 };

struct ledger {
    struct claim claim;
    struct names *names;
    struct store *store;
    struct writer writer;
    struct spool spool;
    struct slots *slots;
    struct records *records;
    struct committer *committer;
    struct predecessor *predecessor; /* NULL: none */
    struct watch successor;          /* fd -1: nobody is expected */
    struct loop *successor_loop;
};

/* ---- opening ---- */

/* Attempts that a crash left: charged at their estimate, unless they were settled after all. */
static enum err settle_unknown(struct ledger *l, const struct slots_found *found, int successor)
{
    size_t total = 0, count = 0, added = 0;
    int64_t amount_nusd = 0;
    struct record *rows[64];
    enum err err = OK;
    for (struct record *r = found->rows; r && !err; r = r->next) {
        rows[count++] = r;
        if (count < HZ_LEN(rows) && r->next)
            continue;
        added = count;
        err = successor < 0 ? writer_write(&l->writer, rows, count, &added)
                            : handover_write(successor, l->names, rows, count);
        for (size_t i = 0; i < added && !err; i++)
            amount_nusd = num_add_capped(amount_nusd, rows[i]->row.amount_nusd);
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
    if (!err && options->spools_when_down)
        err = spool_check_place(&l->spool, fail);
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
        err = settle_unknown(l, &found, NO_SUCCESSOR);
    if (err)
        err = fail_set(fail, ERR_STORE, "the ledger could not be taken up: %s",
                       store_error(l->store));
    else if (l->slots && !HZ_PLANTED(SLOTS_RESET_EARLY))
        err = slots_reset(l->slots, fail);
out:
    free_found(&found);
    return err;
}

/* Of processes that shared our store or our slots' path and are gone: the committer's thread. As at the start
 * the spool goes before the slots, but behind their locks: whoever still holds one may still spool. What
 * cannot be read stays for the next time. */
static enum err recover_left(void *arg, int successor)
{
    struct ledger *l = arg;
    struct slots_found found = { 0 };
    struct fail fail = { 0 };
    if (l->slots && slots_find_left(l->slots, &found, &fail) != OK)
        log_error(NULL, "ledger_slots_failed", LOG_TEXT("detail", fail.text));
    enum err err = successor < 0 ? spool_drain(&l->spool, &l->writer) : OK;
    bool is_unreadable = err && l->writer.is_loaded; /* the spool: it has said so */
    if (!err)
        err = settle_unknown(l, &found, successor);
    if (l->slots)
        slots_drop_left(l->slots, !err);
    free_found(&found);
    return is_unreadable ? OK : err;
}

/* Two processes on one SQLite ledger would take each other's calls in flight for unfinished ones.
 * Not in store/, since `keys create` may write beside a server. */
static enum err claim_database(struct ledger *l, const struct ledger_options *options,
                               struct handover_message *given, struct fail *fail)
{
    enum err err = claim_find(&l->claim, fail);
    if (!err && l->predecessor && !claim_is_held(&l->claim))
        err = handover_ask(options->predecessor, &l->claim.name, options->node, given);
    if (err == ERR_CLOSED)
        return fail_set(fail, ERR_STORE, "the process that runs does not give up its ledger");
    /* Whether it gave us its own or keeps another one, this one must be free now. */
    if (err == OK && given->kind == HANDOVER_GIVEN)
        id_set_floor(given->given.last_id);
    return claim_take(&l->claim, fail);
}

static enum err open_store(struct ledger *l, const struct ledger_options *options,
                           struct handover_message *given, struct fail *fail)
{
    struct store_options store = { .url = options->store_url };
    enum err err = store_open(&store, &l->store, fail);
    return err ? err : claim_database(l, options, given, fail);
}

static void release_all(struct ledger *l)
{
    if (l->successor_loop)
        loop_unwatch(l->successor_loop, &l->successor);
    bool is_done = committer_stop(l->committer);
    predecessor_destroy(l->predecessor);
    records_close(l->records);
    slots_close(l->slots);
    spool_fini(&l->spool);
    writer_fini(&l->writer);
    store_close(l->store);
    claim_fini(&l->claim);
    handover_close(l->successor.fd, is_done);
    committer_destroy(l->committer);
    names_destroy(l->names);
    mem_free(l);
}

static void start_committer(struct ledger *l, const struct ledger_options *options,
                            const struct handover_message *given)
{
    l->records = records_create(l->slots);
    l->committer = committer_create(&(struct committer_options) {
        .writer = &l->writer,
        .claim = &l->claim,
        .spool = &l->spool,
        .records = l->records,
        .names = l->names,
        .spools_when_down = options->spools_when_down,
        .down_wait_ms = options->down_wait_ms,
        .retired_node = (unsigned)given->given.node,
        .recover = recover_left,
        .recover_arg = l,
    });
    committer_start(l->committer);
}

enum err ledger_open(const struct ledger_options *options, struct ledger **out, struct fail *fail)
{
    struct ledger *l = MEM_NEW(struct ledger);
    struct handover_message given = { .given = { .node = options->node } };
    l->successor.fd = -1;
    l->names = names_create();
    if (options->predecessor)
        l->predecessor = predecessor_create(options->predecessor);
    claim_init(&l->claim, options->store_url);
    enum err err = open_store(l, options, &given, fail);
    writer_init(&l->writer, l->store, l->names, options->node);
    if (!err)
        err = recover(l, options, fail);
    if (err) {
        release_all(l);
        return err;
    }
    log_info(NULL, "ledger_open", LOG_INT("node", l->writer.node),
             LOG_INT("epoch", l->writer.epoch),
             LOG_INT("slots", l->slots ? options->slots_count : 0));
    start_committer(l, options, &given);
    *out = l;
    return OK;
}

void ledger_close(struct ledger *l)
{
    if (l)
        release_all(l);
}

/* ---- from one process to the next ---- */

void ledger_serve_predecessor(struct ledger *l, struct loop *loop)
{
    if (l->predecessor)
        predecessor_start(l->predecessor, loop, l->committer, l->records, l->names);
}

bool ledger_has_predecessor(const struct ledger *l)
{
    return predecessor_is_there(l->predecessor);
}

static int leave_successor(struct ledger *l)
{
    int fd = l->successor.fd;
    loop_unwatch(l->successor_loop, &l->successor);
    l->successor.fd = -1;
    return fd;
}

static void on_successor(struct watch *w, uint32_t ready)
{
    (void)ready;
    struct ledger *l = HZ_CONTAINER_OF(w, struct ledger, successor);
    static const struct handover_message kept = { .kind = HANDOVER_KEPT };
    struct handover_message m;
    struct str rest;
    char *room = mem_alloc(HANDOVER_BYTES_MAX);
    enum err err = handover_receive(w->fd, room, &m, &rest);
    mem_free(room);
    if (!err && m.kind == HANDOVER_ASK && claim_is_named(&l->claim, &m.ask.store))
        committer_yield(l->committer, leave_successor(l), (unsigned)m.ask.node);
    else if (!err && m.kind == HANDOVER_ASK)
        err = handover_answer(w->fd, &kept);
    if (err && err != ERR_AGAIN)
        handover_close(leave_successor(l), false);
}

enum err ledger_await_successor(struct ledger *l, struct loop *loop, int fd)
{
    if (l->successor.fd >= 0)
        handover_close(leave_successor(l), false);
    l->successor = (struct watch) { .fd = fd, .events = EPOLLIN | EPOLLRDHUP, .on_ready = on_successor };
    l->successor_loop = loop;
    return loop_watch(loop, &l->successor);
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
    return count ? committer_settle(t, l->committer, copy_rows(l, rows, count)) : OK;
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

int64_t ledger_wait_ns(const struct ledger *l)
{
    return committer_wait_ns(l->committer);
}

bool ledger_can_record(const struct ledger *l)
{
    return committer_can_record(l->committer);
}

bool ledger_is_healthy(struct ledger *l)
{
    return committer_is_healthy(l->committer);
}
