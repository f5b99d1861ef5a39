#include "test.h"

#include <unistd.h>

#include "base/log.h"

static int pipe_fds[2];

static struct str read_line(char *out, size_t size)
{
    ssize_t n = read(pipe_fds[0], out, size);
    CHECK(n > 0);
    return str_make(out, (size_t)n);
}

TEST(a_line_is_one_json_object_with_its_context)
{
    CHECK_EQ(pipe(pipe_fds), 0);
    log_set_fd(pipe_fds[1]);
    struct log_ctx ctx = { STR("c\"1") };
    log_info(&ctx, "request", LOG_INT("status", 200), LOG_USD("cost_usd", 37500),
             LOG_STR("absent", STR_NONE), LOG_TEXT("model", "m\n"), LOG_BOOL("stream", true));
    char room[512];
    struct str line = read_line(room, sizeof(room));
    CHECK(str_find(line, STR("\"level\":\"info\",\"event\":\"request\",\"correlation_id\":\"c\\\"1\","
                             "\"status\":200,\"cost_usd\":0.0000375,\"model\":\"m\\n\","
                             "\"stream\":true}\n")) != SIZE_MAX);
    CHECK(str_starts(line, STR("{\"time\":\"20")));
}

TEST(buffered_lines_wait_for_the_flush_and_low_levels_stay_out)
{
    log_set_buffered(true);
    log_debug(NULL, "hidden", LOG_INT("n", 1));
    log_warn(NULL, "one", LOG_INT("n", 1));
    log_warn(NULL, "two", LOG_INT("n", 2));
    log_flush();
    char room[512];
    struct str text = read_line(room, sizeof(room));
    CHECK(str_find(text, STR("hidden")) == SIZE_MAX);
    CHECK(str_find(text, STR("\"one\"")) < str_find(text, STR("\"two\"")));
    log_set_buffered(false);
    log_set_fd(STDOUT_FILENO);
}

RUN_TESTS(T(a_line_is_one_json_object_with_its_context),
          T(buffered_lines_wait_for_the_flush_and_low_levels_stay_out))
