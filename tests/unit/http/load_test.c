#include "test.h"

#include "base/clock.h"
#include "http/load.h"

enum { TARGET_MS = 25, TURN_MS = 3 };

static struct load l;
static int64_t now_ms;

static void begin(int64_t target_ms)
{
    load_init(&l, target_ms * NS_PER_MS);
    now_ms = 0;
}

/* Turns of a loop that waits so long, for a while. */
static void wait_for(int64_t ms, int64_t wait_ms)
{
    for (int64_t end_ms = now_ms + ms; now_ms < end_ms; now_ms += TURN_MS)
        load_observe(&l, now_ms * NS_PER_MS, wait_ms * NS_PER_MS);
}

/* Of so many requests that would wait so long. */
static int refused_of(int requests, int64_t wait_ms)
{
    int refused = 0;
    for (int i = 0; i < requests; i++)
        refused += load_refuses(&l, wait_ms * NS_PER_MS);
    return refused;
}

TEST(a_burst_is_served_whole)
{
    begin(TARGET_MS);
    for (int i = 0; i < 10; i++) {
        wait_for(LOAD_INTERVAL_MS - TURN_MS, 20 * TARGET_MS);
        CHECK_EQ(refused_of(1000, 20 * TARGET_MS), 0);
        wait_for(TURN_MS, TARGET_MS); /* for a moment it was done */
    }
}

TEST(what_is_refused_grows_with_the_wait_and_is_never_all)
{
    begin(TARGET_MS);
    wait_for(2 * LOAD_INTERVAL_MS, 2 * TARGET_MS);
    CHECK_EQ(refused_of(800, 2 * TARGET_MS), 700);
    CHECK_EQ(refused_of(800, 100 * TARGET_MS), 700);
    CHECK_EQ(refused_of(800, TARGET_MS), 0);
    int half = refused_of(1000, TARGET_MS * 3 / 2);
    CHECK(half > 450 && half <= 500); /* 37 ms, not 37.5 */
}

TEST(nothing_is_refused_as_soon_as_waits_are_short_again)
{
    begin(TARGET_MS);
    wait_for(2 * LOAD_INTERVAL_MS, 2 * TARGET_MS);
    CHECK(refused_of(100, 2 * TARGET_MS) > 0);
    CHECK_EQ(refused_of(1000, TARGET_MS), 0);
    /* And after an interval of that, a burst is a burst again. */
    wait_for(2 * LOAD_INTERVAL_MS, 0);
    wait_for(LOAD_INTERVAL_MS - TURN_MS, 2 * TARGET_MS);
    CHECK_EQ(refused_of(1000, 2 * TARGET_MS), 0);
}

TEST(a_single_long_wait_after_a_lull_is_no_overload)
{
    begin(TARGET_MS);
    wait_for(TURN_MS, 0);
    now_ms += 60000;
    wait_for(TURN_MS, 10 * TARGET_MS);
    CHECK_EQ(refused_of(1000, 10 * TARGET_MS), 0);
}

TEST(without_a_target_nothing_is_refused)
{
    begin(0);
    wait_for(10 * LOAD_INTERVAL_MS, 1000000);
    CHECK_EQ(refused_of(1000, 1000000), 0);
}

/*
 * A server that needs 50 us for a request and 6 us to refuse one, which it does at once, with requests that
 * come evenly. The least and most wait of those it served are those of its second half.
 */
struct course {
    int64_t served, refused, least_ns, most_ns;
};

static struct course serve_for(int64_t seconds, int64_t every_ns)
{
    enum { SERVE_NS = 50000, REFUSE_NS = 6000, QUEUE_MAX = 32768 };
    static int64_t queue[QUEUE_MAX];
    struct course found = { .least_ns = INT64_MAX };
    int64_t end_ns = seconds * NS_PER_S, clock_ns = 0, turn_ns = 0, pace_ns = SERVE_NS, served_ns = 0;
    size_t first = 0, last = 0;
    for (int64_t now_ns = 0; now_ns < end_ns; now_ns += every_ns) {
        for (; first < last && clock_ns < now_ns; first++) {
            int64_t wait_ns = clock_ns - queue[first % QUEUE_MAX];
            clock_ns += SERVE_NS;
            pace_ns += (clock_ns - served_ns - pace_ns) / 64;
            served_ns = clock_ns;
            found.served++;
            if (now_ns > end_ns / 2) {
                found.least_ns = HZ_MIN(found.least_ns, wait_ns);
                found.most_ns = HZ_MAX(found.most_ns, wait_ns);
            }
        }
        clock_ns = HZ_MAX(clock_ns, now_ns);
        int64_t wait_ns = (int64_t)(last - first) * pace_ns;
        if (now_ns - turn_ns >= TURN_MS * NS_PER_MS) {
            turn_ns = now_ns;
            load_observe(&l, now_ms * NS_PER_MS + now_ns, wait_ns);
        }
        if (load_refuses(&l, wait_ns)) {
            found.refused++;
            clock_ns += REFUSE_NS;
        } else {
            CHECK(last - first < QUEUE_MAX);
            queue[last++ % QUEUE_MAX] = now_ns;
        }
    }
    now_ms += seconds * 1000;
    return found;
}

TEST(under_twice_the_load_the_wait_comes_to_rest_and_capacity_is_used)
{
    enum { CAPACITY = 20000, SECONDS = 10 };
    begin(TARGET_MS);
    struct course twice = serve_for(SECONDS, NS_PER_S / CAPACITY / 2);
    CHECK(twice.least_ns > TARGET_MS * NS_PER_MS);
    CHECK(twice.most_ns < 2 * TARGET_MS * NS_PER_MS);
    CHECK(twice.most_ns - twice.least_ns < TARGET_MS * NS_PER_MS / 4); /* no swinging */
    CHECK(twice.served > (int64_t)CAPACITY * SECONDS * 8 / 10); /* refusing costs an eighth */
    wait_for(TURN_MS, 0); /* the queue is gone */
    struct course half = serve_for(SECONDS, NS_PER_S / CAPACITY * 2);
    CHECK_EQ(half.refused, 0);
}

TEST(a_server_that_is_just_kept_busy_refuses_nothing)
{
    begin(TARGET_MS);
    struct course full = serve_for(10, 50000);
    CHECK_EQ(full.refused, 0);
}

TEST(the_pace_is_that_of_turns_which_leave_others_waiting)
{
    struct pace pace = { 0 };
    pace_note(&pace, 1000, 0);
    pace_note(&pace, 60 * NS_PER_S, 64); /* it slept before */
    CHECK_EQ(pace.each_ns, 0);
    pace_note(&pace, 60 * NS_PER_S + 64 * 20000, 64);
    CHECK_EQ(pace.each_ns, 20000);
    pace_note(&pace, 61 * NS_PER_S, 0);
    pace_note(&pace, 62 * NS_PER_S, 64);
    CHECK_EQ(pace.each_ns, 20000);
    int64_t now_ns = 62 * NS_PER_S;
    for (int i = 0; i < 100; i++)
        pace_note(&pace, now_ns += 64 * 50000, 64);
    CHECK(pace.each_ns > 49900 && pace.each_ns <= 50000);
}

RUN_TESTS(T(a_burst_is_served_whole), T(what_is_refused_grows_with_the_wait_and_is_never_all),
          T(nothing_is_refused_as_soon_as_waits_are_short_again),
          T(a_single_long_wait_after_a_lull_is_no_overload), T(without_a_target_nothing_is_refused),
          T(under_twice_the_load_the_wait_comes_to_rest_and_capacity_is_used),
          T(a_server_that_is_just_kept_busy_refuses_nothing),
          T(the_pace_is_that_of_turns_which_leave_others_waiting))
