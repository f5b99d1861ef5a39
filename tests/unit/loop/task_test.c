#include "test.h"

#include <sys/mman.h>

#include "base/clock.h"
#include "loop/task.h"

static struct loop *loop;
static struct task *other;
static enum err result;
static int64_t began_ns;

static void run_one(task_fn *fn)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    result = OK;
    began_ns = loop_now_ns(loop);
    task_spawn(loop, "test", fn, NULL);
    loop_run(loop);
    CHECK_EQ(task_count(loop), 0);
    loop_destroy(loop);
}

static int64_t passed_ms(void)
{
    return (loop_now_ns(loop) - began_ns) / NS_PER_MS;
}

static void end(void)
{
    loop_stop(loop);
}

/* ---- sleep, deadline ---- */

static void sleeps(struct task *t, void *arg)
{
    (void)arg;
    CHECK_OK(task_sleep(t, 1000));
    CHECK_OK(task_sleep(t, 5)); /* an earlier timer after a later one */
    CHECK_OK(task_sleep(t, 1000));
    CHECK(passed_ms() >= 2005 && passed_ms() < 2010);
    end();
}

TEST(sleep_lasts_as_asked)
{
    run_one(sleeps);
}

static void passes_its_deadline(struct task *t, void *arg)
{
    (void)arg;
    task_set_deadline(t, loop_now_ns(loop) + 50 * NS_PER_MS);
    CHECK_ERR(task_wait(t, loop_now_ns(loop) + 20 * NS_PER_MS), ERR_TIMEOUT);
    CHECK_ERR(task_sleep(t, 1000), ERR_DEADLINE);
    CHECK_EQ(passed_ms(), 50);
    CHECK_ERR(task_sleep(t, 1), ERR_DEADLINE);
    CHECK_ERR(task_yield(t), ERR_DEADLINE);
    CHECK_EQ(task_stop_reason(t), ERR_DEADLINE);
    end();
}

TEST(an_overall_deadline_ends_this_and_all_later_waits)
{
    run_one(passes_its_deadline);
}

/* ---- stop and shield ---- */

static void stopper(struct task *t, void *arg)
{
    CHECK_OK(task_sleep(t, 10));
    task_stop(arg, ERR_CLIENT_GONE);
    task_stop(arg, ERR_STOPPED); /* the first reason stays */
}

static void is_stopped(struct task *t, void *arg)
{
    (void)arg;
    task_spawn(loop, "stopper", stopper, t);
    CHECK_ERR(task_sleep(t, 1000), ERR_CLIENT_GONE);
    CHECK_EQ(passed_ms(), 10);
    CHECK_ERR(task_wait(t, INT64_MAX), ERR_CLIENT_GONE);
    task_shield(t, 100);
    CHECK_OK(task_sleep(t, 30));
    CHECK_EQ(passed_ms(), 40);
    CHECK_ERR(task_sleep(t, 1000), ERR_TIMEOUT); /* the shield ran out */
    CHECK_EQ(passed_ms(), 110);
    CHECK_ERR(task_wait(t, INT64_MAX), ERR_TIMEOUT);
    task_unshield(t);
    CHECK_ERR(task_sleep(t, 1), ERR_CLIENT_GONE);
    end();
}

TEST(a_stop_ends_waits_and_a_shield_holds_it_off_for_its_time)
{
    run_one(is_stopped);
}

static void shielded_sleeper(struct task *t, void *arg)
{
    (void)arg;
    task_shield(t, 1000);
    task_spawn(loop, "stopper", stopper, t);
    CHECK_OK(task_sleep(t, 100));
    CHECK_EQ(passed_ms(), 100);
    CHECK_EQ(task_stop_reason(t), ERR_CLIENT_GONE);
    end();
}

TEST(a_stop_does_not_wake_a_shielded_wait)
{
    run_one(shielded_sleeper);
}

/* ---- wake ---- */

static void wakes(struct task *t, void *arg)
{
    CHECK_OK(task_sleep(t, 10));
    CHECK(task_wake(arg, ERR_IO));
    CHECK(!task_wake(arg, ERR_TLS)); /* its first result stays */
    task_stop(arg, ERR_STOPPED);
}

static void is_woken(struct task *t, void *arg)
{
    (void)arg;
    task_spawn(loop, "waker", wakes, t);
    CHECK_ERR(task_wait(t, INT64_MAX), ERR_IO);
    CHECK_ERR(task_wait(t, INT64_MAX), ERR_STOPPED);
    end();
}

TEST(the_first_end_of_a_wait_counts_and_a_stop_is_not_lost)
{
    run_one(is_woken);
}

/* ---- join and groups ---- */

static void child_body(struct task *t, void *arg)
{
    *(enum err *)arg = task_sleep(t, 500);
}

static void joins(struct task *t, void *arg)
{
    (void)arg;
    enum err seen = ERR_IO;
    struct task *child = task_spawn_joinable(loop, "child", child_body, &seen);
    task_join(t, child);
    CHECK_OK(seen);
    CHECK_EQ(passed_ms(), 500);

    child = task_spawn_joinable(loop, "child", child_body, &seen);
    CHECK_OK(task_sleep(t, 600)); /* it has ended before it is joined */
    task_join(t, child);
    CHECK_OK(seen);

    task_spawn(loop, "stopper", stopper, t);
    child = task_spawn_joinable(loop, "child", child_body, &seen);
    task_join(t, child); /* stopped: stops the child and waits for its end all the same */
    CHECK_ERR(seen, ERR_CLIENT_GONE);
    CHECK_EQ(passed_ms(), 1110);
    end();
}

TEST(join_waits_for_the_end_and_passes_a_stop_on)
{
    run_one(joins);
}

static enum err member_results[3];

static void member(struct task *t, void *arg)
{
    int i = (int)(intptr_t)arg;
    member_results[i] = task_sleep(t, 100 * (i + 1));
}

static void groups(struct task *t, void *arg)
{
    (void)arg;
    struct task_group g;
    group_init(&g, t);
    group_join(t, &g); /* an empty group ends at once */
    for (intptr_t i = 0; i < 3; i++)
        group_spawn(&g, "member", member, (void *)i);
    CHECK_OK(task_sleep(t, 150)); /* the first has ended */
    group_stop(&g, ERR_STOPPED);
    group_join(t, &g);
    CHECK_OK(member_results[0]);
    CHECK_ERR(member_results[1], ERR_STOPPED);
    CHECK_ERR(member_results[2], ERR_STOPPED);
    CHECK_EQ(passed_ms(), 150);
    CHECK_EQ(task_count(loop), 1);

    task_spawn(loop, "stopper", stopper, t);
    for (intptr_t i = 0; i < 3; i++)
        group_spawn(&g, "member", member, (void *)i);
    group_join(t, &g);
    CHECK_ERR(member_results[2], ERR_CLIENT_GONE);
    CHECK_EQ(passed_ms(), 160);
    end();
}

TEST(a_group_ends_with_all_its_members)
{
    run_one(groups);
}

static void ends_with_its_joiner(struct task *t, void *arg)
{
    (void)arg;
    enum err err = task_wait(t, INT64_MAX);
    CHECK_ERR(err, ERR_IO);
}

static void joins_stopped_in_the_same_turn(struct task *t, void *arg)
{
    (void)arg;
    task_join(t, other);
    result = task_stop_reason(t);
    end();
}

static void ends_child_and_stops_joiner(struct task *t, void *arg)
{
    CHECK_OK(task_sleep(t, 10));
    task_stop(arg, ERR_STOPPED); /* the joiner first ... */
    CHECK(task_wake(other, ERR_IO)); /* ... then the child ends before the joiner runs */
}

static void same_turn(struct task *t, void *arg)
{
    (void)t, (void)arg;
    other = task_spawn_joinable(loop, "child", ends_with_its_joiner, NULL);
    struct task *joiner = task_spawn(loop, "joiner", joins_stopped_in_the_same_turn, NULL);
    task_spawn(loop, "both", ends_child_and_stops_joiner, joiner);
}

TEST(a_join_stopped_as_its_child_ends_still_returns)
{
    run_one(same_turn);
    CHECK_ERR(result, ERR_STOPPED);
}

/* ---- shutdown, order, stacks ---- */

static void waits_for_shutdown(struct task *t, void *arg)
{
    *(int *)arg += task_wait(t, INT64_MAX) == ERR_STOPPING;
}

static void shuts_down(struct task *t, void *arg)
{
    (void)arg;
    static int stopped;
    for (int i = 0; i < 5; i++)
        task_spawn(loop, "waiter", waits_for_shutdown, &stopped);
    CHECK_OK(task_sleep(t, 10));
    loop_stop(loop);
    CHECK_ERR(task_sleep(t, 10), ERR_STOPPING);
    task_spawn(loop, "late", waits_for_shutdown, &stopped);
    task_shield(t, 100);
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(stopped, 6);
}

TEST(stopping_the_loop_stops_every_task_and_waits_for_them)
{
    run_one(shuts_down);
}

static int order[4], order_len;

static void notes(struct task *t, void *arg)
{
    order[order_len++] = (int)(intptr_t)arg;
    CHECK_OK(task_yield(t));
    order[order_len++] = (int)(intptr_t)arg;
}

static void spawns_in_order(struct task *t, void *arg)
{
    (void)arg;
    task_spawn(loop, "a", notes, (void *)1);
    task_spawn(loop, "b", notes, (void *)2);
    CHECK_EQ(order_len, 0); /* never before the spawn returns */
    CHECK_OK(task_sleep(t, 1));
    CHECK(order[0] == 1 && order[1] == 2 && order[2] == 1 && order[3] == 2);
    end();
}

TEST(tasks_run_in_order_and_yield_lets_others_in)
{
    run_one(spawns_in_order);
}

#ifndef HZ_TASK_THREADS
static void uses_stack(struct task *t, void *arg)
{
    volatile char deep[1500];
    memset((char *)deep, 1, sizeof(deep));
    CHECK_OK(task_sleep(t, 1));
    CHECK_EQ(deep[0], 1);
    if (arg)
        end();
}

TEST(painted_stacks_tell_their_depth)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    task_set_stack_painting(loop, true);
    task_spawn(loop, "deep", uses_stack, loop);
    loop_run(loop);
    CHECK(task_stack_peak(loop) >= 1500);
    CHECK(task_stack_peak(loop) < TASK_STACK_BYTES / 2);
    loop_destroy(loop);
}

/* Returns where the deepest of the frames lay. */
static __attribute__((noinline)) uintptr_t go_deep(int frames)
{
    volatile char deep[1500];
    memset((char *)deep, frames, sizeof(deep));
    uintptr_t deepest = frames ? go_deep(frames - 1) : (uintptr_t)deep;
    return deep[0] == (char)frames ? deepest : 0;
}

static bool is_in_memory(uintptr_t at)
{
    unsigned char pages;
    CHECK_EQ(mincore((void *)(at & ~(uintptr_t)4095), 1, &pages), 0);
    return pages & 1;
}

static void goes_deep_and_trims(struct task *t, void *arg)
{
    (void)arg;
    volatile char own[1500];
    memset((char *)own, 7, sizeof(own));
    uintptr_t deepest = go_deep(16);
    CHECK(deepest && is_in_memory(deepest));
    task_trim_stack(t);
    CHECK(!is_in_memory(deepest));
    CHECK_EQ(own[0] + own[sizeof(own) - 1], 14);
    CHECK_OK(task_sleep(t, 1));
    CHECK(go_deep(16));
    end();
}

TEST(a_trimmed_stack_keeps_what_is_in_use_and_grows_again)
{
    run_one(goes_deep_and_trims);
}
#endif

static size_t stops_at;

static void stop_nth(void *arg, struct task *t, size_t nth)
{
    (void)arg;
    if (nth == stops_at)
        task_stop(t, ERR_CLIENT_GONE);
}

static void three_waits(struct task *t, void *arg)
{
    (void)arg;
    int done = 0;
    while (done < 3 && task_sleep(t, 10) == OK)
        done++;
    CHECK_EQ(done, HZ_MIN(stops_at, 3));
    end();
}

TEST(the_wait_hook_can_stop_a_task_at_each_of_its_waits)
{
    for (stops_at = 0; stops_at < 4; stops_at++) {
        struct loop_options options = { .is_clock_virtual = true };
        CHECK_OK(loop_create(&options, &loop));
        task_set_wait_hook(loop, stop_nth, NULL);
        task_spawn(loop, "flow", three_waits, NULL);
        loop_run(loop);
        loop_destroy(loop);
    }
}

static void spins(struct task *t, void *arg)
{
    int *count = arg;
    for (int i = 0; i < 100; i++)
        CHECK_OK(task_yield(t));
    if (++*count == 2000)
        end();
}

TEST(thousands_of_tasks_come_and_go)
{
    struct loop_options options = { 0 };
    CHECK_OK(loop_create(&options, &loop));
    int count = 0;
#ifdef HZ_TASK_THREADS
    count = 1900; /* a thread each */
#endif
    for (int i = count; i < 2000; i++)
        task_spawn(loop, "spin", spins, &count);
    loop_run(loop);
    CHECK_EQ(count, 2000);
    loop_destroy(loop);
}

RUN_TESTS(T(sleep_lasts_as_asked), T(an_overall_deadline_ends_this_and_all_later_waits),
          T(a_stop_ends_waits_and_a_shield_holds_it_off_for_its_time),
          T(a_stop_does_not_wake_a_shielded_wait),
          T(the_first_end_of_a_wait_counts_and_a_stop_is_not_lost),
          T(join_waits_for_the_end_and_passes_a_stop_on), T(a_group_ends_with_all_its_members),
          T(a_join_stopped_as_its_child_ends_still_returns),
          T(stopping_the_loop_stops_every_task_and_waits_for_them),
          T(tasks_run_in_order_and_yield_lets_others_in),
#ifndef HZ_TASK_THREADS
          T(painted_stacks_tell_their_depth), T(a_trimmed_stack_keeps_what_is_in_use_and_grows_again),
#endif
          T(the_wait_hook_can_stop_a_task_at_each_of_its_waits), T(thousands_of_tasks_come_and_go))
