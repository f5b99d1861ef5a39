#include "test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/private.h"

static struct loop *loop;

/* ---- posts ---- */

enum { POSTERS = 4, POSTS_EACH = 20000 };
static struct {
    struct post post;
    int poster, number;
} posts[POSTERS][POSTS_EACH];
static int next_of[POSTERS];
static int posts_seen;

static void on_post(struct post *post)
{
    int poster = *(int *)(post + 1), number = *((int *)(post + 1) + 1);
    CHECK_EQ(number, next_of[poster]);
    next_of[poster]++;
    if (++posts_seen == POSTERS * POSTS_EACH)
        loop_stop(loop);
}

static void *post_all(void *arg)
{
    int poster = (int)(intptr_t)arg;
    for (int i = 0; i < POSTS_EACH; i++) {
        posts[poster][i].post.fn = on_post;
        posts[poster][i].poster = poster;
        posts[poster][i].number = i;
        loop_post(loop, &posts[poster][i].post);
    }
    return NULL;
}

TEST(posts_of_each_thread_arrive_all_and_in_order)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++)
        pthread_create(&threads[i], NULL, post_all, (void *)(intptr_t)i);
    loop_run(loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(posts_seen, POSTERS * POSTS_EACH);
    loop_destroy(loop);
}

/* ---- watches ---- */

static struct watch watches[2];
static int ready_count;

static void on_ready_removes_the_other(struct watch *w, uint32_t ready)
{
    CHECK(ready & EPOLLIN);
    ready_count++;
    loop_unwatch(loop, w == &watches[0] ? &watches[1] : &watches[0]);
    loop_stop(loop);
}

TEST(a_removed_watch_gets_no_event_of_the_same_turn)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
    int pairs[2][2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        watches[i] = (struct watch) {
            .fd = pairs[i][0], .events = EPOLLIN, .on_ready = on_ready_removes_the_other
        };
        CHECK_OK(loop_watch(loop, &watches[i]));
        CHECK_EQ(write(pairs[i][1], "x", 1), 1);
    }
    loop_run(loop);
    CHECK_EQ(ready_count, 1);
    for (int i = 0; i < 2; i++) {
        loop_unwatch(loop, &watches[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    loop_destroy(loop);
}

static int turns;

static void count_turn(void *arg)
{
    CHECK(arg == &turns);
    if (++turns == 1)
        loop_stop(loop);
}

TEST(turn_hooks_run_each_turn)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
    loop_each_turn(loop, count_turn, &turns);
    loop_stop(loop);
    loop_run(loop);
    CHECK(turns >= 1);
    CHECK(loop_is_stopping(loop));
    loop_destroy(loop);
}

static void no_more(void *arg)
{
    (void)arg;
    check_failed("no_more", "called", "not called", __FILE__, __LINE__);
}

TEST(a_turn_hook_that_was_taken_back_does_not_run)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
    turns = 0;
    loop_each_turn(loop, no_more, &turns);
    loop_each_turn(loop, count_turn, &turns);
    loop_each_turn_end(loop, no_more, &turns);
    loop_stop(loop);
    loop_run(loop);
    CHECK_EQ(turns, 1);
    loop_destroy(loop);
}

/* ---- lag ---- */

enum { CROWD = 2 * EVENTS_MAX + 88, EACH_MS = 1, SPARE_DESCRIPTORS = 64 };
static struct watch crowd[CROWD];
static int64_t lags_ms[8];
static int lags_len;

static void on_ready_works(struct watch *w, uint32_t ready)
{
    (void)w, (void)ready;
    loop_skip(loop, EACH_MS * NS_PER_MS);
}

static void note_lag(void *arg)
{
    (void)arg;
    lags_ms[lags_len++] = loop_lag_ns(loop) / NS_PER_MS;
    if (loop_lag_ns(loop) == 0)
        loop_stop(loop);
}

static void allow_descriptors(rlim_t count)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = HZ_MAX(limit.rlim_cur, count);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* More is ready than one turn takes: 1,024, 1,024 and 88 events of a millisecond each. What becomes ready
 * after the first turn waits for all that is ahead of it. */
TEST(lag_is_how_long_what_is_ready_waits_for_its_turn_in_the_kernel_too)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    loop_each_turn(loop, note_lag, NULL);
    allow_descriptors(CROWD + SPARE_DESCRIPTORS);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct watch) { .fd = eventfd(1, 0), .events = EPOLLIN, .on_ready = on_ready_works };
        CHECK_OK(loop_watch(loop, &crowd[i]));
    }
    loop_run(loop);
    static const int64_t expected_ms[] = { EVENTS_MAX, 2 * EVENTS_MAX, 2 * EVENTS_MAX, 0, 0 };
    CHECK_EQ(lags_len, HZ_LEN(expected_ms));
    for (size_t i = 0; i < HZ_LEN(expected_ms); i++)
        CHECK_EQ(lags_ms[i], expected_ms[i]);
    for (int i = 0; i < CROWD; i++) {
        loop_unwatch(loop, &crowd[i]);
        close(crowd[i].fd);
    }
    loop_destroy(loop);
}

RUN_TESTS(T(posts_of_each_thread_arrive_all_and_in_order),
          T(a_removed_watch_gets_no_event_of_the_same_turn), T(turn_hooks_run_each_turn),
          T(a_turn_hook_that_was_taken_back_does_not_run),
          T(lag_is_how_long_what_is_ready_waits_for_its_turn_in_the_kernel_too))
