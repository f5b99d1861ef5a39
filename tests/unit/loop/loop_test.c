#include "test.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"

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

RUN_TESTS(T(posts_of_each_thread_arrive_all_and_in_order),
          T(a_removed_watch_gets_no_event_of_the_same_turn), T(turn_hooks_run_each_turn))
