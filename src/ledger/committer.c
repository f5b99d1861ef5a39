#include "ledger/committer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/planted.h"

enum { LOOPS_MAX = 128, RETRY_FIRST_MS = 50, SUCCESSOR_CHECK_MS = 250 };
enum { REGAIN_MS = 10, LEFT_MS = 2000 };
enum { POSTED_MS = 10, POSTED_ROWS = BATCH_ROWS_MAX / 2 }; /* what nobody waits for gathers */

/* What the tasks of one loop have handed over in this turn: only that loop's thread touches it. */
struct outbox {
    struct committer *committer;
    struct loop *loop;
    struct record_list list;
};

struct committer {
    struct committer_options options;
    pthread_t thread;
    bool is_started;
    _Atomic bool is_healthy;
    _Atomic bool is_full; /* the last rows that were set aside found no place either */
    _Atomic int64_t wait_ns; /* of what the last batch left behind */
    struct outbox outboxes[LOOPS_MAX]; /* by the loop's index */

    pthread_mutex_t lock; /* of those below */
    pthread_cond_t has_work;
    struct record_list queue;
    size_t posted;   /* what of it nobody waits for */
    bool is_hurried; /* somebody waits for something, or enough has gathered */
    bool is_asleep;
    bool is_closing;
    bool is_recovery_asked;
    int asked_fd; /* who asks for the ledger; -1: nobody */
    unsigned asked_node;

    /* the thread's own */
    struct record_list backlog; /* taken from the queue, not durable yet */
    struct record *rows[BATCH_ROWS_MAX];
    bool is_down;
    int64_t down_since_ns, retry_ns, retry_ms;
    int successor; /* -1: the database is ours */
    int64_t successor_check_ns;
    bool must_recover;
    int64_t left_ns; /* when to look at what others have left */
    struct series *failures;
};

/* ---- hand-over ---- */

static void unlock_and_wake(struct committer *c)
{
    bool must_wake = c->is_asleep;
    c->is_asleep = false;
    pthread_mutex_unlock(&c->lock);
    if (must_wake)
        pthread_cond_signal(&c->has_work);
}

static void enqueue(struct committer *c, struct record_list list, bool is_awaited)
{
    pthread_mutex_lock(&c->lock);
    bool is_first = !c->queue.first;
    record_list_add(&c->queue, list.first, list.last);
    c->posted += !is_awaited;
    c->is_hurried |= is_awaited || c->posted >= POSTED_ROWS;
    if (is_first || c->is_hurried)
        unlock_and_wake(c);
    else
        pthread_mutex_unlock(&c->lock);
}

/* A thread that wakes at the first row of a turn would commit that one while the others come. */
static void empty_outbox(void *arg)
{
    struct outbox *box = arg;
    if (box->list.first)
        enqueue(box->committer, record_list_take(&box->list), true);
}

void committer_attach(struct committer *c, struct loop *loop)
{
    HZ_ASSERT(loop_index(loop) < LOOPS_MAX);
    struct outbox *box = &c->outboxes[loop_index(loop)];
    HZ_ASSERT(!box->loop);
    *box = (struct outbox) { .committer = c, .loop = loop };
    loop_each_turn(loop, empty_outbox, box);
}

void committer_hand_over(struct committer *c, struct record *first)
{
    first->handed_ns = first->loop ? loop_now_ns(first->loop) : clock_mono_ns();
    struct outbox *box = first->loop ? &c->outboxes[loop_index(first->loop) % LOOPS_MAX] : NULL;
    if (box && box->loop == first->loop)
        record_list_add(&box->list, first, first);
    else
        enqueue(c, (struct record_list) { first, first }, first->loop != NULL);
}

enum err committer_settle(struct task *t, struct committer *c, struct record *first)
{
    first->loop = task_loop(t);
    first->task = t;
    loop_external_begin(first->loop);
    committer_hand_over(c, first);

    enum err err = task_wait(t, INT64_MAX);
    if (err && !first->is_done) {
        first->task = NULL;
        return err;
    }
    /* The answer may have come between the end of a wait that was given up and this line. */
    if (err) {
        records_settled(first);
        return err;
    }
    err = first->result;
    records_give_back(first);
    return err;
}

/* ---- the database is there ---- */

static bool is_away(const struct committer *c)
{
    return c->successor >= 0;
}

static void be_down(struct committer *c, int64_t retry_in_ms)
{
    c->is_down = true;
    c->down_since_ns = clock_mono_ns();
    c->retry_ms = RETRY_FIRST_MS;
    c->retry_ns = c->down_since_ns + retry_in_ms * NS_PER_MS;
    atomic_store(&c->is_full, false);
    atomic_store(&c->is_healthy, false);
    atomic_store(&c->wait_ns, 0); /* what waits for the database goes to the spool */
}

static void go_down(struct committer *c)
{
    if (c->is_down)
        return;
    series_add(c->failures, 1);
    be_down(c, RETRY_FIRST_MS);
    log_error(NULL, "ledger_store_failed",
              LOG_TEXT("detail", is_away(c) ? "the new process cannot write it"
                                            : store_error(c->options.writer->store)));
}

/* The database is nobody's now: ours again, if no other process is faster. */
static void lose_successor(struct committer *c)
{
    handover_close(c->successor, false);
    c->successor = -1;
    c->must_recover = true;
    be_down(c, 0);
    log_error(NULL, "ledger_successor_lost", LOG_TEXT("meaning", "the ledger is taken back"));
}

static enum err write_rows(struct committer *c, size_t count)
{
    if (!is_away(c))
        return writer_write(c->options.writer, c->rows, count, NULL);
    enum err err = handover_write(c->successor, c->options.names, c->rows, count);
    if (err == ERR_CLOSED)
        lose_successor(c);
    return err;
}

static enum err recover(struct committer *c)
{
    if (!c->must_recover || !c->options.recover)
        return OK;
    enum err err = c->options.recover(c->options.recover_arg, c->successor);
    if (!err)
        c->must_recover = false;
    if (err == ERR_CLOSED)
        lose_successor(c);
    return err;
}

/* What other processes with our store have left, also one that could reach nobody: whose successor was
 * killed after it had passed the ledger on to us. */
static enum err take_what_is_left(struct committer *c)
{
    c->left_ns = clock_mono_ns() + LEFT_MS * NS_PER_MS;
    c->must_recover = true;
    return recover(c);
}

/* Cuts a batch from the backlog: whole hand-overs only, since their rows belong together. */
static struct record_list cut_batch(struct committer *c, struct record **rows, size_t *count)
{
    struct record_list batch = { 0 };
    *count = 0;
    while (c->backlog.first) {
        struct record *first = c->backlog.first;
        size_t more = 0;
        for (struct record *r = first; r; r = r->more)
            more++;
        if (*count + more > BATCH_ROWS_MAX)
            break;
        for (struct record *r = first; r; r = r->more)
            rows[(*count)++] = r;
        c->backlog.first = first->next;
        if (!c->backlog.first)
            c->backlog.last = NULL;
        first->next = NULL;
        record_list_add(&batch, first, first);
    }
    return batch;
}

static void put_back(struct committer *c, struct record_list batch)
{
    struct record_list rest = record_list_take(&c->backlog);
    c->backlog = batch;
    if (rest.first)
        record_list_add(&c->backlog, rest.first, rest.last);
}

static void note_wait(struct committer *c)
{
    struct record *left = c->backlog.first;
    int64_t wait_ns = left ? clock_mono_ns() - left->handed_ns : 0;
    atomic_store_explicit(&c->wait_ns, wait_ns, memory_order_relaxed);
}

static enum err write_backlog(struct committer *c)
{
    while (c->backlog.first) {
        size_t count;
        struct record_list batch = cut_batch(c, c->rows, &count);
        note_wait(c);
        enum err err = write_rows(c, count);
        if (err) {
            put_back(c, batch);
            return err;
        }
        records_answer(batch.first, OK);
    }
    return OK;
}

/* ---- the database is away ---- */

static enum err take_up(struct committer *c)
{
    struct fail fail = { 0 };
    if (is_away(c))
        return OK;
    bool is_ours = claim_is_held(c->options.claim);
    enum err err = claim_take(c->options.claim, &fail);
    /* Lets a process that was killed this moment lose its other locks, and the millisecond pass in
     * which it may have drawn an id. */
    if (!err && !is_ours)
        nanosleep(&(struct timespec) { .tv_nsec = REGAIN_MS * NS_PER_MS }, NULL);
    if (!err)
        err = writer_load(c->options.writer);
    return err ? err : take_what_is_left(c);
}

/* A database that can be reached but refuses our rows is still away: only a write proves it back.
 */
static void come_back(struct committer *c)
{
    enum err err = take_up(c);
    if (!err)
        err = write_backlog(c);
    if (err) {
        series_add(c->failures, 1);
        c->retry_ms = HZ_MIN(c->retry_ms * 2, LEDGER_RETRY_MS);
        c->retry_ns = clock_mono_ns() + c->retry_ms * NS_PER_MS;
        return;
    }
    c->is_down = false;
    atomic_store(&c->is_healthy, true);
    log_info(NULL, "ledger_store_back",
             LOG_INT("away_ms", (clock_mono_ns() - c->down_since_ns) / NS_PER_MS));
}

/* Nobody waits for them any more, but they are kept and written when the database is back. */
static void fail_waiting(struct committer *c)
{
    struct record_list all = record_list_take(&c->backlog), waiting = { 0 };
    for (struct record *first = all.first, *next; first; first = next) {
        next = first->next;
        first->next = NULL;
        if (!first->loop) {
            record_list_add(&c->backlog, first, first);
            continue;
        }
        size_t count = 0;
        for (struct record *r = first; r; r = r->more)
            count++;
        struct record *kept = records_take(c->options.records, count);
        for (struct record *from = first, *to = kept; from; from = from->more, to = to->more)
            row_set(to, &from->row);
        record_list_add(&c->backlog, kept, kept);
        record_list_add(&waiting, first, first);
    }
    records_answer(waiting.first, ERR_STORE);
}

static void set_aside(struct committer *c)
{
    if (!c->backlog.first)
        return;
    bool is_kept = c->options.spools_when_down &&
                   spool_add(c->options.spool, c->options.names, c->backlog.first) == OK;
    atomic_store(&c->is_full, !is_kept);
    if (is_kept || HZ_PLANTED(ANSWER_WITHOUT_SPOOL)) {
        struct record_list all = record_list_take(&c->backlog);
        records_answer(all.first, OK);
    } else {
        fail_waiting(c);
    }
}

static int64_t patience_ends_ns(const struct committer *c)
{
    return c->down_since_ns + c->options.down_wait_ms * NS_PER_MS;
}

static void endure(struct committer *c, bool is_closing)
{
    if (is_closing || clock_mono_ns() >= c->retry_ns)
        come_back(c);
    if (c->is_down && (is_closing || clock_mono_ns() >= patience_ends_ns(c)))
        set_aside(c);
}

/* ---- another process takes over ---- */

/* The barrier: what has gathered is written, then the database is not ours any more. */
static void yield(struct committer *c, int fd, unsigned node)
{
    if (is_away(c))
        handover_close(c->successor, false);
    else if (!c->is_down && (write_backlog(c) != OK || writer_beat(c->options.writer) != OK))
        log_warn(NULL, "ledger_handed_over_down", LOG_TEXT("detail", store_error(c->options.writer->store)));
    c->options.writer->is_loaded = false;
    struct handover_message given =
        handover_retire_ids(&c->options.retired_node, c->options.writer->node, node);
    claim_drop(c->options.claim);
    c->successor = fd;
    c->successor_check_ns = 0;
    c->is_down = false;
    atomic_store(&c->is_healthy, true);
    log_info(NULL, "ledger_handed_over", LOG_INT("node", given.given.node));
    if (handover_answer(fd, &given) != OK)
        lose_successor(c);
}

/* ---- the thread ---- */

static int64_t due_ns(const struct committer *c)
{
    return is_away(c) ? c->successor_check_ns : HZ_MIN(writer_due_ns(c->options.writer), c->left_ns);
}

static int64_t wake_at_ns(const struct committer *c)
{
    if (!c->is_down)
        return due_ns(c);
    bool is_patient = c->backlog.first && clock_mono_ns() < patience_ends_ns(c);
    return is_patient ? HZ_MIN(c->retry_ns, patience_ends_ns(c)) : c->retry_ns;
}

/* Takes what has gathered, or sleeps until there is something or it is time; gives the ledger to who has
 * asked for it. */
static bool gather(struct committer *c)
{
    int64_t until_ns = wake_at_ns(c);
    pthread_mutex_lock(&c->lock);
    while (!c->is_hurried) {
        if (c->queue.first)
            until_ns = c->queue.first->handed_ns + POSTED_MS * NS_PER_MS;
        struct timespec until = { .tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S };
        c->is_asleep = true;
        if (pthread_cond_timedwait(&c->has_work, &c->lock, &until) != 0)
            break;
    }
    c->is_asleep = c->is_hurried = false;
    c->posted = 0;
    struct record_list fresh = record_list_take(&c->queue);
    bool is_closing = c->is_closing;
    int asked_fd = c->asked_fd;
    unsigned asked_node = c->asked_node;
    c->asked_fd = -1;
    c->must_recover |= c->is_recovery_asked;
    c->is_recovery_asked = false;
    pthread_mutex_unlock(&c->lock);
    if (fresh.first)
        record_list_add(&c->backlog, fresh.first, fresh.last);
    if (asked_fd >= 0)
        yield(c, asked_fd, asked_node);
    return is_closing;
}

static void check_successor(struct committer *c)
{
    c->successor_check_ns = clock_mono_ns() + SUCCESSOR_CHECK_MS * NS_PER_MS;
    if (!handover_is_alive(c->successor))
        lose_successor(c);
}

/* Each has its own time: a batch of rows brings the writer's beat with it, so under load that is never due here. */
static void beat(struct committer *c, bool is_closing)
{
    int64_t now_ns = clock_mono_ns();
    enum err err = OK;
    if (is_away(c)) {
        check_successor(c);
        return;
    }
    if (is_closing || now_ns >= writer_due_ns(c->options.writer))
        err = writer_beat(c->options.writer);
    if (!err && (is_closing || now_ns >= c->left_ns))
        err = take_what_is_left(c);
    if (err)
        go_down(c);
}

static void work(struct committer *c, bool is_closing)
{
    if (c->is_down)
        endure(c, is_closing);
    else if (write_backlog(c) != OK || recover(c) != OK)
        go_down(c);
    if (!c->is_down && (is_closing || clock_mono_ns() >= due_ns(c)))
        beat(c, is_closing);
    /* A database that fails at the very end gets a last chance, too. */
    if (c->is_down && is_closing)
        endure(c, is_closing);
}

static void *committer_main(void *arg)
{
    struct committer *c = arg;
    bool is_closing;
    do {
        is_closing = gather(c);
        work(c, is_closing);
    } while (!is_closing);
    return NULL;
}

struct committer *committer_create(const struct committer_options *options)
{
    pthread_condattr_t attr;
    struct committer *c = MEM_NEW(struct committer);
    c->options = *options;
    c->asked_fd = c->successor = -1;
    c->failures = metrics_series(METRIC_LEDGER_FAILURES, NULL);
    atomic_store(&c->is_healthy, true);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->has_work, &attr);
    pthread_condattr_destroy(&attr);
    return c;
}

void committer_start(struct committer *c)
{
    int failed = pthread_create(&c->thread, NULL, committer_main, c);
    HZ_ASSERT(!failed);
    c->is_started = true;
}

bool committer_stop(struct committer *c)
{
    if (!c)
        return true;
    for (size_t i = 0; i < LOOPS_MAX; i++)
        empty_outbox(&c->outboxes[i]);
    if (c->is_started) {
        pthread_mutex_lock(&c->lock);
        c->is_closing = c->is_hurried = true;
        unlock_and_wake(c);
        pthread_join(c->thread, NULL);
        c->is_started = false;
    }
    size_t left = 0;
    for (struct record *r = c->backlog.first; r; r = r->next)
        left++;
    if (left)
        log_error(NULL, "ledger_rows_left", LOG_INT("calls", left));
    return left == 0;
}

void committer_destroy(struct committer *c)
{
    if (!c)
        return;
    handover_close(c->successor, !c->backlog.first);
    handover_close(c->asked_fd, false);
    for (struct record *r = c->backlog.first, *next; r; r = next) {
        next = r->next;
        records_give_back(r);
    }
    pthread_cond_destroy(&c->has_work);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void committer_yield(struct committer *c, int fd, unsigned node)
{
    pthread_mutex_lock(&c->lock);
    handover_close(c->asked_fd, false); /* it died before it had an answer */
    c->asked_fd = fd;
    c->asked_node = node;
    c->is_hurried = true;
    unlock_and_wake(c);
}

void committer_recover(struct committer *c)
{
    pthread_mutex_lock(&c->lock);
    c->is_recovery_asked = c->is_hurried = true;
    unlock_and_wake(c);
}

bool committer_is_healthy(const struct committer *c)
{
    return atomic_load(&c->is_healthy);
}

int64_t committer_wait_ns(const struct committer *c)
{
    return atomic_load_explicit(&c->wait_ns, memory_order_relaxed);
}

bool committer_can_record(const struct committer *c)
{
    return atomic_load(&c->is_healthy) || !atomic_load(&c->is_full);
}
