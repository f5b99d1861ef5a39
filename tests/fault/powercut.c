/*
 * powercut - cuts the power, or kills the process, at random operations of a ledger at work.
 *
 * Each round is a process of its own: it opens the ledger on a disk that forgets (disk.h), settles
 * and posts attempts from several tasks through the committer, closes it, and is cut somewhere.
 * What was sent and acknowledged stands in memory shared with the parent. A second process opens a
 * copy of what is left with SQLite's own VFS and checks; the next round goes on from the original,
 * so recovery is cut, too. After a power cut every acknowledged row must stand, once, with its
 * amount. After a kill every attempt that was sent must stand: settled, or unknown at its estimate.
 *
 *   powercut [--cuts 1000] [--seed N] [--first]
 *
 * A seed fixes the plan of every round; how the loop and the committer interleave it does not.
 */

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "disk.h"
#include "folder.h"
#include "ledger/ledger.h"

enum {
    OPERATIONS_MAX = 4096, /* in the life of one database */
    ATTEMPTS_MAX = 2,
    ROUNDS_A_LIFE = 8,
    TASKS_MAX = 12,
    SLOTS = 64,
    ROUND_SECONDS = 60,
    KILL_ONE_IN = 4,
    SICK_ONE_IN = 5,
};

/* What must stand of an attempt. */
enum fate {
    FATE_NONE,    /* not sent, or lost with its slot in a power cut */
    FATE_SENT,    /* stands in a slot; the process lives */
    FATE_SLOT,    /* the process was killed since: the next start owes it a row */
    FATE_ROW,     /* a start has answered for it */
    FATE_SETTLED, /* acknowledged: its settled row stands */
};

static struct shared {
    _Atomic unsigned char fates[OPERATIONS_MAX][ATTEMPTS_MAX];
    _Atomic int64_t operations;
    _Atomic bool is_open; /* ledger_open has returned OK in this round */
    _Atomic bool is_through;
    /* of a check */
    long lost, unsound;
    char text[512];
} * shared;

static struct total {
    long cuts, kills, sick, opened, through, acknowledged, lost, corrupt;
} total;

static char directory[64], copied[80], url[128], spool[128], slots[128];
static uint64_t random_state;

static uint64_t random_next(void)
{
    return disk_random(&random_state);
}

static int64_t random_below(int64_t n)
{
    return (int64_t)(random_next() % (uint64_t)n);
}

static int64_t estimate_of(int64_t operation, int attempt)
{
    return 1000000 + operation * 10 + attempt;
}

static int64_t amount_of(int64_t operation, int attempt)
{
    return operation * 10 + attempt;
}

static struct ledger_options options_in(const char *where)
{
    snprintf(url, sizeof(url), "sqlite:%s/ledger.db", where);
    snprintf(spool, sizeof(spool), "%s/spool.db", where);
    snprintf(slots, sizeof(slots), "%s/slots", where);
    return (struct ledger_options) {
        .store_url = str_of(url),
        .spool_path = str_of(spool),
        .slots_path = str_of(slots),
        .slots_count = SLOTS,
        .node = 7,
        .spools_when_down = true,
    };
}

/* ---- a round: the process that is cut ---- */

struct work {
    struct ledger *ledger;
    int tasks, each, running;
};

static struct transfer row_of(struct ledger *l, int64_t operation, int attempt, int64_t amount)
{
    char deployment[32];
    snprintf(deployment, sizeof(deployment), "deployment-%d", (int)(operation % 5));
    return (struct transfer) {
        .operation_id = operation,
        .attempt = attempt,
        .kind = TRANSFER_SETTLE,
        .debit_account = ledger_name(l, STR("account")),
        .credit_account = ledger_name(l, STR("provider")),
        .amount_nusd = amount,
        .provider = ledger_name(l, STR("provider")),
        .deployment = ledger_name(l, str_of(deployment)),
        .usage = { 100, 10, 5, 50, 20 },
        .status = ATTEMPT_OK,
        .http_status = 200,
        .started_ms = clock_wall_ms(),
    };
}

static void set_fate(int64_t operation, int attempt, enum fate fate)
{
    atomic_store(&shared->fates[operation][attempt - 1], (unsigned char)fate);
}

/* As the gateway does it: slot, send, settle, slot back. */
static void serve_one(struct task *t, struct work *w)
{
    struct transfer rows[ATTEMPTS_MAX];
    struct ledger_slot *taken[ATTEMPTS_MAX];
    int64_t operation = atomic_fetch_add(&shared->operations, 1) + 1;
    int attempts = 1 + (random_next() % 4 == 0);
    if (operation >= OPERATIONS_MAX)
        return;
    for (int i = 0; i < attempts; i++) {
        rows[i] = row_of(w->ledger, operation, i + 1, estimate_of(operation, i + 1));
        taken[i] = ledger_slot_take(w->ledger, &rows[i]);
        if (!taken[i])
            attempts = i;
        else
            set_fate(operation, i + 1, FATE_SENT);
    }
    for (int64_t wait = random_below(4); wait > 0; wait--)
        HZ_ASSERT(task_yield(t) == OK);
    for (int i = 0; i < attempts; i++)
        rows[i].amount_nusd = amount_of(operation, i + 1);
    if (random_next() % 8 == 0) {
        ledger_post(w->ledger, rows, (size_t)attempts);
        return;
    }
    if (ledger_settle(t, w->ledger, rows, (size_t)attempts) != OK)
        return;
    for (int i = 0; i < attempts; i++) {
        set_fate(operation, i + 1, FATE_SETTLED);
        ledger_slot_release(w->ledger, taken[i]);
    }
}

static void serve_some(struct task *t, void *arg)
{
    struct work *w = arg;
    for (int i = 0; i < w->each; i++)
        serve_one(t, w);
    if (--w->running == 0)
        loop_stop(task_loop(t));
}

/* Small logs, so that checkpoints fall into most rounds. */
static int set_checkpoints(sqlite3 *db, const char **error, const struct sqlite3_api_routines *api)
{
    (void)error, (void)api;
    return sqlite3_wal_autocheckpoint(db, (int)(8 << random_below(6)));
}

static _Noreturn void run_round(const struct disk_plan *plan)
{
    struct ledger_options options = options_in(directory);
    struct fail fail = { 0 };
    struct work w = { 0 };
    struct loop *loop;
    random_state = ~plan->seed;
    w.tasks = w.running = 1 + (int)random_below(TASKS_MAX);
    w.each = 1 + (int)random_below(8);
    options.spools_when_down = random_next() % 8 != 0;
    alarm(ROUND_SECONDS);
    sqlite3_auto_extension((void (*)(void))set_checkpoints);
    disk_install(plan);
    if (ledger_open(&options, &w.ledger, &fail) != OK)
        disk_cut(); /* only a disk that fails makes it so; the check opens without */
    atomic_store(&shared->is_open, true);
    struct loop_options loop_options = { .is_clock_virtual = true };
    HZ_ASSERT(loop_create(&loop_options, &loop) == OK);
    for (int i = 0; i < w.tasks; i++)
        task_spawn(loop, "work", serve_some, &w);
    loop_run(loop);
    ledger_close(w.ledger);
    atomic_store(&shared->is_through, true);
    disk_cut();
}

/* The file of slots is mapped, never synced: each sector is new, old or blank after a power cut. */
static void cut_slots(const char *before, size_t before_len)
{
    char path[128], now[512];
    snprintf(path, sizeof(path), "%s/slots", directory);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t size = lseek(fd, 0, SEEK_END);
    int64_t style = random_below(4);
    for (off_t at = 0; at < size; at += (off_t)sizeof(now)) {
        int64_t choice = style < 3 ? style : random_below(3);
        bool has_old = (size_t)at + sizeof(now) <= before_len;
        memset(now, 0, sizeof(now));
        if (choice == 1 && has_old)
            memcpy(now, before + at, sizeof(now));
        if (choice != 0)
            HZ_ASSERT(pwrite(fd, now, sizeof(now), at) == (ssize_t)sizeof(now));
    }
    close(fd);
}

static char *read_slots(size_t *len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/slots", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *len = fd < 0 ? 0 : (size_t)lseek(fd, 0, SEEK_END);
    char *bytes = mem_alloc(*len + 1);
    if (fd >= 0) {
        HZ_ASSERT(pread(fd, bytes, *len, 0) == (ssize_t)*len);
        close(fd);
    }
    return bytes;
}

/* ---- the check: another process, another VFS ---- */

static void find_fault(long *count, const char *fmt, ...) HZ_PRINTF(2, 3);
static void find_fault(long *count, const char *fmt, ...)
{
    va_list args;
    if (++*count > 1 || shared->text[0])
        return;
    va_start(args, fmt);
    vsnprintf(shared->text, sizeof(shared->text), fmt, args);
    va_end(args);
}

static sqlite3 *open_plain(const char *path)
{
    sqlite3 *db = NULL;
    HZ_ASSERT(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    return db;
}

static void check_row(int64_t operation, int attempt, int64_t amount, bool is_unknown)
{
    enum fate fate = (enum fate)atomic_load(&shared->fates[operation][attempt - 1]);
    int64_t expected = is_unknown ? estimate_of(operation, attempt) : amount_of(operation, attempt);
    if (amount != expected)
        find_fault(&shared->unsound, "operation %lld has amount %lld, not %lld",
                   (long long)operation, (long long)amount, (long long)expected);
    if (is_unknown && fate == FATE_SETTLED)
        find_fault(&shared->lost, "operation %lld was acknowledged, but stands as unknown",
                   (long long)operation);
}

static void check_rows(sqlite3 *db)
{
    static unsigned char seen[OPERATIONS_MAX][ATTEMPTS_MAX];
    sqlite3_stmt *all;
    const char *sql = "SELECT operation_id, attempt, amount_nusd, usage_source FROM transfer";
    HZ_ASSERT(sqlite3_prepare_v2(db, sql, -1, &all, NULL) == SQLITE_OK);
    while (sqlite3_step(all) == SQLITE_ROW) {
        int64_t operation = sqlite3_column_int64(all, 0);
        int attempt = sqlite3_column_int(all, 1);
        if (operation < 1 || operation >= OPERATIONS_MAX || attempt < 1 || attempt > ATTEMPTS_MAX ||
            operation > atomic_load(&shared->operations)) {
            find_fault(&shared->unsound, "a row that nobody sent: %lld", (long long)operation);
            continue;
        }
        if (seen[operation][attempt - 1]++)
            find_fault(&shared->unsound, "operation %lld stands twice", (long long)operation);
        check_row(operation, attempt, sqlite3_column_int64(all, 2),
                  sqlite3_column_int(all, 3) == 2);
    }
    sqlite3_finalize(all);
    for (int64_t i = 1; i < OPERATIONS_MAX; i++) {
        for (int k = 0; k < ATTEMPTS_MAX; k++) {
            enum fate fate = (enum fate)atomic_load(&shared->fates[i][k]);
            if (fate >= FATE_SLOT && !seen[i][k])
                find_fault(&shared->lost, "operation %lld, attempt %d is gone (%s)", (long long)i,
                           k + 1, fate == FATE_SETTLED ? "acknowledged" : "was in flight");
        }
    }
}

static void check_file(sqlite3 *db, const char *sql, const char *expected)
{
    sqlite3_stmt *one;
    const char *got = "nothing";
    if (sqlite3_prepare_v2(db, sql, -1, &one, NULL) == SQLITE_OK && sqlite3_step(one) == SQLITE_ROW)
        got = (const char *)sqlite3_column_text(one, 0);
    if (strcmp(got, expected) != 0)
        find_fault(&shared->unsound, "%s: %s", sql, got);
    sqlite3_finalize(one);
}

static _Noreturn void check(void)
{
    struct ledger_options options = options_in(copied);
    struct ledger *ledger;
    struct fail fail = { 0 };
    struct buf out = { 0 };
    bool is_sound;
    alarm(ROUND_SECONDS);
    if (ledger_open(&options, &ledger, &fail) != OK) {
        find_fault(&shared->unsound, "does not open: %s", fail.text);
        _exit(0);
    }
    ledger_close(ledger);
    sqlite3 *db = open_plain(url + sizeof("sqlite:") - 1);
    check_file(db, "PRAGMA integrity_check", "ok");
    check_rows(db);
    sqlite3_close(db);
    if (access(spool, F_OK) == 0) {
        db = open_plain(spool);
        check_file(db, "PRAGMA integrity_check", "ok");
        check_file(db, "SELECT count(*) FROM spooled", "0");
        sqlite3_close(db);
    }
    if (ledger_verify(str_of(url), &out, &is_sound) != OK || !is_sound) {
        buf_add_char(&out, '\0');
        find_fault(&shared->unsound, "verify: %s", out.at);
    }
    _exit(0);
}

/* ---- files ---- */

/* Shared memory is no file that a power cut keeps, but garbage of that name may be there. */
static void scribble_shm(void)
{
    static char garbage[4096];
    char path[400];
    snprintf(path, sizeof(path), "%s/ledger.db-shm", directory);
    if (random_next() % 2) {
        unlink(path);
        return;
    }
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (char)random_next();
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    HZ_ASSERT(fd >= 0 && pwrite(fd, garbage, sizeof(garbage), 0) == sizeof(garbage));
    close(fd);
}

/* ---- rounds ---- */

static bool run_process(void (*fn)(void *arg), void *arg)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    HZ_ASSERT(child >= 0);
    if (child == 0)
        fn(arg);
    HZ_ASSERT(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    find_fault(&shared->unsound, "the process ended with %s %d",
               WIFSIGNALED(status) ? "signal" : "status",
               WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

static void round_process(void *arg)
{
    run_round(arg);
}

static void check_process(void *arg)
{
    (void)arg;
    check();
}

/* What the end of the process makes of each attempt. */
static void judge(bool is_kill)
{
    bool was_open = atomic_load(&shared->is_open);
    for (int64_t i = 1; i < OPERATIONS_MAX; i++) {
        for (int k = 0; k < ATTEMPTS_MAX; k++) {
            enum fate fate = (enum fate)atomic_load(&shared->fates[i][k]);
            if (fate == FATE_SLOT && was_open)
                fate = FATE_ROW;
            else if (fate == FATE_SENT)
                fate = is_kill ? FATE_SLOT : FATE_NONE;
            else if (fate == FATE_SLOT && !is_kill)
                fate = FATE_NONE;
            set_fate(i, k + 1, fate);
        }
    }
}

static long count_settled(void)
{
    long count = 0;
    for (int64_t i = 1; i < OPERATIONS_MAX; i++) {
        for (int k = 0; k < ATTEMPTS_MAX; k++)
            count += atomic_load(&shared->fates[i][k]) == FATE_SETTLED;
    }
    return count;
}

/* Opening takes 20 to 150 operations, a whole round up to 1,500: some cuts for each part. */
static struct disk_plan plan_round(void)
{
    static const long lengths[] = { 40, 100, 300, 900 };
    long length = lengths[random_below(HZ_LEN(lengths))];
    struct disk_plan plan = {
        .directory = directory,
        .seed = random_next(),
        .cut_at = 1 + (long)random_below(length),
        .is_kill = random_next() % KILL_ONE_IN == 0,
    };
    if (random_next() % SICK_ONE_IN == 0) {
        plan.sickness = (enum sickness)(1 + random_below(SICKNESSES - 1));
        plan.sick_from = (long)random_below(length);
        static const long moments[] = { 3, 100, 100000 }; /* the last: until the next start */
        plan.sick_to = plan.sick_from + 1 + (long)random_below(moments[random_below(3)]);
    }
    return plan;
}

static void mark_kill(void)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/killed", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    HZ_ASSERT(fd >= 0);
    close(fd);
}

/* One round and its check; false: the database is not to be used further. */
static bool run_one(const struct disk_plan *plan)
{
    size_t slots_len;
    char *slots_before = read_slots(&slots_len);
    shared->is_open = shared->is_through = false;
    shared->lost = shared->unsound = 0;
    shared->text[0] = '\0';
    long settled = count_settled();
    bool is_ended = run_process(round_process, (void *)plan);
    total.cuts += !plan->is_kill;
    total.kills += plan->is_kill;
    total.sick += plan->sickness != SICK_NONE;
    total.opened += shared->is_open;
    total.through += shared->is_through;
    total.acknowledged += count_settled() - settled;
    if (plan->is_kill) {
        mark_kill();
    } else {
        cut_slots(slots_before, slots_len);
        scribble_shm();
    }
    mem_free(slots_before);
    judge(plan->is_kill);
    folder_clear(copied);
    folder_copy(directory, copied);
    if (is_ended)
        run_process(check_process, NULL);
    total.lost += shared->lost;
    total.corrupt += shared->unsound > 0;
    if (!shared->lost && !shared->unsound)
        return true;
    printf("after %ld tries: %ld lost, %s: %s\n", total.cuts + total.kills, shared->lost,
           shared->unsound ? "unsound" : "sound", shared->text);
    return false;
}

static void start_anew(void)
{
    folder_clear(directory);
    memset((void *)shared, 0, sizeof(*shared));
}

static void run_cuts(long cuts, bool ends_at_first)
{
    struct disk_plan plans[ROUNDS_A_LIFE];
    int round = 0;
    while (total.cuts < cuts) {
        if (round == 0)
            start_anew();
        plans[round] = plan_round();
        bool is_sound = run_one(&plans[round]);
        round++;
        for (int i = 0; i < round && !is_sound; i++)
            printf("  round %d: %s at operation %ld, sickness %d from %ld to %ld\n", i + 1,
                   plans[i].is_kill ? "kill" : "cut", plans[i].cut_at, plans[i].sickness,
                   plans[i].sick_from, plans[i].sick_to);
        if (!is_sound && ends_at_first)
            return;
        round = is_sound ? round % ROUNDS_A_LIFE : 0;
    }
}

static void make_directories(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(directory, sizeof(directory), "%s/powercut-XXXXXX", base);
    HZ_ASSERT(mkdtemp(directory));
    snprintf(copied, sizeof(copied), "%s/copy", directory);
    HZ_ASSERT(mkdir(copied, 0700) == 0);
}

int main(int argc, char **argv)
{
    long cuts = 1000;
    bool ends_at_first = false;
    random_state = (uint64_t)clock_wall_ms() * 1000 + (uint64_t)getpid() % 1000;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cuts") == 0 && i + 1 < argc)
            cuts = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            random_state = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0)
            ends_at_first = true;
        else {
            fprintf(stderr, "usage: powercut [--cuts N] [--seed N] [--first]\n");
            return 2;
        }
    }
    printf("powercut: %ld cuts, seed %llu\n", cuts, (unsigned long long)random_state);
    log_set_level(LOG_LEVELS);
    make_directories();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HZ_ASSERT(shared != MAP_FAILED);
    run_cuts(cuts, ends_at_first);
    folder_clear(copied);
    rmdir(copied);
    folder_clear(directory);
    rmdir(directory);
    printf(
        "%ld power cuts, %ld kills; %ld rounds with a sick disk; %ld came past the start, %ld to "
        "the end\n",
        total.cuts, total.kills, total.sick, total.opened, total.through);
    printf("acknowledged %ld, lost %ld, corrupt %ld\n", total.acknowledged, total.lost,
           total.corrupt);
    return total.lost || total.corrupt ? 1 : 0;
}
