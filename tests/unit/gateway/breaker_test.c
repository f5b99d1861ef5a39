#include "test.h"

#include "base/clock.h"
#include "gateway/breaker.h"

static const struct breaker_options options = {
    .failures_in_row = 5, .window = 50, .min_samples = 10, .open_ms = 30000,
};
static struct breaker breaker;
static int64_t now_ns;

static enum breaker_state note_result(const struct breaker_result *result)
{
    enum breaker_state before;
    return breaker_note(&breaker, &options, result, &before);
}

/* Of a call that took no time. */
static enum breaker_state note(enum health health)
{
    const struct breaker_result result = { .health = health, .began_ns = now_ns, .since_ns = now_ns };
    return note_result(&result);
}

static bool enter(void)
{
    bool is_probe;
    bool enters = breaker_enter(&breaker, &options, now_ns, &is_probe);
    CHECK(!is_probe);
    return enters;
}

static bool enter_as_probe(void)
{
    bool is_probe;
    return breaker_enter(&breaker, &options, now_ns, &is_probe) && is_probe;
}

static enum breaker_state note_probe(enum health health)
{
    const struct breaker_result result = {
        .health = health, .is_probe = true, .began_ns = now_ns, .since_ns = now_ns
    };
    return note_result(&result);
}

static void open_it(void)
{
    breaker_init(&breaker);
    now_ns = 1000 * NS_PER_S;
    for (int i = 0; i < 5; i++)
        note(HEALTH_FAILURE);
    CHECK_EQ(breaker_state(&breaker), BREAKER_OPEN);
}

TEST(five_failures_in_a_row_open_and_a_success_between_starts_anew)
{
    breaker_init(&breaker);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(note(HEALTH_FAILURE), BREAKER_CLOSED);
    CHECK_EQ(note(HEALTH_SUCCESS), BREAKER_CLOSED);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(note(HEALTH_FAILURE), BREAKER_CLOSED);
    CHECK(enter());
    CHECK_EQ(note(HEALTH_FAILURE), BREAKER_OPEN);
    CHECK(!enter());
    CHECK(!breaker_may_pass(&breaker, &options, now_ns));
    breaker_fini(&breaker);
}

TEST(what_does_not_count_changes_nothing)
{
    breaker_init(&breaker);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(note(i % 2 ? HEALTH_NEUTRAL : HEALTH_ALIVE), BREAKER_CLOSED);
    for (int i = 0; i < 4; i++)
        note(HEALTH_FAILURE);
    note(HEALTH_NEUTRAL); /* neither heals nor harms */
    note(HEALTH_ALIVE);
    CHECK_EQ(note(HEALTH_FAILURE), BREAKER_OPEN);
    breaker_fini(&breaker);
}

/* Golden values of the closed formula in double precision: 13 of 16 gives 0.5699, 12 of 16 0.5050,
 * 11 of 16 0.4440, 50 of 50 0.9286. */
TEST(the_wilson_bound_is_exact_to_a_thousandth)
{
    CHECK_EQ(wilson_lower_permille(0, 0), 0);
    CHECK_EQ(wilson_lower_permille(0, 50), 0);
    CHECK_EQ(wilson_lower_permille(11, 16), 444);
    CHECK_EQ(wilson_lower_permille(12, 16), 505);
    CHECK_EQ(wilson_lower_permille(13, 16), 569);
    CHECK_EQ(wilson_lower_permille(50, 50), 928);
}

TEST(mostly_failing_opens_even_with_successes_between)
{
    breaker_init(&breaker);
    int results = 0;
    while (breaker_state(&breaker) == BREAKER_CLOSED && results < 100)
        note(results++ % 4 == 3 ? HEALTH_SUCCESS : HEALTH_FAILURE); /* three of four fail */
    CHECK_EQ(results, 11); /* 9 of 11: 0.523 */
    breaker_init(&breaker);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(note(i % 2 ? HEALTH_FAILURE : HEALTH_SUCCESS), BREAKER_CLOSED); /* a half is not enough */
    breaker_fini(&breaker);
}

TEST(one_probe_at_a_time_decides)
{
    open_it();
    now_ns += 29999 * NS_PER_MS;
    CHECK(!enter());
    CHECK_EQ(breaker_wait_ms(&breaker, &options, now_ns), 1);
    now_ns += NS_PER_MS;
    CHECK(breaker_may_pass(&breaker, &options, now_ns));
    CHECK(enter_as_probe());
    CHECK(!enter()); /* the probe is under way */
    CHECK(!breaker_may_pass(&breaker, &options, now_ns));
    CHECK_EQ(note_probe(HEALTH_FAILURE), BREAKER_OPEN);
    now_ns += 29000 * NS_PER_MS;
    CHECK(!enter());
    now_ns += 1000 * NS_PER_MS;
    CHECK(enter_as_probe());
    CHECK_EQ(note_probe(HEALTH_NEUTRAL), BREAKER_HALF_OPEN); /* told nothing: the next one probes */
    CHECK(enter_as_probe());
    CHECK_EQ(note_probe(HEALTH_ALIVE), BREAKER_CLOSED);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(note(HEALTH_FAILURE), BREAKER_CLOSED); /* nothing of before is remembered */
    breaker_fini(&breaker);
}

TEST(a_probe_that_flows_keeps_nobody_away_and_its_end_still_decides)
{
    open_it();
    now_ns += 30000 * NS_PER_MS;
    CHECK(enter_as_probe());
    CHECK(!enter());
    breaker_probe_flows(&breaker);
    CHECK(enter_as_probe());
    CHECK(!enter());
    CHECK_EQ(note_probe(HEALTH_FAILURE), BREAKER_OPEN); /* the first one broke */
    CHECK_EQ(note_probe(HEALTH_SUCCESS), BREAKER_OPEN);
    now_ns += 30000 * NS_PER_MS;
    CHECK(enter_as_probe());
    breaker_probe_flows(&breaker);
    CHECK(enter_as_probe());
    CHECK_EQ(note_probe(HEALTH_SUCCESS), BREAKER_CLOSED);
    breaker_fini(&breaker);
}

TEST(whoever_began_before_it_opened_decides_nothing_for_the_probe)
{
    open_it();
    const struct breaker_result late_answer = { HEALTH_SUCCESS, .began_ns = now_ns, .since_ns = now_ns };
    const struct breaker_result late_failure = { HEALTH_FAILURE, .began_ns = now_ns, .since_ns = now_ns };
    now_ns += 30000 * NS_PER_MS;
    CHECK(enter_as_probe());
    CHECK_EQ(note_result(&late_failure), BREAKER_HALF_OPEN);
    CHECK_EQ(note_result(&late_answer), BREAKER_HALF_OPEN);
    CHECK(!enter()); /* the probe is still the only one */
    CHECK_EQ(note_probe(HEALTH_SUCCESS), BREAKER_CLOSED);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(note_result(&late_failure), BREAKER_CLOSED); /* of a time that is over */
    for (int i = 0; i < 4; i++)
        CHECK_EQ(note(HEALTH_FAILURE), BREAKER_CLOSED);
    CHECK_EQ(note(HEALTH_FAILURE), BREAKER_OPEN);
    breaker_fini(&breaker);
}

TEST(wrong_credentials_open_at_once)
{
    breaker_init(&breaker);
    CHECK_EQ(note(HEALTH_TRIP), BREAKER_OPEN);
    breaker_fini(&breaker);
}

TEST(results_of_calls_that_began_before_it_opened_are_ignored)
{
    open_it();
    CHECK_EQ(note(HEALTH_SUCCESS), BREAKER_OPEN);
    CHECK_EQ(note(HEALTH_FAILURE), BREAKER_OPEN);
    CHECK_EQ(breaker_wait_ms(&breaker, &options, now_ns), 30000);
    breaker_fini(&breaker);
}

TEST(repeats_are_paid_from_what_successes_earn)
{
    struct retry_budget budget;
    retry_budget_init(&budget, 10);
    for (int i = 0; i < 10; i++)
        CHECK(retry_budget_take(&budget));
    CHECK(!retry_budget_take(&budget));
    for (int i = 0; i < 9; i++)
        retry_budget_earn(&budget, 10);
    CHECK(!retry_budget_take(&budget));
    retry_budget_earn(&budget, 10);
    CHECK(retry_budget_take(&budget));
    for (int i = 0; i < 1000; i++)
        retry_budget_earn(&budget, 10);
    CHECK_EQ(budget.tenths, 100);
}

RUN_TESTS(T(five_failures_in_a_row_open_and_a_success_between_starts_anew),
          T(what_does_not_count_changes_nothing), T(the_wilson_bound_is_exact_to_a_thousandth),
          T(mostly_failing_opens_even_with_successes_between), T(one_probe_at_a_time_decides),
          T(a_probe_that_flows_keeps_nobody_away_and_its_end_still_decides),
          T(whoever_began_before_it_opened_decides_nothing_for_the_probe),
          T(wrong_credentials_open_at_once), T(results_of_calls_that_began_before_it_opened_are_ignored),
          T(repeats_are_paid_from_what_successes_earn))
