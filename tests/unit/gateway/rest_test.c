#include "test.h"

#include "base/clock.h"
#include "gateway/rest.h"

enum { UNSTATED = -1 };

static const int64_t second_ns = 1000 * NS_PER_MS;

/* A 429 to what is asked at `now_ns`; the length of the rest. */
static int64_t refused_at(struct rest *r, int64_t now_ns, int64_t stated_ms)
{
    rest_note(r, now_ns, now_ns, stated_ms);
    return rest_left_ms(r, now_ns);
}

TEST(a_rest_doubles_each_time_that_it_did_not_help)
{
    struct rest r;
    rest_init(&r);
    int64_t now_ns = second_ns;
    static const int64_t expected_ms[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
    for (size_t i = 0; i < HZ_LEN(expected_ms); i++) {
        CHECK_EQ(refused_at(&r, now_ns, UNSTATED), expected_ms[i]);
        now_ns += expected_ms[i] * NS_PER_MS;
        CHECK_EQ(rest_left_ms(&r, now_ns), 0);
    }
    rest_answered(&r, now_ns);
    CHECK_EQ(refused_at(&r, now_ns, UNSTATED), 1000);
    rest_fini(&r);
}

TEST(a_burst_is_one_rest)
{
    struct rest r;
    rest_init(&r);
    for (int i = 0; i < 7; i++)
        rest_note(&r, second_ns, 2 * second_ns + i, UNSTATED);
    CHECK_EQ(rest_left_ms(&r, 2 * second_ns + 6), 1000);
    /* What was asked before the rest was over still belongs to it, even if it is over by now. */
    rest_note(&r, 2 * second_ns + 1, 10 * second_ns, UNSTATED);
    CHECK_EQ(rest_left_ms(&r, 10 * second_ns), 1000);
    CHECK_EQ(refused_at(&r, 11 * second_ns, UNSTATED), 2000);
    rest_fini(&r);
}

TEST(a_later_429_never_makes_a_rest_shorter)
{
    struct rest r;
    rest_init(&r);
    rest_note(&r, second_ns, 2 * second_ns, 30000);
    rest_note(&r, second_ns, 2 * second_ns, UNSTATED);
    rest_note(&r, second_ns, 2 * second_ns, 5000);
    CHECK_EQ(rest_left_ms(&r, 2 * second_ns), 30000);
    rest_note(&r, second_ns, 2 * second_ns, 40000);
    CHECK_EQ(rest_left_ms(&r, 2 * second_ns), 40000);
    rest_fini(&r);
}

TEST(an_answer_to_what_was_asked_before_a_rest_does_not_count)
{
    struct rest r;
    rest_init(&r);
    rest_note(&r, second_ns, 2 * second_ns, UNSTATED);
    rest_answered(&r, second_ns);
    CHECK_EQ(rest_left_ms(&r, 2 * second_ns), 1000);
    CHECK_EQ(refused_at(&r, 3 * second_ns, UNSTATED), 2000);
    rest_fini(&r);
}

TEST(what_is_stated_holds_for_an_hour_at_most)
{
    struct rest r;
    rest_init(&r);
    CHECK_EQ(refused_at(&r, second_ns, 3600000), 3600000);
    CHECK_EQ(refused_at(&r, 5000 * second_ns, INT64_MAX), 3600000);
    /* No time at all is no statement: it has just refused. */
    CHECK_EQ(refused_at(&r, 10000 * second_ns, 0), 4000);
    rest_fini(&r);
}

RUN_TESTS(T(a_rest_doubles_each_time_that_it_did_not_help), T(a_burst_is_one_rest),
          T(a_later_429_never_makes_a_rest_shorter),
          T(an_answer_to_what_was_asked_before_a_rest_does_not_count),
          T(what_is_stated_holds_for_an_hour_at_most))
