#include "world.h"

/* How connections and requests live: reading, limits, keep-alive, leaving clients. */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define SAYS(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

static struct world w;
static struct buf answer;

/* ---- handlers ---- */

static struct {
    int requests;
    enum err wait_result;
    enum err reply_result;
    int64_t wait_ms;
    size_t wrong_bytes;
} seen;

static void echo(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    seen.requests++;
    struct str said = arena_printf(&r->arena, "%.*s %.*s [%.*s]", STR_ARG(r->head.method),
                                   STR_ARG(r->head.target), STR_ARG(r->body));
    seen.reply_result = http_reply(t, r, 200, STR(""), said);
}

static void wait_and_echo(struct task *t, struct http_request *r, void *arg)
{
    seen.wait_result = task_sleep(t, seen.wait_ms);
    echo(t, r, arg);
}

static void say_nothing(struct task *t, struct http_request *r, void *arg)
{
    (void)t, (void)r, (void)arg;
    seen.requests++;
}

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static void check_body(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    bool is_next = str_is(r->head.target, "/next");
    seen.wrong_bytes += !str_is(r->head.method, is_next ? "GET" : "POST");
    for (size_t i = 0; i < r->body.len; i++)
        seen.wrong_bytes += r->body.at[i] != pattern(i);
    seen.reply_result = http_reply(t, r, 200, STR(""), STR("ok"));
}

/* ---- running ---- */

struct run {
    task_fn *fn;
    http_handler_fn *handler;
    struct http_server_options options;
};

static void run_in_world(struct task *t, void *arg)
{
    struct run *run = arg;
    world_open(&w, run->handler, NULL, &run->options);
    run->fn(t, NULL);
    some_turns(t);
    world_close(&w);
    test_done();
}

static void run_with(task_fn *fn, http_handler_fn *handler, struct http_server_options options)
{
    struct run run = { fn, handler, options };
    memset(&seen, 0, sizeof(seen));
    test_run(run_in_world, &run);
    buf_fini(&answer);
}

static void run(task_fn *fn, http_handler_fn *handler)
{
    run_with(fn, handler, (struct http_server_options) { 0 });
}

/* ---- keep-alive and pipelining ---- */

static void asks_twice(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    for (int i = 0; i < 2; i++) {
        some_turns(t);
        CHECK_EQ(http_server_connections(w.server), 1);
        CHECK_EQ(task_count(test_loop), 1); /* this one */
        raw_put(t, &s, GET("/x"));
        CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
        CHECK_STR(buf_str(&answer), SAYS("9", "GET /x []"));
    }
    CHECK_EQ(task_count(test_loop), 1);
    stream_close(&s);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 0);
}

TEST(an_idle_connection_is_kept_and_holds_no_task)
{
    run(asks_twice, echo);
}

static void asks_three_at_once(struct task *t, void *arg)
{
    (void)arg;
    const char *three =
        GET("/1") "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                  "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "2\r\nde\r\n0\r\n\r\n" GET("/4");
    CHECK_ERR(raw_ask(t, &w, three, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("9", "GET /1 []") SAYS("13", "POST /2 [abc]")
                                    SAYS("12", "POST /3 [de]") SAYS("9", "GET /4 []"));
}

TEST(pipelined_requests_are_answered_in_order)
{
    run(asks_three_at_once, echo);
    run(asks_three_at_once, wait_and_echo);
}

static void asks_and_closes(struct task *t, void *arg)
{
    (void)arg;
    const char *last = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/2");
    CHECK_ERR(raw_ask(t, &w, last, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
                                "GET /1 []");
    CHECK_EQ(seen.requests, 1);
}

TEST(a_client_that_wants_a_close_gets_it)
{
    run(asks_and_closes, echo);
}

/* ---- reading ---- */

static void splits_everywhere(struct task *t, void *arg)
{
    (void)arg;
    static const char *const requests[] = {
        "\r\nPOST /p?q=1 HTTP/1.1\r\nHost: a\r\nX-Some: thing\r\nContent-Length: 5\r\n\r\nhello",
        "POST /p?q=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: z\r\n\r\n",
    };
    struct stream s;
    raw_open(t, &w, &s);
    for (size_t i = 0; i < HZ_LEN(requests); i++) {
        struct str whole = str_of(requests[i]);
        for (size_t cut = 1; cut < whole.len; cut++) {
            CHECK_OK(stream_write(t, &s, str_first(whole, cut), INT64_MAX));
            some_turns(t);
            CHECK_OK(stream_write(t, &s, str_skip(whole, cut), INT64_MAX));
            size_t got;
            char data[512];
            CHECK_OK(stream_read(t, &s, data, sizeof(data), &got, test_in_ms(1000)));
            CHECK(str_ends(str_make(data, got), STR("\r\n\r\nPOST /p?q=1 [hello]")));
        }
    }
    stream_close(&s);
}

TEST(a_request_may_be_split_at_every_byte)
{
    run(splits_everywhere, echo);
}

static void sends_byte_by_byte(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    struct str whole = STR("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    for (size_t i = 0; i < whole.len; i++) {
        CHECK_OK(stream_write(t, &s, str_make(whole.at + i, 1), INT64_MAX));
        some_turns(t);
    }
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("15", "POST /slow [ok]"));
    stream_close(&s);
}

TEST(a_request_may_come_byte_by_byte)
{
    run(sends_byte_by_byte, echo);
}

static void sends_large_bodies(struct task *t, void *arg)
{
    (void)arg;
    static const size_t sizes[] = { 3000, 4096, 65536, 1 << 20, WORLD_BODY_MAX };
    char *data = mem_alloc(WORLD_BODY_MAX);
    for (size_t i = 0; i < WORLD_BODY_MAX; i++)
        data[i] = pattern(i);
    struct stream s;
    raw_open(t, &w, &s);
    for (size_t i = 0; i < HZ_LEN(sizes); i++) {
        char head[100];
        snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                 sizes[i]);
        /* The next request follows at once: its first bytes come with the end of the body. */
        struct iovec parts[] = { { head, strlen(head) },
                                 { data, sizes[i] },
                                 { (void *)(uintptr_t)GET("/next"), sizeof(GET("/next")) - 1 } };
        CHECK_OK(stream_writev(t, &s, parts, 3, INT64_MAX));
        CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
        CHECK_STR(buf_str(&answer), SAYS("2", "ok") SAYS("2", "ok"));
        CHECK_EQ(seen.wrong_bytes, 0);
    }
    stream_close(&s);
    mem_free(data);
}

TEST(large_bodies_arrive_whole)
{
    run(sends_large_bodies, check_body);
}

static void expects_to_continue(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 100 Continue\r\n\r\n");
    raw_put(t, &s, "ok");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("11", "POST / [ok]"));
    /* Who sends the body unasked needs no interim answer. */
    raw_put(t, &s,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("11", "POST / [ok]"));
    stream_close(&s);
}

TEST(a_client_that_waits_to_continue_is_told_to)
{
    run(expects_to_continue, echo);
}

/* ---- what is settled by the head ---- */

static bool knows_everybody_but_x(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    CHECK_EQ(r->body.len, 0);
    r->context = &seen;
    if (!str_starts(r->head.target, STR("/x")))
        return true;
    CHECK_OK(http_reply(t, r, 401, STR(""), STR("no")));
    return false;
}

static void is_not_known(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT); /* before its body came */
    CHECK_STR(buf_str(&answer), "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
    raw_put(t, &s, "okPOST /y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("12", "POST /y [ok]"));
    stream_close(&s);
    static const char *const ends_far[] = { "Content-Length: 20000000", "Transfer-Encoding: chunked" };
    for (size_t i = 0; i < HZ_LEN(ends_far); i++) {
        char text[128];
        snprintf(text, sizeof(text), "POST /x HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", ends_far[i]);
        CHECK_ERR(raw_ask(t, &w, text, &answer), ERR_CLOSED);
        CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n")));
    }
    CHECK_EQ(seen.requests, 1);
}

TEST(who_is_not_admitted_is_answered_before_the_body)
{
    run_with(is_not_known, echo, (struct http_server_options) { .admit = knows_everybody_but_x });
}

/* ---- refusals ---- */

static void check_refusal(struct task *t, const char *request, const char *status, const char *why)
{
    CHECK_ERR(raw_ask(t, &w, request, &answer), ERR_CLOSED);
    CHECK_STR(str_first(str_skip(buf_str(&answer), STR("HTTP/1.1 ").len), 4), status);
    CHECK(str_find(buf_str(&answer), STR("\r\nConnection: close\r\n")) != SIZE_MAX);
    CHECK(str_find(buf_str(&answer), STR("\r\nContent-Type: application/json\r\n")) != SIZE_MAX);
    CHECK(str_find(buf_str(&answer), str_of(why)) != SIZE_MAX);
    CHECK_EQ(seen.requests, 0);
}

static const char *with_end(struct buf *b)
{
    buf_add_char(b, '\0');
    return b->at;
}

static void sends_what_is_refused(struct task *t, void *arg)
{
    (void)arg;
    check_refusal(t, "GET / HTTP/1.1\r\n\r\n", "400 ", "ERR_BAD_HTTP");
    check_refusal(t, "\x16\x03\x01\x02", "400 ", "ERR_BAD_HTTP");
    check_refusal(t, "GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", "417 ", "ERR_EXPECT");
    check_refusal(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                  "501 ", "ERR_NOT_IMPLEMENTED");
    check_refusal(t, "GET / HTTP/2.0\r\n\r\n", "505 ", "ERR_HTTP_VERSION");
    check_refusal(t,
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                  "Content-Length: 3\r\n\r\nabc",
                  "400 ", "ERR_BAD_HTTP");
    check_refusal(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                  "400 ", "chunked coding");
    check_refusal(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", "413 ",
                  "limit of 100 bytes");
    check_refusal(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n",
                  "413 ", "limit of 100 bytes");
    check_refusal(t,
                  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                  "Content-Length: 101\r\n\r\n",
                  "413 ", "limit of 100 bytes");
    check_refusal(t,
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "60\r\n"
                  "0123456789012345678901234567890123456789012345678901234567890123456789"
                  "01234567890123456789012345\r\n5\r\n01234\r\n0\r\n\r\n",
                  "413 ", "limit of 100 bytes");
    /* Announced is enough: nothing of the chunk has come. */
    check_refusal(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
                  "413 ", "limit of 100 bytes");
    check_refusal(t,
                  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "fffffffffffffff;x\r\n",
                  "413 ", "limit of 100 bytes");

    struct buf large = { 0 };
    buf_addf(&large, "GET /%0*d HTTP/1.1\r\nHost: a\r\n\r\n", 9000, 0);
    check_refusal(t, with_end(&large), "414 ", "ERR_URI_TOO_LONG");
    buf_clear(&large);
    buf_addf(&large, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d\r\n\r\n", 17000, 0);
    check_refusal(t, with_end(&large), "431 ", "ERR_HEAD_TOO_LARGE");
    buf_clear(&large);
    buf_addf(&large, "GET / HTTP/1.1\r\nHost: a\r\nX: %0*d", 40000, 0);
    check_refusal(t, with_end(&large), "431 ", "ERR_HEAD_TOO_LARGE");
    buf_fini(&large);
}

TEST(bad_requests_get_their_status_and_a_close)
{
    run_with(sends_what_is_refused, echo, (struct http_server_options) { .max_body_bytes = 100 });
}

static void pours_what_is_refused(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n");
    char *data = mem_zalloc(300000);
    CHECK_OK(stream_write(t, &s, str_make(data, 300000), INT64_MAX));
    mem_free(data);
    CHECK_ERR(raw_get(t, &s, &answer), ERR_CLOSED);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 413 ")));
    stream_close(&s);
}

TEST(a_client_still_sending_can_read_its_refusal)
{
    run_with(pours_what_is_refused, echo, (struct http_server_options) { .max_body_bytes = 100 });
}

static void never_stops_pouring(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000000\r\n\r\n");
    char *data = mem_zalloc(1 << 20);
    enum err err = OK;
    int pours = 0;
    for (; !err && pours < 64; pours++)
        err = stream_write(t, &s, str_make(data, 1 << 20), test_in_ms(5000));
    mem_free(data);
    CHECK_ERR(err, ERR_IO);
    stream_close(&s);
}

TEST(a_refused_client_that_goes_on_is_cut_off)
{
    run_with(never_stops_pouring, echo, (struct http_server_options) { .max_body_bytes = 100 });
}

/* ---- time ---- */

static void is_slow(struct task *t, const char *text, int64_t from_ms, int64_t to_ms)
{
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, text);
    int64_t began_ns = loop_now_ns(test_loop);
    char data[512];
    size_t got = 0;
    enum err err = stream_read(t, &s, data, sizeof(data), &got, test_in_ms(200000));
    int64_t passed_ms = (loop_now_ns(test_loop) - began_ns) / NS_PER_MS;
    CHECK(passed_ms >= from_ms && passed_ms < to_ms);
    buf_clear(&answer);
    buf_add(&answer, str_make(data, got));
    CHECK(err == OK || err == ERR_CLOSED);
    if (!err)
        CHECK_ERR(stream_read(t, &s, data, sizeof(data), &got, test_in_ms(100)), ERR_CLOSED);
    stream_close(&s);
}

static void dawdles(struct task *t, void *arg)
{
    (void)arg;
    is_slow(t, "", WORLD_HEAD_MS - 100, WORLD_HEAD_MS + 100);
    CHECK_EQ(answer.len, 0);
    is_slow(t, "GET / HTTP/1.1\r\nHost: a\r\nX", WORLD_HEAD_MS - 100, WORLD_HEAD_MS + 100);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 408 ")));
    is_slow(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", WORLD_BODY_MS - 100,
            WORLD_BODY_MS + 100);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 408 ")));
    is_slow(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n",
            WORLD_BODY_MS - 100, WORLD_BODY_MS + 100);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 408 ")));
    CHECK_EQ(seen.requests, 0);

    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET("/"));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_OK(task_sleep(t, WORLD_KEEP_ALIVE_MS - 1000));
    CHECK_EQ(http_server_connections(w.server), 1);
    CHECK_OK(task_sleep(t, 2000));
    CHECK_EQ(http_server_connections(w.server), 0);
    CHECK_ERR(raw_get(t, &s, &answer), ERR_CLOSED);
    stream_close(&s);
}

TEST(slow_and_silent_clients_are_let_go)
{
    run(dawdles, echo);
}

static void bring_bodies(struct task *t, void *arg)
{
    (void)arg;
    enum { HALF = 60000 };
    char *half = mem_zalloc(HALF + 1);
    memset(half, 'x', HALF);
    struct stream first, second;
    raw_open(t, &w, &first);
    raw_put(t, &first, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 120000\r\n\r\n");
    raw_put(t, &first, half);
    some_turns(t);
    static const char *const framings[] = { "Content-Length: 120000\r\n\r\n",
                                            "Transfer-Encoding: chunked\r\n\r\n1D4C0\r\n" };
    for (size_t i = 0; i < HZ_LEN(framings); i++) {
        raw_open(t, &w, &second);
        raw_put(t, &second, "POST / HTTP/1.1\r\nHost: a\r\n");
        raw_put(t, &second, framings[i]);
        raw_put(t, &second, half);
        CHECK_ERR(raw_get(t, &second, &answer), ERR_CLOSED);
        CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 503 Service Unavailable\r\n")));
        CHECK(str_find(buf_str(&answer), STR("\r\nRetry-After: 1\r\n")) != SIZE_MAX);
        stream_close(&second);
    }
    /* Who was there first is served; then there is room again. */
    raw_put(t, &first, half);
    CHECK_ERR(raw_get(t, &first, &answer), ERR_TIMEOUT);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    raw_put(t, &first, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 120000\r\n\r\n");
    raw_put(t, &first, half);
    raw_put(t, &first, half);
    CHECK_ERR(raw_get(t, &first, &answer), ERR_TIMEOUT);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    stream_close(&first);
    mem_free(half);
}

TEST(bodies_that_do_not_fit_beside_the_others_are_refused)
{
    run_with(bring_bodies, echo, (struct http_server_options) { .max_bodies_bytes = 150000 });
}

/* ---- clients that leave ---- */

static void leaves_early(struct task *t, void *arg)
{
    (void)arg;
    bool is_half = seen.wait_ms == 0;
    seen.wait_ms = 5000;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET("/"));
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 2);
    int64_t before_ns = loop_now_ns(test_loop);
    if (is_half)
        shutdown(s.watch.fd, SHUT_WR);
    else
        stream_close(&s);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 1);
    CHECK(loop_now_ns(test_loop) - before_ns < 1000 * NS_PER_MS);
    CHECK_ERR(seen.wait_result, ERR_CLIENT_GONE);
    CHECK_ERR(seen.reply_result, ERR_CLIENT_GONE);
    CHECK_EQ(world_refusals, 0);
    CHECK_EQ(http_server_connections(w.server), 0);
    stream_close(&s);
}

static void leaves_by_half(struct task *t, void *arg)
{
    seen.wait_ms = 0;
    leaves_early(t, arg);
}

static void leaves_wholly(struct task *t, void *arg)
{
    seen.wait_ms = 1;
    leaves_early(t, arg);
}

TEST(a_client_that_leaves_stops_its_handler)
{
    run(leaves_wholly, wait_and_echo);
    run(leaves_by_half, wait_and_echo);
}

static void pipelines_during_a_wait(struct task *t, void *arg)
{
    (void)arg;
    seen.wait_ms = 50;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET("/1"));
    some_turns(t);
    raw_put(t, &s, GET("/2"));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("9", "GET /1 []") SAYS("9", "GET /2 []"));
    CHECK_OK(seen.wait_result);
    stream_close(&s);
}

TEST(a_client_that_pipelines_has_not_left)
{
    run(pipelines_during_a_wait, wait_and_echo);
}

static void leaves_within_a_request(struct task *t, void *arg)
{
    (void)arg;
    static const char *const parts[] = { "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\n"
                                                     "Content-Length: 5\r\n\r\nab" };
    for (size_t i = 0; i < HZ_LEN(parts); i++) {
        struct stream s;
        raw_open(t, &w, &s);
        raw_put(t, &s, parts[i]);
        some_turns(t);
        CHECK_EQ(http_server_connections(w.server), 1);
        stream_close(&s);
        some_turns(t);
        CHECK_EQ(http_server_connections(w.server), 0);
    }
    CHECK_EQ(seen.requests, 0);
}

TEST(a_client_that_leaves_within_its_request_is_forgotten)
{
    run(leaves_within_a_request, echo);
}

/* ---- the server's own ends ---- */

static void gets_no_answer(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, GET("/"), &answer), ERR_TIMEOUT);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 500 Internal Server Error\r\n")));
    CHECK(str_find(buf_str(&answer), STR("ERR_INTERNAL")) != SIZE_MAX);
    CHECK_EQ(seen.requests, 1);
}

TEST(a_handler_that_says_nothing_is_a_500)
{
    run(gets_no_answer, say_nothing);
}

static void sees_the_drain(struct task *t, void *arg)
{
    (void)arg;
    seen.wait_ms = 50;
    struct stream idle, fresh, busy;
    raw_open(t, &w, &idle);
    raw_put(t, &idle, GET("/"));
    CHECK_ERR(raw_get(t, &idle, &answer), ERR_TIMEOUT);
    raw_open(t, &w, &fresh);
    raw_open(t, &w, &busy);
    raw_put(t, &busy, GET("/"));
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 3);

    http_server_drain(w.server);
    CHECK_EQ(http_server_connections(w.server), 1);
    CHECK_ERR(raw_get(t, &idle, &answer), ERR_CLOSED);
    CHECK_EQ(answer.len, 0);
    CHECK_ERR(raw_get(t, &busy, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
                                "GET / []");
    CHECK_EQ(http_server_connections(w.server), 0);
    stream_close(&idle);
    stream_close(&fresh);
    stream_close(&busy);
}

TEST(a_drain_closes_idle_connections_and_lets_the_others_finish)
{
    run(sees_the_drain, wait_and_echo);
}

static void sees_the_retirement(struct task *t, void *arg)
{
    (void)arg;
    struct stream idle, fresh, back;
    raw_open(t, &w, &idle);
    raw_put(t, &idle, GET("/"));
    CHECK_ERR(raw_get(t, &idle, &answer), ERR_TIMEOUT);
    raw_open(t, &w, &fresh);
    raw_open(t, &w, &back);
    some_turns(t);

    http_server_retire(w.server, true);
    CHECK_ERR(raw_get(t, &idle, &answer), ERR_TIMEOUT);
    CHECK_EQ(http_server_connections(w.server), 3);
    struct stream *const both[] = { &idle, &fresh };
    for (size_t i = 0; i < HZ_LEN(both); i++) {
        raw_put(t, both[i], GET("/"));
        CHECK_ERR(raw_get(t, both[i], &answer), ERR_CLOSED);
        CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
                                    "GET / []");
        stream_close(both[i]);
    }
    raw_open(t, &w, &fresh);
    raw_put(t, &fresh, GET("/1") GET("/2"));
    CHECK_ERR(raw_get(t, &fresh, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nGET /1 []"
                                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\n"
                                "GET /2 []");
    stream_close(&fresh);

    http_server_retire(w.server, false);
    raw_put(t, &back, GET("/"));
    CHECK_ERR(raw_get(t, &back, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("8", "GET / []"));
    stream_close(&back);
}

TEST(a_retiring_server_gives_each_connection_one_last_answer_and_closes_none_that_rests)
{
    run(sees_the_retirement, echo);
}

static void comes_third(struct task *t, void *arg)
{
    (void)arg;
    struct stream first, second;
    raw_open(t, &w, &first);
    raw_open(t, &w, &second);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 2);
    CHECK_ERR(raw_ask(t, &w, "", &answer), ERR_CLOSED);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 503 Service Unavailable\r\n")));
    CHECK_EQ(http_server_connections(w.server), 2);
    stream_close(&first);
    some_turns(t);
    CHECK_ERR(raw_ask(t, &w, GET("/"), &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("8", "GET / []"));
    stream_close(&second);
}

TEST(connections_beyond_the_limit_are_turned_away)
{
    struct peers *peers = peers_create((struct peers_limits) { .in_all = 2 });
    run_with(comes_third, echo, (struct http_server_options) { .peers = peers });
    peers_destroy(peers);
}

/* ---- another configuration ---- */

static void meets_new_limits(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET("/1"));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    struct http_server_options options = {
        .handler = echo,
        .keep_alive_ms = 500,
        .head_timeout_ms = WORLD_HEAD_MS,
        .body_timeout_ms = WORLD_BODY_MS,
        .write_timeout_ms = WORLD_WRITE_MS,
        .max_body_bytes = 3,
        .request_arena_bytes = 1 << 20,
    };
    http_server_configure(w.server, &options);
    CHECK_OK(task_sleep(t, 300));
    raw_put(t, &s, "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), SAYS("13", "POST /2 [abc]"));
    CHECK_OK(task_sleep(t, 300));
    CHECK_EQ(http_server_connections(w.server), 1);
    CHECK_OK(task_sleep(t, 300));
    CHECK_EQ(http_server_connections(w.server), 0);
    stream_close(&s);
    CHECK_ERR(raw_ask(t, &w, "POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd", &answer), ERR_CLOSED);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 413 ")));
}

TEST(new_limits_hold_for_open_connections_too)
{
    run(meets_new_limits, echo);
}

RUN_TESTS(T(bodies_that_do_not_fit_beside_the_others_are_refused), T(who_is_not_admitted_is_answered_before_the_body), T(an_idle_connection_is_kept_and_holds_no_task),
          T(pipelined_requests_are_answered_in_order), T(a_client_that_wants_a_close_gets_it),
          T(a_request_may_be_split_at_every_byte), T(a_request_may_come_byte_by_byte),
          T(large_bodies_arrive_whole), T(a_client_that_waits_to_continue_is_told_to),
          T(bad_requests_get_their_status_and_a_close),
          T(a_client_still_sending_can_read_its_refusal),
          T(a_refused_client_that_goes_on_is_cut_off), T(slow_and_silent_clients_are_let_go),
          T(a_client_that_leaves_stops_its_handler), T(a_client_that_pipelines_has_not_left),
          T(a_client_that_leaves_within_its_request_is_forgotten),
          T(a_handler_that_says_nothing_is_a_500),
          T(a_drain_closes_idle_connections_and_lets_the_others_finish),
          T(a_retiring_server_gives_each_connection_one_last_answer_and_closes_none_that_rests),
          T(connections_beyond_the_limit_are_turned_away),
          T(new_limits_hold_for_open_connections_too))
