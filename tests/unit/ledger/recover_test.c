#include "rows.h"

#include <signal.h>
#include <sys/resource.h>

#include "base/metrics.h"

/* What a crash, a kill or an outage leaves, and what becomes of it. */

static void settle_and_report(struct task *t, void *arg)
{
    int fd = *(int *)arg;
    for (int64_t i = 1;; i++) {
        struct transfer row = row_of(i);
        row.amount_nusd = ESTIMATE_NUSD;
        struct ledger_slot *slot = ledger_slot_take(ledger, &row);
        CHECK(slot);
        row.amount_nusd = AMOUNT_NUSD;
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
        CHECK_EQ(write(fd, &i, sizeof(i)), sizeof(i));
        ledger_slot_release(ledger, slot);
    }
}

static void settle_until_killed(int fd)
{
    open_ledger();
    run_task(settle_and_report, &fd);
}

/* What stands for acknowledged operation after a kill: each once, and never more than the one that
 * was under way as unknown. */
static void check_after_kill(int64_t acknowledged)
{
    char sql[160];
    open_ledger();
    close_ledger();
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM transfer WHERE operation_id <= %lld AND status = 1",
             (long long)acknowledged);
    CHECK_EQ(db_number(sql), acknowledged);
    int64_t rows = db_number("SELECT count(*) FROM transfer");
    CHECK_EQ(db_number("SELECT count(DISTINCT operation_id) FROM transfer"), rows);
    int64_t unknown =
        db_number("SELECT count(*) FROM transfer WHERE status = 6 AND usage_source = 2 "
                  "AND amount_nusd = 5000");
    CHECK(unknown <= 1);
    CHECK(rows - acknowledged <= 1);
    CHECK_EQ(db_number("SELECT sum(calls) FROM rollup"), rows);
    CHECK_EQ(db_number("SELECT sum(cost_nusd) FROM rollup"),
             db_number("SELECT sum(amount_nusd) FROM transfer"));
    check_sound();
}

TEST(a_killed_process_loses_no_acknowledged_row_and_doubles_none)
{
    size_t count;
    mem_free(run_and_kill(settle_until_killed, 40 * sizeof(int64_t), &count));
    CHECK(count >= 40);
    check_after_kill((int64_t)count);
}

static void leave_slots(int fd)
{
    (void)fd;
    open_ledger();
    struct transfer rows[4];
    struct ledger_slot *slots[4];
    for (int i = 0; i < 4; i++) {
        rows[i] = row_of(100 + i);
        rows[i].amount_nusd = ESTIMATE_NUSD + i;
        rows[i].correlation_id = STR("of the crash");
        slots[i] = ledger_slot_take(ledger, &rows[i]);
        CHECK(slots[i]);
    }
    ledger_slot_release(ledger, slots[3]);
    rows[0].amount_nusd = AMOUNT_NUSD;
    ledger_post(ledger, rows, 1);
    /* Durable while its slot is still taken: as if the kill came between the two. */
    while (db_number("SELECT count(*) FROM transfer") == 0)
        usleep(100);
}

static void leave_taken_slots(int fd)
{
    (void)fd;
    open_ledger();
    struct transfer rows[2] = { row_of(100), row_of(101) };
    rows[0].amount_nusd = rows[1].amount_nusd = ESTIMATE_NUSD;
    rows[0].correlation_id = STR("of the crash");
    CHECK(ledger_slot_take(ledger, &rows[0]));
    CHECK(ledger_slot_take(ledger, &rows[1]));
}

TEST(slots_that_a_crash_left_become_unknown_rows_at_their_estimate)
{
    size_t count;
    struct series *unknown = metrics_series(METRIC_LEDGER_UNKNOWN, NULL);
    int64_t before = series_value(unknown);
    mem_free(run_and_kill(leave_taken_slots, 0, &count));
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number(
                 "SELECT count(*) FROM transfer WHERE kind = 2 AND usage_source = 2 AND status = 6 "
                 "AND amount_nusd = 5000"),
             2);
    CHECK_EQ(
        db_number(
            "SELECT count(*) FROM transfer JOIN name ON name.id = transfer.debit WHERE "
            "correlation_id = 'of the crash' AND operation_id = 100 AND name.text = 'account'"),
        1);
    CHECK_EQ(series_value(unknown) - before, 2);
    open_ledger(); /* once, not at each start */
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 2);
    CHECK_EQ(series_value(unknown) - before, 2);
    check_sound();
}

TEST(a_slot_whose_row_is_durable_makes_no_unknown_row)
{
    size_t count;
    mem_free(run_and_kill(leave_slots, 0, &count));
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 3);
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 100"), AMOUNT_NUSD);
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 101"),
             ESTIMATE_NUSD + 1);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE operation_id = 103"), 0);
    check_sound();
}

TEST(rows_after_the_last_flush_are_folded_into_the_rollups_again)
{
    write_rows(30);
    /* As a kill before the first flush leaves it. */
    db_exec("DELETE FROM rollup; UPDATE rollup_state SET last_id = 0");
    check_sound();
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number("SELECT sum(calls) FROM rollup"), 30);
    CHECK_EQ(db_number("SELECT last_id FROM rollup_state"),
             db_number("SELECT max(id) FROM transfer"));
    check_sound();
}

/* ---- the database is away ---- */

struct settled {
    int64_t first, count;
    enum err expected;
};

static void settle_range(struct task *t, void *arg)
{
    const struct settled *s = arg;
    for (int64_t i = 0; i < s->count; i++) {
        struct transfer row = row_of(s->first + i);
        CHECK_ERR(ledger_settle(t, ledger, &row, 1), s->expected);
    }
    CHECK(!ledger_is_healthy(ledger));
    loop_stop(task_loop(t));
}

static void copy(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof(command), "cp '%s/%s' '%s/%s'", db.directory, from, db.directory, to);
    CHECK_EQ(system(command), 0);
}

TEST(while_the_database_is_away_rows_go_to_the_spool_and_come_back_in_order)
{
    struct settled s = { 100, 10, OK };
    write_rows(3);
    open_ledger();
    take_database_away();
    run_task(settle_range, &s);
    bring_database_back();
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE operation_id BETWEEN 100 AND 109"), 10);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer a JOIN transfer b ON a.operation_id = "
                       "b.operation_id + 1 "
                       "WHERE a.operation_id BETWEEN 101 AND 109 AND a.id > b.id"),
             9);
    CHECK_EQ(series_value(metrics_series(METRIC_LEDGER_SPOOLED, NULL)), 0);
    check_sound();
}

TEST(the_spool_survives_a_restart_and_is_drained_exactly_once)
{
    struct settled s = { 100, 5, OK };
    write_rows(1);
    open_ledger();
    take_database_away();
    run_task(settle_range, &s);
    close_ledger();
    drop_loop();
    copy("spool.db", "spool.copy");
    CHECK_EQ(series_value(metrics_series(METRIC_LEDGER_SPOOLED, NULL)), 5);
    bring_database_back();
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 6);
    /* As after a crash between the commit and the end of the drain. */
    copy("spool.copy", "spool.db");
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 6);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer JOIN name ON name.id = transfer.model WHERE "
                       "name.text = 'model' AND operation_id < 1000"),
             5);
    CHECK_EQ(series_value(metrics_series(METRIC_LEDGER_SPOOLED, NULL)), 0);
    check_sound();
}

TEST(without_a_spool_a_settle_fails_but_its_row_is_written_later)
{
    struct settled s = { 100, 3, ERR_STORE };
    struct ledger_options options = options_of_test();
    options.spools_when_down = false;
    open_with(&options);
    take_database_away();
    run_task(settle_range, &s);
    CHECK_EQ(db_number("SELECT count(*) FROM hidden"), 0);
    bring_database_back();
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 3);
    check_sound();
}

TEST(a_spool_that_cannot_be_written_acknowledges_nothing)
{
    struct settled s = { 100, 2, ERR_STORE };
    struct ledger_options options = options_of_test();
    char path[160];
    snprintf(path, sizeof(path), "%s/spool.db", db_path("file"));
    options.spool_path = str_of(path);
    open_with(&options);
    CHECK_EQ(rmdir(db_path("file")), 0);
    CHECK_EQ(fclose(fopen(db_path("file"), "w")), 0);
    take_database_away();
    run_task(settle_range, &s);
    bring_database_back();
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 2);
    check_sound();
}

static void check_not_opened(const struct ledger_options *options, const char *advice)
{
    struct fail fail = { 0 };
    CHECK_ERR(ledger_open(options, &ledger, &fail), ERR_STORE);
    CHECK(strstr(fail.text, advice));
    CHECK(!strstr(fail.text, "store.url"));
    ledger = NULL;
}

TEST(a_spool_that_is_damaged_or_has_no_place_is_told_at_the_start)
{
    struct ledger_options options = options_of_test();
    FILE *f = fopen(db_path("spool.db"), "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is some text file ", f);
    CHECK_EQ(fclose(f), 0);
    options.spool_path = str_of(db_path("spool.db"));
    check_not_opened(&options, "choose another file with ledger.spool");
    CHECK_EQ(unlink(db_path("spool.db")), 0);

    char path[160];
    CHECK_EQ(fclose(fopen(db_path("file"), "w")), 0);
    snprintf(path, sizeof(path), "%s/spool.db", db_path("file"));
    options.spool_path = str_of(path);
    check_not_opened(&options, "choose another place with ledger.spool");
    options.spools_when_down = false; /* then it is not needed */
    open_with(&options);
    close_ledger();
    drop_loop();
}

static void settle_through_outage(struct task *t, void *arg)
{
    struct settled *s = arg;
    struct transfer row = row_of(s->first);
    take_database_away();
    CHECK_OK(ledger_settle(t, ledger, &row, 1)); /* spooled */
    bring_database_back();
    while (!ledger_is_healthy(ledger))
        CHECK_OK(task_yield(t));
    row.operation_id++;
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 2);
    loop_stop(task_loop(t));
}

TEST(a_running_ledger_returns_to_the_database_by_itself)
{
    struct settled s = { .first = 100 };
    open_ledger();
    run_task(settle_through_outage, &s);
    close_ledger();
    drop_loop();
    check_sound();
}

static void settle_after_cut(struct task *t, void *arg)
{
    (void)arg;
    for (int64_t i = 1; i <= 4; i++) {
        struct transfer row = row_of(i);
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
        pg_do(db.url,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
              "WHERE application_name = 'huntaze' AND datname = current_database()",
              NULL);
    }
    loop_stop(task_loop(t));
}

TEST(cut_connections_cost_a_moment_and_no_row)
{
    if (!db.is_postgres)
        return;
    struct ledger_options options = options_of_test();
    options.down_wait_ms = 60000;
    open_with(&options);
    run_task(settle_after_cut, NULL);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 4);
    CHECK_EQ(access(db_path("spool.db"), F_OK), -1);
    check_sound();
}

TEST(a_row_handed_in_at_the_very_end_is_not_forgotten)
{
    open_ledger();
    take_database_away();
    struct transfer row = row_of(1);
    ledger_post(ledger, &row, 1);
    close_ledger();
    bring_database_back();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 0);
    open_ledger();
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 1);
    check_sound();
}

TEST(a_writer_that_was_replaced_meanwhile_writes_under_a_new_epoch)
{
    struct settled s = { .first = 100 };
    open_ledger();
    db_exec("INSERT INTO writer (node, epoch, started_ms, heartbeat_ms, last_seq) VALUES (7, 99, "
            "0, 0, 0)");
    run_task(settle_through_outage, &s);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT max(epoch) FROM writer"), 100);
    CHECK_EQ(db_number("SELECT min(epoch) FROM batch"), 100);
    check_sound();
}

static PGconn *thief;

static void settle_under_another_number(struct task *t, void *arg)
{
    (void)arg;
    struct transfer row = row_of(1);
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    /* Waits for our number, and has it once our connection is cut. */
    CHECK(PQsendQuery(thief, "SELECT pg_advisory_lock(1853189229, 7)"));
    while (db_number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") ==
           0)
        CHECK_OK(task_yield(t));
    pg_do(db.url,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
          "WHERE application_name = 'huntaze' AND datname = current_database()",
          NULL);
    PQclear(PQgetResult(thief));
    row.operation_id = 2;
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    loop_stop(task_loop(t));
}

TEST(a_writer_that_lost_its_number_goes_on_under_the_next)
{
    if (!db.is_postgres)
        return;
    struct ledger_options options = options_of_test();
    options.down_wait_ms = 60000;
    thief = PQconnectdb(db.url);
    open_with(&options);
    run_task(settle_under_another_number, NULL);
    close_ledger();
    drop_loop();
    PQfinish(thief);
    CHECK_EQ(db_number("SELECT (id >> 14) & 255 FROM transfer WHERE operation_id = 1"), 7);
    CHECK_EQ(db_number("SELECT (id >> 14) & 255 FROM transfer WHERE operation_id = 2"), 8);
    check_sound();
}

static struct rlimit unlimited;

static void settle_on_full_disk(struct task *t, void *arg)
{
    (void)arg;
    struct transfer row = row_of(1);
    struct rlimit nothing = { 0, unlimited.rlim_max };
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &nothing), 0);
    enum err err = ledger_settle(t, ledger, &row, 1);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    CHECK_ERR(err, ERR_STORE);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 0);
    loop_stop(task_loop(t));
}

TEST(a_disk_that_takes_nothing_acknowledges_nothing)
{
    if (db.is_postgres)
        return;
    CHECK_EQ(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    signal(SIGXFSZ, SIG_IGN);
    open_ledger();
    run_task(settle_on_full_disk, NULL);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 1);
    check_sound();
}

RUN_ON_BOTH(D(a_killed_process_loses_no_acknowledged_row_and_doubles_none),
            D(slots_that_a_crash_left_become_unknown_rows_at_their_estimate),
            D(a_slot_whose_row_is_durable_makes_no_unknown_row),
            D(rows_after_the_last_flush_are_folded_into_the_rollups_again),
            D(while_the_database_is_away_rows_go_to_the_spool_and_come_back_in_order),
            D(the_spool_survives_a_restart_and_is_drained_exactly_once),
            D(without_a_spool_a_settle_fails_but_its_row_is_written_later),
            D(a_spool_that_cannot_be_written_acknowledges_nothing),
            D(a_spool_that_is_damaged_or_has_no_place_is_told_at_the_start),
            D(a_running_ledger_returns_to_the_database_by_itself),
            D(cut_connections_cost_a_moment_and_no_row),
            D(a_row_handed_in_at_the_very_end_is_not_forgotten),
            D(a_writer_that_was_replaced_meanwhile_writes_under_a_new_epoch),
            D(a_writer_that_lost_its_number_goes_on_under_the_next),
            D(a_disk_that_takes_nothing_acknowledges_nothing))
