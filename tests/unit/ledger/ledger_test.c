#include "rows.h"

TEST(a_settled_row_can_be_read_back_whole)
{
    open_ledger();
    struct transfer row = row_of(77);
    row.attempt = 3;
    row.is_unpriced = true;
    row.feature = ledger_name(ledger, STR("feature"));
    row.tier = 1;
    row.operation = 1;
    row.usage_source = USAGE_COUNTED;
    row.status = ATTEMPT_CLIENT_GONE;
    row.http_status = 206;
    row.error = ledger_name(ledger, STR("ERR_CLIENT_GONE"));
    row.started_ms = 1750000000123;
    row.is_stream = true;
    row.is_fallback = true;
    row.correlation_id = STR("corr-1");
    ledger_post(ledger, &row, 1);
    close_ledger();

    CHECK_EQ(
        db_number(
            "SELECT count(*) FROM transfer WHERE operation_id = 77 AND attempt = 3 AND kind = 2 "
            "AND amount_nusd = 1234 AND is_unpriced = 1 AND tier = 1 AND operation = 1"),
        1);
    CHECK_EQ(
        db_number(
            "SELECT count(*) FROM transfer WHERE input_tokens = 100 AND cached_tokens = 10 AND "
            "cache_write_tokens = 5 AND output_tokens = 50 AND reasoning_tokens = 20"),
        1);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE usage_source = 1 AND status = 3 AND "
                       "http_status = 206 AND started_ms = 1750000000123 AND duration_ms = 321 AND "
                       "first_content_ms = 45 AND is_stream = 1 AND is_fallback = 1 AND "
                       "correlation_id = 'corr-1'"),
             1);
    static const char *const names[][2] = {
        { "debit", "account" },   { "credit", "provider" },   { "api_key", "key" },
        { "feature", "feature" }, { "provider", "provider" }, { "deployment", "deployment" },
        { "model", "model" },     { "region", "region" },     { "error", "ERR_CLIENT_GONE" },
    };
    for (size_t i = 0; i < HZ_LEN(names); i++) {
        char sql[160];
        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM transfer JOIN name ON name.id = transfer.%s WHERE name.text "
                 "= '%s'",
                 names[i][0], names[i][1]);
        CHECK_EQ(db_number(sql), 1);
    }
    CHECK_EQ(db_number("SELECT count(*) FROM name"), 8);
    check_sound();
}

static void settle_and_look(struct task *t, void *arg)
{
    (void)arg;
    struct transfer rows[] = { row_of(1), row_of(1), row_of(1) };
    rows[1].attempt = 2;
    rows[2].attempt = 3;
    CHECK_OK(ledger_settle(t, ledger, rows, 3));
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE operation_id = 1"), 3);
    CHECK_EQ(db_number("SELECT count(*) FROM batch"), 1);
    CHECK_OK(ledger_settle(t, ledger, rows, 0));
    CHECK(ledger_is_healthy(ledger));
    loop_stop(task_loop(t));
}

TEST(rows_are_durable_when_settle_returns)
{
    open_ledger();
    run_task(settle_and_look, NULL);
    close_ledger();
    drop_loop();
    check_sound();
}

/* In effect only from when it is set: the wait of that moment is stopped. */
static void stop_first_wait(void *arg, struct task *t, size_t nth)
{
    (void)arg, (void)nth;
    task_set_wait_hook(task_loop(t), NULL, NULL);
    task_stop(t, ERR_CLIENT_GONE);
}

static void give_up(struct task *t, void *arg)
{
    (void)arg;
    struct transfer row = row_of(5);
    struct ledger_slot *slot = ledger_slot_take(ledger, &row);
    CHECK(slot);
    task_set_wait_hook(task_loop(t), stop_first_wait, NULL);
    CHECK_ERR(ledger_settle(t, ledger, &row, 1), ERR_CLIENT_GONE);
    memset(&row, 0xff, sizeof(row)); /* the record does not read it any more */
    loop_stop(task_loop(t));
}

TEST(giving_up_the_wait_leaves_the_row_to_the_committer)
{
    open_ledger();
    run_task(give_up, NULL);
    close_ledger();
    drop_loop();
    CHECK_EQ(
        db_number("SELECT count(*) FROM transfer WHERE operation_id = 5 AND amount_nusd = 1234"),
        1);
    open_ledger(); /* whoever answers, the slot was not left for an unknown row */
    close_ledger();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 1);
    check_sound();
}

struct turn {
    int left;
    int64_t next_operation;
};

static void settle_in_turn(struct task *t, void *arg)
{
    struct turn *turn = arg;
    struct transfer row = row_of(turn->next_operation++);
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    if (--turn->left == 0)
        loop_stop(task_loop(t));
}

TEST(what_an_attached_loop_settles_in_one_turn_is_one_batch)
{
    struct loop_options options = { .is_clock_virtual = true };
    struct turn turn = { .left = 20, .next_operation = 1 };
    open_ledger();
    CHECK_OK(loop_create(&options, &loop));
    ledger_attach(ledger, loop);
    for (int i = 0; i < 20; i++)
        task_spawn(loop, "test", settle_in_turn, &turn);
    loop_run(loop);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 20);
    CHECK_EQ(db_number("SELECT count(*) FROM batch"), 1);
    check_sound();
}

static void use_slots(struct task *t, void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < 10; i++) {
        struct transfer posted = row_of(100 + i), row = row_of(200 + i);
        CHECK(ledger_slot_take(ledger, &posted));
        ledger_post(ledger, &posted, 1);
        CHECK_OK(ledger_settle(t, ledger, &row, 1)); /* behind it in the queue */
    }
    struct transfer row = row_of(300);
    CHECK(ledger_slot_take(ledger, &row));
    CHECK(!ledger_slot_take(ledger, &row));
    task_set_wait_hook(task_loop(t), stop_first_wait, NULL);
    CHECK_ERR(ledger_settle(t, ledger, &row, 1), ERR_CLIENT_GONE);
    task_shield(t, 10000);
    while (!ledger_slot_take(ledger, &row))
        CHECK_OK(task_yield(t));
    loop_stop(task_loop(t));
}

TEST(slots_of_rows_that_nobody_waits_for_are_released_when_they_are_durable)
{
    struct ledger_options options = options_of_test();
    options.slots_count = 1;
    open_with(&options);
    run_task(use_slots, NULL);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 21);
}

enum { POSTED = 600 };

/* No settle hurries them, and their slots come back only when they are durable. */
static void post_and_look(struct task *t, void *arg)
{
    (void)arg;
    for (int i = 0; i < POSTED; i++) {
        struct transfer row = row_of(i + 1);
        CHECK(ledger_slot_take(ledger, &row));
        ledger_post(ledger, &row, 1);
    }
    for (int i = 0; i < POSTED; i++) {
        struct transfer row = row_of(POSTED + i + 1);
        while (!ledger_slot_take(ledger, &row))
            CHECK_OK(task_yield(t));
    }
    loop_stop(task_loop(t));
}

TEST(rows_that_nobody_waits_for_become_durable_by_themselves)
{
    struct ledger_options options = options_of_test();
    options.slots_count = POSTED;
    open_with(&options);
    run_task(post_and_look, NULL);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), POSTED);
    close_ledger();
    drop_loop();
}

static void settle_again(struct task *t, void *arg)
{
    (void)arg;
    struct transfer rows[4];
    for (int i = 0; i < 4; i++)
        rows[i] = row_of(10 + i);
    CHECK_OK(ledger_settle(t, ledger, &rows[1], 1));
    rows[3] = rows[0]; /* twice in one batch, too */
    CHECK_OK(ledger_settle(t, ledger, rows, 4));
    CHECK_OK(ledger_settle(t, ledger, rows, 4));
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 3);
    loop_stop(task_loop(t));
}

TEST(a_replayed_row_stands_once_and_the_rest_of_its_batch_is_written)
{
    open_ledger();
    run_task(settle_again, NULL);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 3);
    check_sound();
}

enum { TASKS = 200, EACH = 5 };
static _Atomic int tasks_left;

static void settle_each(struct task *t, void *arg)
{
    int64_t base = *(int64_t *)arg;
    for (int i = 0; i < EACH; i++) {
        struct transfer row = row_of(base + i);
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
    }
    if (--tasks_left == 0)
        loop_stop(task_loop(t));
}

static void spawn_all(struct task *t, void *arg)
{
    int64_t *bases = arg;
    for (int i = 0; i < TASKS; i++) {
        bases[i] = 1 + i * EACH;
        task_spawn(task_loop(t), "settle", settle_each, &bases[i]);
    }
}

TEST(many_tasks_share_batches_and_each_row_stands_once)
{
    static int64_t bases[TASKS];
    tasks_left = TASKS;
    open_ledger();
    run_task(spawn_all, bases);
    close_ledger();
    drop_loop();
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), TASKS * EACH);
    CHECK_EQ(db_number("SELECT count(DISTINCT operation_id) FROM transfer"), TASKS * EACH);
    CHECK(db_number("SELECT count(*) FROM batch") < TASKS * EACH / 2);
    CHECK_EQ(db_number("SELECT sum(row_count) FROM batch"), TASKS * EACH);
    check_sound();
}

static void settle_one(struct task *t, void *arg)
{
    struct transfer row = row_of(*(int64_t *)arg);
    CHECK_OK(ledger_settle(t, ledger, &row, 1));
    loop_stop(task_loop(t));
}

TEST(each_start_is_an_epoch_and_the_chain_goes_on)
{
    for (int64_t i = 1; i <= 3; i++) {
        open_ledger();
        run_task(settle_one, &i);
        close_ledger();
        drop_loop();
    }
    CHECK_EQ(db_number("SELECT max(epoch) FROM writer WHERE node = 7"), 3);
    CHECK_EQ(db_number("SELECT count(*) FROM batch a JOIN batch b ON a.hash = b.prev_hash"), 2);
    CHECK_EQ(db_number("SELECT count(DISTINCT (id >> 14) & 255) FROM transfer"), 1);
    check_sound();
}

TEST(rollups_are_the_sums_of_the_rows)
{
    write_rows(20);
    CHECK_EQ(db_number("SELECT sum(calls) FROM rollup"), 20);
    CHECK_EQ(db_number("SELECT sum(cost_nusd) FROM rollup"), 20 * AMOUNT_NUSD);
    CHECK_EQ(db_number("SELECT sum(output_tokens) FROM rollup"), 20 * 50);
    CHECK_EQ(db_number("SELECT last_id FROM rollup_state"),
             db_number("SELECT max(id) FROM transfer"));
    check_sound();
}

TEST(text_from_outside_is_made_fit_for_any_database)
{
    open_ledger();
    struct transfer row = row_of(1);
    char longest[300];
    memset(longest, 'x', sizeof(longest));
    row.model = ledger_name(ledger, STR("bad\xff\0name\n"));
    row.feature = ledger_name(ledger, str_make(longest, sizeof(longest)));
    row.correlation_id = STR("c\xc3(\0\x1b");
    ledger_post(ledger, &row, 1);
    close_ledger();
    CHECK_EQ(db_number(
                 "SELECT count(*) FROM transfer WHERE replace(correlation_id, '?', '!') = 'c!(!!'"),
             1);
    CHECK_EQ(db_number("SELECT count(*) FROM name WHERE replace(text, '?', '!') = 'bad!!name!'"),
             1);
    CHECK_EQ(db_number("SELECT max(length(text)) FROM name"), 128);
}

TEST(a_second_process_on_one_ledger_is_refused_or_takes_another_node)
{
    struct ledger *second = NULL;
    struct fail fail = { 0 };
    struct ledger_options options = options_of_test();
    open_ledger();
    if (db.is_postgres) {
        CHECK_OK(ledger_open(&options, &second, &fail));
        CHECK_EQ(db_number("SELECT count(DISTINCT node) FROM writer"), 2);
        CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), 0);
        ledger_close(second);
        CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    } else {
        CHECK_ERR(ledger_open(&options, &second, &fail), ERR_STORE);
        CHECK(strstr(fail.text, "in use"));
    }
    close_ledger();
    open_ledger();
    close_ledger();
}

TEST(a_place_that_cannot_be_written_is_refused)
{
    struct fail fail = { 0 };
    struct ledger_options options = options_of_test();
    CHECK_EQ(fclose(fopen(db_path("file"), "w")), 0);
    options.slots_path = str_of(db_path("file/slots"));
    CHECK_ERR(ledger_open(&options, &ledger, &fail), ERR_STORE);
    CHECK(strstr(fail.text, "ledger.slots"));
    ledger = NULL;
}

RUN_ON_BOTH(D(a_settled_row_can_be_read_back_whole), D(rows_are_durable_when_settle_returns),
            D(giving_up_the_wait_leaves_the_row_to_the_committer),
            D(what_an_attached_loop_settles_in_one_turn_is_one_batch),
            D(slots_of_rows_that_nobody_waits_for_are_released_when_they_are_durable),
            D(rows_that_nobody_waits_for_become_durable_by_themselves),
            D(a_replayed_row_stands_once_and_the_rest_of_its_batch_is_written),
            D(many_tasks_share_batches_and_each_row_stands_once),
            D(each_start_is_an_epoch_and_the_chain_goes_on), D(rollups_are_the_sums_of_the_rows),
            D(text_from_outside_is_made_fit_for_any_database),
            D(a_second_process_on_one_ledger_is_refused_or_takes_another_node),
            D(a_place_that_cannot_be_written_is_refused))
