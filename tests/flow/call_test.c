#include "world.h"

static const struct scenario scenarios[] = {
    { "a whole answer", "{\"model\":\"good\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200, 1,
      "\"usage\"" },
    { "a stream",
      "{\"model\":\"slow\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200, 1,
      "data: [DONE]" },
    { "a fallback", "{\"model\":\"bad\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200, 2,
      "\"usage\"" },
    { "a streamed fallback",
      "{\"model\":\"bad\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200, 2,
      "data: [DONE]" },
    { "a stream that goes on elsewhere",
      "{\"model\":\"breaks\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 200, 2,
      "data: [DONE]" },
    { "three repeats",
      "{\"model\":\"alone\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", 502, 4, "upstream_error" },
};

enum { WAITS_MAX = 200 };

static void stop_everywhere(enum disturbance disturbance)
{
    for (size_t i = 0; i < HZ_LEN(scenarios); i++) {
        size_t nth = 0;
        while (world_run(&scenarios[i], disturbance, nth))
            CHECK(++nth < WAITS_MAX);
        CHECK(nth >= 3); /* it did wait for the provider and for the ledger, or ask for memory */
        printf("  %s: disturbed at each of %zu places\n", scenarios[i].name, nth);
    }
}

TEST(calls_end_as_they_should_when_nothing_disturbs)
{
    for (size_t i = 0; i < HZ_LEN(scenarios); i++)
        CHECK(!world_run(&scenarios[i], DISTURB_NOTHING, 0));
}

TEST(calls_settle_wherever_the_client_leaves)
{
    stop_everywhere(DISTURB_CLIENT);
}

TEST(calls_settle_wherever_they_are_stopped)
{
    stop_everywhere(DISTURB_REQUEST);
}

TEST(calls_settle_wherever_the_provider_stops)
{
    stop_everywhere(DISTURB_PROVIDER);
}

TEST(calls_settle_wherever_the_database_goes_away)
{
    stop_everywhere(DISTURB_STORE);
}

TEST(calls_settle_wherever_time_runs_out)
{
    stop_everywhere(DISTURB_CLOCK);
}

TEST(calls_settle_wherever_the_shutdown_comes)
{
    stop_everywhere(DISTURB_SHUTDOWN);
}

TEST(calls_settle_wherever_their_memory_ends)
{
    stop_everywhere(DISTURB_MEMORY);
}

RUN_TESTS(T(calls_end_as_they_should_when_nothing_disturbs), T(calls_settle_wherever_the_client_leaves),
          T(calls_settle_wherever_they_are_stopped), T(calls_settle_wherever_the_provider_stops),
          T(calls_settle_wherever_the_database_goes_away), T(calls_settle_wherever_time_runs_out),
          T(calls_settle_wherever_the_shutdown_comes), T(calls_settle_wherever_their_memory_ends))
