#include "test.h"

#include "base/clock.h"
#include "loop/loop.h"

enum { TIMERS = 500 };

struct probe {
    struct timer timer;
    int fired;
};

static struct probe probes[TIMERS];
static int64_t last_fired_ns;
static int fired;
static struct loop *loop;

static void on_time(struct timer *timer)
{
    struct probe *p = HZ_CONTAINER_OF(timer, struct probe, timer);
    CHECK(timer->at_ns >= last_fired_ns);
    CHECK(loop_now_ns(loop) >= timer->at_ns);
    last_fired_ns = timer->at_ns;
    p->fired++;
    fired++;
}

static void on_end(struct timer *timer)
{
    (void)timer;
    loop_stop(loop);
}

TEST(timers_fire_once_in_order_whatever_was_moved_or_cancelled)
{
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &loop));
    int64_t start = loop_now_ns(loop);
    for (int i = 0; i < TIMERS; i++) {
        probes[i].timer.on_time = on_time;
        timer_set(loop, &probes[i].timer, start + (i * 7919 % TIMERS + 1) * NS_PER_S);
    }
    for (int i = 0; i < TIMERS; i += 3)
        timer_cancel(loop, &probes[i].timer);
    for (int i = 1; i < TIMERS; i += 3) /* earlier and later than before */
        timer_set(loop, &probes[i].timer, start + (i * 31 % TIMERS + 1) * NS_PER_S);
    struct timer end = { .on_time = on_end };
    timer_set(loop, &end, start + (TIMERS + 10) * NS_PER_S);
    loop_run(loop);
    int expected = 0;
    for (int i = 0; i < TIMERS; i++) {
        CHECK_EQ(probes[i].fired, i % 3 ? 1 : 0);
        CHECK_EQ(probes[i].timer.slot, 0);
        expected += i % 3 ? 1 : 0;
    }
    CHECK_EQ(fired, expected);
    loop_destroy(loop);
}

RUN_TESTS(T(timers_fire_once_in_order_whatever_was_moved_or_cancelled))
