#include "rows.h"

#include <stdatomic.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "base/metrics.h"
#include "ledger/slots.h"
#include "ledger/spool.h"

/* What other processes leave in spool and slots while this one runs. */

/* Another process with our slots' path and our spool, as far as files go. Closing its slots is its death: the
 * lock goes, what was taken stays. */
struct other {
    struct names *names;
    struct slots *slots;
    struct spool spool;
    struct transfer row;
};
static struct other other;
static void (*_Atomic at_next_lock)(void);

/* In place of the C library's: lets something happen at the moment when the ledger looks at a slots file. */
int flock(int fd, int operation)
{
    void (*fn)(void) = atomic_exchange(&at_next_lock, NULL);
    if (fn)
        fn();
    return (int)syscall(SYS_flock, fd, operation);
}

static void starts(struct other *o, int64_t operation_id)
{
    struct fail fail = { 0 };
    struct slots_found found = { 0 };
    struct ledger_options options = options_of_test();
    o->names = names_create();
    CHECK_OK(spool_init(&o->spool, options.spool_path, &fail));
    CHECK_OK(slots_open(options.slots_path, 2, o->names, &o->slots, &found, &fail));
    CHECK_OK(slots_reset(o->slots, &fail));
    o->row = (struct transfer) {
        .operation_id = operation_id,
        .attempt = 1,
        .kind = TRANSFER_SETTLE,
        .debit_account = names_intern(o->names, STR("account")),
        .credit_account = names_intern(o->names, STR("provider")),
        .amount_nusd = ESTIMATE_NUSD,
        .status = ATTEMPT_OK,
    };
    CHECK(slots_take(o->slots, &o->row));
}

static void spools(struct other *o)
{
    struct record *row = MEM_NEW(struct record);
    row->row = o->row;
    row->row.amount_nusd = AMOUNT_NUSD;
    CHECK_OK(spool_add(&o->spool, o->names, row));
    mem_free(row);
}

static void dies(struct other *o)
{
    slots_close(o->slots);
    spool_fini(&o->spool);
    names_destroy(o->names);
}

static void other_spools_and_dies(void)
{
    spools(&other);
    dies(&other);
}

TEST(a_row_that_was_spooled_just_before_its_process_died_is_not_lost_to_its_slot)
{
    open_ledger();
    starts(&other, 100);
    atomic_store(&at_next_lock, other_spools_and_dies);
    close_ledger(); /* looks for what others have left */
    CHECK(!atomic_load(&at_next_lock));
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 100"), AMOUNT_NUSD);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 1);
    CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    check_sound();
}

static void write_text(const char *path)
{
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is some text file ", f);
    CHECK_EQ(fclose(f), 0);
}

TEST(a_slots_file_that_cannot_be_read_does_not_hide_the_others)
{
    struct other three[3];
    open_ledger();
    for (int i = 0; i < 3; i++)
        starts(&three[i], 100 + i);
    write_text(db_path("deeper/slots.2"));
    for (int i = 0; i < 3; i++)
        dies(&three[i]);
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE status = 6 AND operation_id IN (100, 102)"), 2);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 2);
    CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    CHECK_EQ(access(db_path("deeper/slots.2"), F_OK), 0);
    CHECK_EQ(access(db_path("deeper/slots.3"), F_OK), -1);
    check_sound();
}

/* More rows than are written meanwhile, so that the committer never sleeps. */
static int64_t post_rows(int64_t posted, int64_t written)
{
    enum { AHEAD = 30000 };
    for (; posted - written < AHEAD; posted++) {
        struct transfer row = row_of(1000 + posted);
        ledger_post(ledger, &row, 1);
    }
    return posted;
}

TEST(who_always_has_rows_to_write_takes_up_what_others_leave_nonetheless)
{
    enum { BEATS = 6 };
    struct series *rows = metrics_series(METRIC_LEDGER_ROWS, NULL);
    int64_t before = series_value(rows), posted = 0, last = 0, beats = 0, found = 0;
    open_ledger();
    starts(&other, 100);
    posted = post_rows(posted, 0);
    dies(&other);
    while (!found && beats < BEATS) {
        posted = post_rows(posted, series_value(rows) - before);
        int64_t beat = db_number("SELECT heartbeat_ms FROM writer");
        beats += beat != last;
        last = beat;
        found = db_number("SELECT count(*) FROM transfer WHERE operation_id = 100");
    }
    close_ledger();
    CHECK_EQ(found, 1);
    check_sound();
}

struct settled {
    int64_t operation_id;
};

static void settle_one(struct task *t, void *arg)
{
    const struct settled *s = arg;
    struct transfer row = row_of(s->operation_id);
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    loop_stop(task_loop(t));
}

static void spool_one(int64_t operation_id)
{
    struct settled s = { operation_id };
    take_database_away();
    run_task(settle_one, &s);
}

TEST(a_spool_that_cannot_be_read_does_not_keep_the_database_away)
{
    open_ledger();
    spool_one(100);
    sqlite_do(db_path("spool.db"), "UPDATE spooled SET body = x'00'", NULL);
    struct transfer row = row_of(101);
    ledger_post(ledger, &row, 1);
    bring_database_back();
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE operation_id = 101"), 1);
    int64_t spooled = 0;
    sqlite_do(db_path("spool.db"), "SELECT count(*) FROM spooled", &spooled);
    CHECK_EQ(spooled, 1); /* kept: somebody may still read it */
    check_sound();
}

TEST(rows_that_another_process_took_out_of_the_spool_do_not_count_as_waiting)
{
    struct series *waiting = metrics_series(METRIC_LEDGER_SPOOLED, NULL);
    int64_t before = series_value(waiting); /* of a spool that is gone with its test */
    open_ledger();
    spool_one(100);
    CHECK_EQ(series_value(waiting), before + 1);
    sqlite_do(db_path("spool.db"), "DELETE FROM spooled", NULL);
    bring_database_back();
    close_ledger();
    drop_loop();
    CHECK_EQ(series_value(waiting), 0);
}

RUN_ON_BOTH(D(a_row_that_was_spooled_just_before_its_process_died_is_not_lost_to_its_slot),
            D(a_slots_file_that_cannot_be_read_does_not_hide_the_others),
            D(who_always_has_rows_to_write_takes_up_what_others_leave_nonetheless),
            D(a_spool_that_cannot_be_read_does_not_keep_the_database_away),
            D(rows_that_another_process_took_out_of_the_spool_do_not_count_as_waiting))
