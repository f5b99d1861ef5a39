#include "world.h"

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"
#define WHOLE(model) "{\"model\":\"" model "\"," HI
#define STREAM(model) "{\"model\":\"" model "\",\"stream\":true," HI

static const struct scenario scenarios[] = {
    { .name = "a whole answer", .body = WHOLE("good"), .status = 200, .rows = 1, .text = "\"usage\"" },
    { .name = "a stream", .body = STREAM("slow"), .status = 200, .rows = 1, .text = "data: [DONE]" },
    { .name = "a fallback", .body = WHOLE("bad"), .status = 200, .rows = 2, .text = "\"usage\"" },
    { .name = "a streamed fallback", .body = STREAM("bad"), .status = 200, .rows = 2, .text = "data: [DONE]" },
    { .name = "a stream that goes on elsewhere", .body = STREAM("breaks"), .status = 200, .rows = 2,
      .text = "data: [DONE]" },
    { .name = "three repeats", .body = WHOLE("alone"), .status = 502, .rows = 4, .text = "upstream_error" },
    { .name = "embeddings", .path = "/v1/embeddings", .body = "{\"model\":\"embeds\",\"input\":\"Some words\"}",
      .status = 200, .rows = 1, .text = "\"usage\"" },
    { .name = "the router's own form", .path = "/route", .body = "{\"prompt\":\"Hi\"}", .status = 200, .rows = 1,
      .text = "\"output\"" },
    { .name = "a model that we choose", .body = WHOLE("auto"), .status = 200, .rows = 1, .text = "\"usage\"" },
    { .name = "an answer that does not wait for its row", .is_not_awaited = true, .body = WHOLE("good"),
      .status = 200, .rows = 1, .text = "\"usage\"" },
    { .name = "a streamed fallback that does not wait for its rows", .is_not_awaited = true,
      .body = STREAM("bad"), .status = 200, .rows = 2, .text = "data: [DONE]" },
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

TEST(calls_settle_wherever_a_commit_hangs)
{
    stop_everywhere(DISTURB_COMMIT);
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
          T(calls_settle_wherever_the_database_goes_away), T(calls_settle_wherever_a_commit_hangs),
          T(calls_settle_wherever_time_runs_out),
          T(calls_settle_wherever_the_shutdown_comes), T(calls_settle_wherever_their_memory_ends))
