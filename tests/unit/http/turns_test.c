#include "world.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/load.h"

/* More requests than a turn of the loop begins. */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static struct world w;
static struct buf answer;
static int handled;

enum { CROWD = 200 };

static struct stream crowd[CROWD];
static char order[CROWD];
static int most_a_turn, before_turn;
static int64_t wait_behind_ms;

static void note_order(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    order[handled % CROWD] = r->head.target.at[1];
    handled += http_reply(t, r, 200, STR(""), STR("ok")) == OK;
}

static void count_turn(void *arg)
{
    (void)arg;
    most_a_turn = HZ_MAX(most_a_turn, handled - before_turn);
    before_turn = handled;
}

static void crowd_comes(struct task *t)
{
    for (int i = 0; i < CROWD; i++)
        raw_open(t, &w, &crowd[i]);
    some_turns(t);
}

/* The paths tell who asked first: a, b, c, ... */
static void crowd_asks(struct task *t)
{
    for (int i = 0; i < CROWD; i++) {
        char text[] = GET("/?");
        *strchr(text, '?') = (char)('a' + i / 8);
        raw_put(t, &crowd[i], text);
    }
}

/* Until some have been served and others wait for their turn. */
static void crowd_waits(struct task *t)
{
    while (handled == 0)
        CHECK_OK(task_yield(t));
    CHECK(handled < CROWD);
}

static void crowd_leaves(struct task *t)
{
    for (int i = 0; i < CROWD; i++)
        stream_close(&crowd[i]);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 0);
}

static int64_t wait_behind(void *arg)
{
    (void)arg;
    return wait_behind_ms * NS_PER_MS;
}

struct run {
    task_fn *fn;
    int64_t shed_delay_ms;
};

static void open_world_and_run(struct task *t, void *arg)
{
    struct run *run = arg;
    struct http_server_options options = { .shed_delay_ms = run->shed_delay_ms, .wait_behind = wait_behind };
    handled = 0;
    wait_behind_ms = 0;
    world_open(&w, note_order, NULL, &options);
    run->fn(t, NULL);
}

static void run_in_world(struct task *t, void *arg)
{
    open_world_and_run(t, arg);
    some_turns(t);
    world_close(&w);
    test_done();
}

static void run(task_fn *fn, int64_t shed_delay_ms)
{
    struct run run = { fn, shed_delay_ms };
    test_run(run_in_world, &run);
    buf_fini(&answer);
}

static void takes_turns(struct task *t, void *arg)
{
    (void)arg;
    before_turn = most_a_turn = 0;
    loop_each_turn(test_loop, count_turn, NULL);
    crowd_comes(t);
    crowd_asks(t);
    some_turns(t);
    loop_each_turn_end(test_loop, count_turn, NULL);
    CHECK_EQ(handled, CROWD);
    CHECK_EQ(most_a_turn, 64);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(order[i], 'a' + i / 8);
    crowd_leaves(t);
}

TEST(a_turn_begins_some_of_the_requests_and_the_next_turn_goes_on_in_their_order)
{
    run(takes_turns, 0);
}

enum { FULL_READ = 4096, AHEAD = 12 };

/* Each of its requests fills a read of the server, which thus never sees that the next one is there. */
static void pipelines_in_full_reads(struct task *t, void *arg)
{
    (void)arg;
    static const char head[] = "GET /x HTTP/1.1\r\nHost: a\r\nX: ", end[] = "\r\n\r\n";
    char *text = mem_alloc(AHEAD * FULL_READ);
    memset(text, 'x', AHEAD * FULL_READ);
    for (int i = 0; i < AHEAD; i++) {
        memcpy(text + i * FULL_READ, head, strlen(head));
        memcpy(text + (i + 1) * FULL_READ - strlen(end), end, strlen(end));
    }
    raw_open(t, &w, &crowd[0]);
    CHECK_OK(stream_write(t, &crowd[0], str_make(text, AHEAD * FULL_READ), INT64_MAX));
    mem_free(text);
    before_turn = most_a_turn = 0;
    loop_each_turn(test_loop, count_turn, NULL);
    while (handled < AHEAD)
        CHECK_OK(task_yield(t));
    loop_each_turn_end(test_loop, count_turn, NULL);
    CHECK(most_a_turn <= 2);
    stream_close(&crowd[0]);
}

TEST(a_client_that_pipelines_has_one_turn_after_the_other_however_its_requests_are_cut)
{
    run(pipelines_in_full_reads, 0);
}

static void leaves_while_it_waits(struct task *t, void *arg)
{
    (void)arg;
    crowd_comes(t);
    crowd_asks(t);
    crowd_waits(t);
    stream_close(&crowd[CROWD - 1]);
    some_turns(t);
    CHECK_EQ(handled, CROWD - 1);
    CHECK_EQ(http_server_connections(w.server), CROWD - 1);
    crowd_leaves(t);
}

TEST(a_client_that_leaves_before_its_turn_is_forgotten)
{
    run(leaves_while_it_waits, 0);
}

static void is_drained_while_some_wait(struct task *t, void *arg)
{
    (void)arg;
    crowd_comes(t);
    crowd_asks(t);
    crowd_waits(t);
    http_server_drain(w.server);
    some_turns(t);
    CHECK_EQ(handled, CROWD);
    CHECK_EQ(http_server_connections(w.server), 0);
    CHECK_ERR(raw_get(t, &crowd[CROWD - 1], &answer), ERR_CLOSED);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\nConnection: close\r\n")));
    crowd_leaves(t);
}

TEST(a_drain_serves_the_requests_that_wait_for_their_turn)
{
    run(is_drained_while_some_wait, 0);
}

enum { TURN_MS = 50, ABOVE_A_TURN_MS = 100 };

/* No turn of the loop is too long, but whoever comes meets a full queue. */
static void waits_too_long(struct task *t, void *arg)
{
    (void)arg;
    crowd_comes(t);
    int rounds = 0;
    while (world_refusals == 0 && rounds++ < 100) {
        for (int i = 0; i < CROWD; i++)
            raw_put(t, &crowd[i], GET("/a"));
        loop_skip(test_loop, TURN_MS * NS_PER_MS);
        CHECK_OK(task_yield(t));
    }
    CHECK(handled > CROWD);
    CHECK(world_refusals > 0);
    crowd_leaves(t);
}

TEST(the_wait_for_a_turn_counts_as_overload)
{
    run(waits_too_long, ABOVE_A_TURN_MS);
}

enum { LULL_MS = WORLD_HEAD_MS - 1000, ABOVE_ALL_WAITS_MS = 2000, ROUNDS = 16 };

/* Time that passes in the kernel, while nobody asks for anything. */
static void pass_lull(void *has_come)
{
    if (!*(bool *)has_come)
        loop_skip(test_loop, LULL_MS * NS_PER_MS);
    *(bool *)has_come = true;
}

/* More at once than a turn begins, for longer than it takes to call it overload. */
static void comes_after_a_lull(struct task *t, void *arg)
{
    (void)arg;
    bool has_come = true;
    crowd_comes(t);
    loop_each_turn(test_loop, pass_lull, &has_come);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CROWD; i++)
            raw_put(t, &crowd[i], GET("/a"));
        has_come = round > 0;
        loop_skip(test_loop, TURN_MS * NS_PER_MS);
        CHECK_OK(task_yield(t));
    }
    loop_each_turn_end(test_loop, pass_lull, &has_come);
    CHECK_EQ(world_refusals, 0);
    crowd_leaves(t);
}

TEST(a_lull_is_no_part_of_the_pace)
{
    run(comes_after_a_lull, ABOVE_ALL_WAITS_MS);
}

static void crowd_is_to_be_refused(struct task *t)
{
    crowd_comes(t);
    wait_behind_ms = 1000;
    for (int i = 0; i < 3; i++)
        CHECK_OK(task_sleep(t, LOAD_INTERVAL_MS));
}

static void is_told_before_others_are_served(struct task *t, void *arg)
{
    (void)arg;
    crowd_is_to_be_refused(t);
    wait_behind_ms = 0;
    some_turns(t);
    crowd_asks(t); /* nothing is refused, for nobody waits long now */
    crowd_waits(t);
    wait_behind_ms = 1000;
    raw_put(t, &crowd[0], GET("/z")); /* the first of the crowd, and served by now */
    raw_put(t, &crowd[1], GET("/z"));
    CHECK_OK(task_yield(t)); /* the server learns of the wait and then of these two */
    CHECK_OK(task_yield(t)); /* it refuses one of them */
    CHECK(world_refusals > 0);
    CHECK(handled < CROWD);
    some_turns(t);
    CHECK_EQ(handled + world_refusals, CROWD + 2);
    crowd_leaves(t);
}

TEST(a_refusal_does_not_wait_behind_those_that_will_be_served)
{
    run(is_told_before_others_are_served, ABOVE_A_TURN_MS);
}

static void is_stopped_while_some_are_refused(struct task *t, void *arg)
{
    (void)arg;
    crowd_is_to_be_refused(t);
    crowd_asks(t);
    loop_stop(test_loop); /* in the very turn in which it hears of them */
}

static void turn_is_not_endless(void *turns)
{
    CHECK(++*(int *)turns < 1000);
}

TEST(a_loop_that_stops_ends_though_refusals_are_queued)
{
    int turns = 0;
    struct loop_options options = { .is_clock_virtual = true };
    struct run run = { is_stopped_while_some_are_refused, ABOVE_A_TURN_MS };
    CHECK_OK(loop_create(&options, &test_loop));
    task_spawn(test_loop, "test", open_world_and_run, &run); /* it is closed after the loop */
    loop_each_turn(test_loop, turn_is_not_endless, &turns);
    loop_run(test_loop);
    CHECK_EQ(http_server_connections(w.server), 0);
    CHECK_EQ(world_refusals, CROWD - CROWD / 8);
    for (int i = 0; i < CROWD; i++)
        stream_close(&crowd[i]);
    world_close(&w);
    loop_destroy(test_loop);
}

RUN_TESTS(T(a_turn_begins_some_of_the_requests_and_the_next_turn_goes_on_in_their_order),
          T(a_client_that_leaves_before_its_turn_is_forgotten),
          T(a_client_that_pipelines_has_one_turn_after_the_other_however_its_requests_are_cut),
          T(a_drain_serves_the_requests_that_wait_for_their_turn),
          T(the_wait_for_a_turn_counts_as_overload),
          T(a_lull_is_no_part_of_the_pace),
          T(a_refusal_does_not_wait_behind_those_that_will_be_served),
          T(a_loop_that_stops_ends_though_refusals_are_queued))
