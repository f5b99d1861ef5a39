#include "world.h"

#include "http/load.h"

/* What a server says above its capacity. Every wait is long here, so 7 of 8 requests are refused. */

static struct world w;
static struct buf answer;
static int64_t wait_ms;
static int handled;

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define REFUSED                                                                                    \
    "HTTP/1.1 503 Service Unavailable\r\n%sContent-Length: 74\r\nX-Refused: yes\r\n"              \
    "Content-Type: application/json\r\nRetry-After: 1\r\n\r\n"                                     \
    "{\"ERR_OVERLOAD\":\"the server is above its capacity: try again in a moment\"}"

static void serve(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    handled++;
    CHECK_OK(http_reply(t, r, 200, STR(""), r->head.path));
}

static int64_t how_long(void *arg)
{
    CHECK(arg == &wait_ms);
    return wait_ms * NS_PER_MS;
}

static bool is_vital(const struct http_head *head)
{
    return str_is(head->path, "/vital");
}

static struct str refused(bool is_closing)
{
    static char text[512];
    int n = snprintf(text, sizeof(text), REFUSED, is_closing ? "Connection: close\r\n" : "");
    return str_make(text, (size_t)n);
}

/* Long enough for the server to be sure. */
static void overload(struct task *t)
{
    wait_ms = 1000;
    for (int i = 0; i < 3; i++)
        CHECK_OK(task_sleep(t, LOAD_INTERVAL_MS));
}

static void run_in_world(struct task *t, void *fn)
{
    struct http_server_options options = {
        .shed_delay_ms = 10, .is_vital = is_vital, .wait_behind = how_long, .wait_behind_arg = &wait_ms,
    };
    wait_ms = 0;
    handled = 0;
    world_open(&w, serve, NULL, &options);
    (*(task_fn **)fn)(t, NULL);
    some_turns(t);
    world_close(&w);
    test_done();
}

static void run(task_fn *fn)
{
    test_run(run_in_world, &fn);
    buf_fini(&answer);
}

static void asks_often(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    overload(t);
    int refusals = 0;
    for (int i = 0; i < 16; i++) {
        raw_put(t, &s, GET("/x"));
        CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT); /* still open */
        refusals += str_eq(buf_str(&answer), refused(false));
    }
    CHECK_EQ(refusals, 14);
    CHECK_EQ(handled, 2);
    raw_put(t, &s, GET("/vital") GET("/vital") GET("/vital"));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_EQ(handled, 5);
    wait_ms = 0;
    some_turns(t);
    for (int i = 0; i < 8; i++) {
        raw_put(t, &s, GET("/x"));
        CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
        CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    }
    stream_close(&s);
}

TEST(above_capacity_a_share_is_refused_until_it_is_over_and_the_connection_stays)
{
    run(asks_often);
}

static void posts_often(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    overload(t);
    int refusals = 0;
    for (int i = 0; i < 8; i++) {
        raw_put(t, &s, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
        some_turns(t);
        raw_put(t, &s, " world" GET("/vital"));
        CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
        refusals += str_starts(buf_str(&answer), refused(false));
        CHECK(str_ends(buf_str(&answer), STR("\r\n\r\n/vital")));
    }
    CHECK_EQ(refusals, 6); /* 14 of all 16 were to be refused; those among them that are vital were not */
    stream_close(&s);
}

TEST(the_body_of_a_refused_request_is_told_apart_from_the_next_request)
{
    run(posts_often);
}

static void posts_without_end(struct task *t, void *arg)
{
    (void)arg;
    static const char *const requests[] = {
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET("/vital"),
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\nhello",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    };
    overload(t);
    for (size_t i = 0; i < HZ_LEN(requests); i++) {
        int closed = 0;
        for (int n = 0; n < 2; n++) {
            struct stream s;
            raw_open(t, &w, &s);
            raw_put(t, &s, requests[i]);
            closed += raw_get(t, &s, &answer) == ERR_CLOSED && str_eq(buf_str(&answer), refused(true));
            stream_close(&s);
            some_turns(t);
        }
        CHECK(closed >= 1); /* one of eight is served */
    }
}

TEST(a_refused_request_whose_end_is_unknown_or_far_closes_its_connection)
{
    run(posts_without_end);
}

static void sends_half_a_body(struct task *t, void *arg)
{
    (void)arg;
    overload(t);
    for (int n = 0; n < 2; n++) {
        struct stream s;
        raw_open(t, &w, &s);
        raw_put(t, &s, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello");
        CHECK_OK(task_sleep(t, WORLD_BODY_MS + 2000));
        stream_close(&s);
        some_turns(t);
        CHECK_EQ(http_server_connections(w.server), 0);
    }
    CHECK_EQ(handled, 0);
}

TEST(a_refused_client_that_never_ends_its_body_is_let_go)
{
    run(sends_half_a_body);
}

static void sends_half_a_head(struct task *t, void *arg)
{
    (void)arg;
    enum { EACH = 48 }; /* so many that one a turn would be too few */
    static struct stream slow[EACH], quick[EACH];
    for (int i = 0; i < EACH; i++) {
        raw_open(t, &w, &slow[i]);
        raw_open(t, &w, &quick[i]);
    }
    some_turns(t);
    overload(t);
    for (int i = 0; i < EACH; i++)
        raw_put(t, &slow[i], "GET /x HTTP/1.1\r\n");
    for (int i = 0; i < EACH; i++)
        raw_put(t, &quick[i], GET("/x"));
    some_turns(t);
    CHECK_EQ(handled + world_refusals, EACH);
    for (int i = 0; i < EACH; i++) {
        stream_close(&slow[i]);
        stream_close(&quick[i]);
    }
}

TEST(a_client_that_is_slow_to_be_refused_holds_up_nobody)
{
    run(sends_half_a_head);
}

RUN_TESTS(T(above_capacity_a_share_is_refused_until_it_is_over_and_the_connection_stays),
          T(the_body_of_a_refused_request_is_told_apart_from_the_next_request),
          T(a_refused_request_whose_end_is_unknown_or_far_closes_its_connection),
          T(a_client_that_is_slow_to_be_refused_holds_up_nobody),
          T(a_refused_client_that_never_ends_its_body_is_let_go))
