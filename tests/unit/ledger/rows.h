#ifndef HZ_TESTS_UNIT_LEDGER_ROWS_H
#define HZ_TESTS_UNIT_LEDGER_ROWS_H
/* rows - a ledger on the test's database, and rows to put into it. */

#include "database.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "ledger/ledger.h"

static struct ledger *ledger;
static struct loop *loop;

enum { ESTIMATE_NUSD = 5000, AMOUNT_NUSD = 1234 };

static inline struct ledger_options options_of_test(void)
{
    static char spool[128], slots[128];
    snprintf(spool, sizeof(spool), "%s/spool.db", db.directory);
    snprintf(slots, sizeof(slots), "%s/deeper/slots", db.directory);
    return (struct ledger_options) {
        .store_url = str_of(db.url),
        .spool_path = str_of(spool),
        .slots_path = str_of(slots),
        .slots_count = 16,
        .node = 7,
        .spools_when_down = true,
        .down_wait_ms = 0,
    };
}

static inline void open_with(const struct ledger_options *options)
{
    struct fail fail = { 0 };
    log_set_level(LOG_LEVELS);
    if (ledger_open(options, &ledger, &fail) != OK)
        check_failed("ledger_open", fail.text, "", __FILE__, __LINE__);
}

static inline void open_ledger(void)
{
    struct ledger_options options = options_of_test();
    open_with(&options);
}

static inline void close_ledger(void)
{
    ledger_close(ledger);
    ledger = NULL;
}

static inline struct transfer row_of(int64_t operation_id)
{
    return (struct transfer) {
        .operation_id = operation_id,
        .attempt = 1,
        .kind = TRANSFER_SETTLE,
        .debit_account = ledger_name(ledger, STR("account")),
        .credit_account = ledger_name(ledger, STR("provider")),
        .amount_nusd = AMOUNT_NUSD,
        .key = ledger_name(ledger, STR("key")),
        .feature = 0,
        .provider = ledger_name(ledger, STR("provider")),
        .deployment = ledger_name(ledger, STR("deployment")),
        .model = ledger_name(ledger, STR("model")),
        .region = ledger_name(ledger, STR("region")),
        .usage = { 100, 10, 5, 50, 20 },
        .status = ATTEMPT_OK,
        .http_status = 200,
        .started_ms = clock_wall_ms(),
        .duration_ms = 321,
        .first_content_ms = 45,
    };
}

/* Runs `fn` as the one task of a loop. */
static inline void run_task(task_fn *fn, void *arg)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    task_spawn(loop, "test", fn, arg);
    loop_run(loop);
}

/* After ledger_close: an answer may still have been on its way to the loop. */
static inline void drop_loop(void)
{
    loop_destroy(loop);
    loop = NULL;
}

static inline void settle_some(struct task *t, void *arg)
{
    int64_t count = *(int64_t *)arg;
    for (int64_t i = 0; i < count; i++) {
        struct transfer row = row_of(1000 + i);
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
    }
    loop_stop(task_loop(t));
}

/* Opens, settles operations 1000.., closes. */
static inline void write_rows(int64_t count)
{
    open_ledger();
    run_task(settle_some, &count);
    close_ledger();
    drop_loop();
}

static inline void check_sound(void)
{
    struct buf out = { 0 };
    bool is_sound;
    enum err err = ledger_verify(str_of(db.url), &out, &is_sound);
    buf_add_char(&out, '\0');
    if (err || !is_sound)
        check_failed("the ledger is sound", out.at, "", __FILE__, __LINE__);
    buf_fini(&out);
}

/* An outage that both databases know: the table is not there. */
static inline void take_database_away(void)
{
    db_exec("ALTER TABLE transfer RENAME TO hidden");
}

static inline void bring_database_back(void)
{
    db_exec("ALTER TABLE hidden RENAME TO transfer");
}

/* Runs `fn` in a process of its own until it exits, or (until_bytes > 0) kills it once it has
 * written so many bytes to its descriptor. Returns what it wrote: free with mem_free. */
static inline int64_t *run_and_kill(void (*fn)(int fd), size_t until_bytes, size_t *count)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        close(ends[0]);
        fn(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    struct buf written = { 0 };
    ssize_t n = 0;
    bool is_killed = false;
    while ((n = read(ends[0], buf_reserve(&written, 4096), 4096)) > 0) {
        written.len += (size_t)n;
        if (until_bytes && written.len >= until_bytes && !is_killed) {
            CHECK_EQ(kill(child, 9), 0);
            is_killed = true;
        }
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(is_killed, WIFSIGNALED(status));
    CHECK(is_killed || WEXITSTATUS(status) == 0);
    close(ends[0]);
    *count = written.len / sizeof(int64_t);
    return (int64_t *)(void *)buf_take(&written);
}

#endif
