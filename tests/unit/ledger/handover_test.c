#include "rows.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

/* One process gives its ledger to the next. The processes are real: each forks before it has a
 * thread, and they tell each other over pipes when to go on. */

enum { READ, WRITE };
enum { BEFORE = 1000, AFTER = 3000, OF_SUCCESSOR = 5000, SOME = 25 };

struct link {
    int ledger[2]; /* [0] the predecessor's end, [1] the successor's */
    int go[2];     /* the predecessor has its ledger */
    int opened[2]; /* the successor has it */
};

static void link_make(struct link *l)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->ledger), 0);
    CHECK_EQ(pipe2(l->go, O_CLOEXEC), 0);
    CHECK_EQ(pipe2(l->opened, O_CLOEXEC | O_NONBLOCK), 0);
}

static void tell(const int ends[2])
{
    CHECK_EQ(write(ends[WRITE], "!", 1), 1);
}

static void wait_for(const int ends[2])
{
    char byte;
    CHECK_EQ(read(ends[READ], &byte, 1), 1);
}

static bool has_opened(const struct link *l)
{
    char byte;
    return read(l->opened[READ], &byte, 1) == 1;
}

static pid_t start(void (*fn)(struct link *l), struct link *l)
{
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        fn(l);
        _exit(0);
    }
    return child;
}

static void check_ended_well(pid_t child)
{
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static struct ledger_options patient_options(void)
{
    struct ledger_options options = options_of_test();
    options.down_wait_ms = 60000;
    return options;
}

static void make_loop(void)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
}

/* As the successor: opens the ledger, which waits for the barrier. */
static void open_after(struct link *l)
{
    struct ledger_options options = patient_options();
    close(l->ledger[0]);
    options.predecessor = l->ledger[1];
    wait_for(l->go);
    open_with(&options);
    make_loop();
    ledger_serve_predecessor(ledger, loop);
    CHECK(ledger_has_predecessor(ledger));
}

/* As the predecessor: ready to be asked. */
static void open_before(struct link *l)
{
    struct ledger_options options = patient_options();
    close(l->ledger[1]);
    open_with(&options);
    make_loop();
    CHECK_OK(ledger_await_successor(ledger, loop, l->ledger[0]));
    tell(l->go);
}

static void close_all(void)
{
    close_ledger();
    drop_loop();
}

static void settle_rows(struct task *t, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct transfer row = row_of(first + i);
        row.correlation_id = STR("caller's");
        struct ledger_slot *slot = ledger_slot_take(ledger, &row);
        CHECK(slot);
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
        ledger_slot_release(ledger, slot);
    }
}

static void settle_own_while_predecessor_ends(struct task *t, void *arg)
{
    (void)arg;
    settle_rows(t, OF_SUCCESSOR, SOME);
    while (ledger_has_predecessor(ledger))
        CHECK_OK(task_sleep(t, 1));
    loop_stop(loop);
}

static void succeed(struct link *l)
{
    open_after(l);
    tell(l->opened);
    task_spawn(loop, "test", settle_own_while_predecessor_ends, NULL);
    loop_run(loop);
    close_all();
}

static int64_t settled; /* rows of the predecessor */

/* Before, during and after: whoever asks, and whenever. */
static void settle_through_handover(struct task *t, void *arg)
{
    struct link *l = arg;
    for (settled = 0; !has_opened(l); settled++)
        settle_rows(t, BEFORE + settled, 1);
    settle_rows(t, AFTER, SOME);
    settled += SOME;
    /* More than a message holds; nobody waits for them. */
    static struct transfer rows[400];
    for (int i = 0; i < 400; i++) {
        rows[i] = row_of(AFTER + SOME);
        rows[i].attempt = i + 1;
    }
    ledger_post(ledger, rows, 400);
    settled += 400;
    loop_stop(loop);
}

static void check_rows(int64_t expected)
{
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), expected);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE status = 1 AND amount_nusd = 1234"),
             expected);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer JOIN name ON name.id = transfer.model WHERE "
                       "name.text = 'model'"),
             expected);
    CHECK_EQ(db_number("SELECT sum(calls) FROM rollup"), expected);
    CHECK_EQ(access(db_path("spool.db"), F_OK), -1);
    CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    check_sound();
}

TEST(every_row_before_during_and_after_a_handover_stands_once)
{
    struct link l;
    link_make(&l);
    pid_t child = start(succeed, &l);
    open_before(&l);
    task_spawn(loop, "test", settle_through_handover, &l);
    loop_run(loop);
    close_all();
    check_ended_well(child);
    check_rows(settled + SOME);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE correlation_id = 'caller''s'"),
             settled - 400 + SOME);
    CHECK_EQ(db_number("SELECT count(*) FROM writer"), 2);
}

static struct link second_link;

/* Takes a ledger over and passes it on while its predecessor still ends. */
static void succeed_and_pass_on(struct link *l)
{
    close(second_link.ledger[1]);
    open_after(l);
    CHECK_OK(ledger_await_successor(ledger, loop, second_link.ledger[0]));
    tell(second_link.go);
    task_spawn(loop, "test", settle_own_while_predecessor_ends, NULL);
    loop_run(loop);
    close_all();
}

static void succeed_last(struct link *l)
{
    open_after(l);
    tell(l->opened);
    while (ledger_has_predecessor(ledger)) {
        task_spawn(loop, "test", settle_own_while_predecessor_ends, NULL);
        loop_run(loop);
    }
    close_all();
}

static void settle_through_two(struct task *t, void *arg)
{
    (void)arg;
    settle_through_handover(t, &second_link);
}

TEST(a_ledger_goes_through_three_processes_that_all_still_settle)
{
    if (db.is_postgres)
        return;
    struct link l;
    link_make(&l);
    link_make(&second_link);
    pid_t last = start(succeed_last, &second_link);
    close(second_link.ledger[1]);
    pid_t middle = start(succeed_and_pass_on, &l);
    close(second_link.ledger[0]);
    open_before(&l);
    task_spawn(loop, "test", settle_through_two, NULL);
    loop_run(loop);
    close_all();
    check_ended_well(middle);
    check_ended_well(last);
    /* The last two settle the same operations: the unique key keeps one of each. */
    check_rows(settled + SOME);
    CHECK_EQ(db_number("SELECT count(*) FROM writer"), 3);
}

static void die_unasked(struct link *l)
{
    wait_for(l->go);
    tell(l->opened);
}

static void settle_and_go_on(struct task *t, void *arg)
{
    struct link *l = arg;
    while (!has_opened(l))
        CHECK_OK(task_sleep(t, 1));
    settle_rows(t, BEFORE, SOME);
    CHECK(ledger_is_healthy(ledger));
    loop_stop(loop);
}

TEST(a_successor_that_dies_before_it_asks_changes_nothing)
{
    struct link l;
    link_make(&l);
    pid_t child = start(die_unasked, &l);
    open_before(&l);
    task_spawn(loop, "test", settle_and_go_on, &l);
    loop_run(loop);
    close_all();
    check_ended_well(child);
    check_rows(SOME);
    CHECK_EQ(db_number("SELECT count(*) FROM writer"), 1);
}

/* The barrier is behind it, and it has a call in flight. */
static void die_with_the_ledger(struct link *l)
{
    open_after(l);
    struct transfer row = row_of(OF_SUCCESSOR);
    row.amount_nusd = ESTIMATE_NUSD;
    CHECK(ledger_slot_take(ledger, &row));
    tell(l->opened);
}

static void settle_what_nobody_takes(struct task *t, void *arg)
{
    settle_and_go_on(t, arg);
}

TEST(a_ledger_whose_successor_dies_is_taken_back_with_what_it_had_in_flight)
{
    if (db.is_postgres)
        return;
    struct link l;
    link_make(&l);
    pid_t child = start(die_with_the_ledger, &l);
    open_before(&l);
    task_spawn(loop, "test", settle_what_nobody_takes, &l);
    loop_run(loop);
    close_all();
    check_ended_well(child);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), SOME + 1);
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 5000 AND status = 6 "
                       "AND usage_source = 2"),
             ESTIMATE_NUSD);
    CHECK_EQ(access(db_path("spool.db"), F_OK), -1);
    CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    CHECK_EQ(db_number("SELECT max(epoch) FROM writer"), 3);
    check_sound();
}

/* The predecessor dies with two calls in flight; one of them settled, but its slot not given back. */
static void settle_one_of_two(struct task *t, void *arg)
{
    struct link *l = arg;
    struct transfer rows[2] = { row_of(BEFORE), row_of(BEFORE + 1) };
    rows[0].amount_nusd = rows[1].amount_nusd = ESTIMATE_NUSD;
    CHECK(ledger_slot_take(ledger, &rows[0]) && ledger_slot_take(ledger, &rows[1]));
    while (!has_opened(l))
        CHECK_OK(task_sleep(t, 1));
    rows[0].amount_nusd = AMOUNT_NUSD;
    CHECK_OK(ledger_settle(t, ledger, &rows[0], 1));
    _exit(0);
}

static void die_after_the_handover(struct link *l)
{
    open_before(l);
    task_spawn(loop, "test", settle_one_of_two, l);
    loop_run(loop);
}

static void wait_for_unknown(struct task *t, void *arg)
{
    (void)arg;
    while (ledger_has_predecessor(ledger) ||
           db_number("SELECT count(*) FROM transfer WHERE status = 6") == 0)
        CHECK_OK(task_sleep(t, 1));
    settle_rows(t, OF_SUCCESSOR, SOME);
    loop_stop(loop);
}

TEST(what_a_killed_predecessor_had_in_flight_becomes_unknown_rows)
{
    struct link l;
    link_make(&l);
    pid_t child = start(die_after_the_handover, &l);
    close(l.ledger[0]);
    open_after(&l);
    tell(l.opened);
    task_spawn(loop, "test", wait_for_unknown, NULL);
    loop_run(loop);
    close_all();
    check_ended_well(child);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), SOME + 2);
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 1000"), AMOUNT_NUSD);
    CHECK_EQ(db_number("SELECT amount_nusd FROM transfer WHERE operation_id = 1001"),
             ESTIMATE_NUSD);
    CHECK_EQ(access(db_path("deeper/slots.1"), F_OK), -1);
    check_sound();
}

static struct link end_link; /* go: the last of three may end */

static void settle_until_told(struct task *t, void *arg)
{
    (void)arg;
    struct pollfd told = { .fd = end_link.go[READ], .events = POLLIN };
    for (int64_t i = 0; poll(&told, 1, 0) == 0; i++) {
        settle_rows(t, OF_SUCCESSOR + i, 1);
        CHECK_OK(task_sleep(t, 1));
    }
    loop_stop(loop);
}

static void succeed_until_told(struct link *l)
{
    open_after(l);
    tell(l->opened);
    task_spawn(loop, "test", settle_until_told, NULL);
    loop_run(loop);
    close_all();
}

static void die_with_the_ledger_passed_on(struct task *t, void *arg)
{
    struct link *first = arg;
    while (!has_opened(&second_link))
        CHECK_OK(task_sleep(t, 1));
    tell(first->opened);
    _exit(0);
}

static void pass_on_and_die(struct link *l)
{
    close(second_link.ledger[1]);
    open_after(l);
    CHECK_OK(ledger_await_successor(ledger, loop, second_link.ledger[0]));
    tell(second_link.go);
    task_spawn(loop, "test", die_with_the_ledger_passed_on, l);
    loop_run(loop);
}

static void settle_when_nobody_takes(struct task *t, void *arg)
{
    struct link *l = arg;
    while (!has_opened(l))
        CHECK_OK(task_sleep(t, 1));
    settle_rows(t, BEFORE, SOME);
    loop_stop(loop);
}

static void wait_for_rows(struct task *t, void *arg)
{
    (void)arg;
    while (db_number("SELECT count(*) FROM transfer WHERE operation_id < 2000") < SOME)
        CHECK_OK(task_sleep(t, 1));
    loop_stop(loop);
}

TEST(rows_of_one_whose_successor_died_reach_the_process_that_has_the_ledger)
{
    if (db.is_postgres)
        return;
    struct link l;
    link_make(&second_link);
    link_make(&end_link);
    pid_t last = start(succeed_until_told, &second_link);
    close(second_link.ledger[1]);
    link_make(&l); /* now, so that the last does not hold open what the middle leaves */
    pid_t middle = start(pass_on_and_die, &l);
    close(second_link.ledger[0]);
    struct ledger_options options = options_of_test();
    close(l.ledger[1]);
    open_with(&options);
    make_loop();
    CHECK_OK(ledger_await_successor(ledger, loop, l.ledger[0]));
    tell(l.go);
    task_spawn(loop, "test", settle_when_nobody_takes, &l);
    loop_run(loop);
    close_all();
    check_ended_well(middle);
    make_loop();
    task_spawn(loop, "test", wait_for_rows, NULL);
    loop_run(loop);
    drop_loop();
    tell(end_link.go);
    check_ended_well(last);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE operation_id < 2000 AND amount_nusd = 1234"), SOME);
    check_sound();
}

static void succeed_elsewhere(struct link *l)
{
    struct buf other = { 0 };
    buf_addf(&other, "%s.other", db.url);
    snprintf(db.url, sizeof(db.url), "%.*s", STR_ARG(buf_str(&other)));
    buf_fini(&other);
    succeed(l);
}

TEST(a_successor_on_another_store_leaves_the_ledger_where_it_is)
{
    if (db.is_postgres)
        return;
    struct link l;
    link_make(&l);
    pid_t child = start(succeed_elsewhere, &l);
    open_before(&l);
    task_spawn(loop, "test", settle_through_handover, &l);
    loop_run(loop);
    close_all();
    check_ended_well(child);
    check_rows(settled);
    CHECK_EQ(db_number("SELECT count(*) FROM writer"), 1);
}

RUN_ON_BOTH(D(every_row_before_during_and_after_a_handover_stands_once),
            D(a_ledger_goes_through_three_processes_that_all_still_settle),
            D(a_successor_that_dies_before_it_asks_changes_nothing),
            D(a_ledger_whose_successor_dies_is_taken_back_with_what_it_had_in_flight),
            D(what_a_killed_predecessor_had_in_flight_becomes_unknown_rows),
            D(rows_of_one_whose_successor_died_reach_the_process_that_has_the_ledger),
            D(a_successor_on_another_store_leaves_the_ledger_where_it_is))
