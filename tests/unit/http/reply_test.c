#include "world.h"

/* What answers look like on the wire, and what the reply functions return. */

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct world w;
static struct buf answer;
static enum err results[4];

struct run {
    task_fn *fn;
    http_handler_fn *handler;
};

static void run_in_world(struct task *t, void *arg)
{
    struct run *run = arg;
    world_open(&w, run->handler, NULL, NULL);
    run->fn(t, NULL);
    some_turns(t);
    world_close(&w);
    test_done();
}

static void run(task_fn *fn, http_handler_fn *handler)
{
    struct run run = { fn, handler };
    memset(results, 0, sizeof(results));
    test_run(run_in_world, &run);
    buf_fini(&answer);
}

/* ---- whole answers ---- */

static void reply_by_path(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    int status = (r->head.path.at[1] - '0') * 100 + (r->head.path.at[2] - '0') * 10 +
                 (r->head.path.at[3] - '0');
    CHECK_OK(http_reply(t, r, status, STR("X-A: 1\r\nX-B: 2\r\n"), STR("body")));
    CHECK(r->is_answered);
    CHECK_EQ(r->status, status);
    CHECK_ERR(http_reply(t, r, 200, STR(""), STR("again")), ERR_INTERNAL);
}

static void asks_for_each_kind(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer),
              "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: 1\r\nX-B: 2\r\n\r\nbody");
    CHECK_ERR(raw_ask(t, &w, "HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    CHECK_ERR(raw_ask(t, &w, "GET /204 HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 204 No Content\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    CHECK_ERR(raw_ask(t, &w, "GET /304 HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 304 Not Modified\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    CHECK_ERR(raw_ask(t, &w, "GET /200 HTTP/1.0\r\nHost: a\r\n\r\n", &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n"
                                "X-A: 1\r\nX-B: 2\r\n\r\nbody");
}

TEST(answers_without_a_body_have_none)
{
    run(asks_for_each_kind, reply_by_path);
}

static void keeps_none_alive(struct task *t, void *arg)
{
    (void)arg;
    struct http_server_options options = {
        .handler = reply_by_path,
        .head_timeout_ms = WORLD_HEAD_MS,
        .body_timeout_ms = WORLD_BODY_MS,
        .write_timeout_ms = WORLD_WRITE_MS,
        .request_arena_bytes = 1 << 20,
    };
    http_server_configure(w.server, &options);
    CHECK_ERR(raw_ask(t, &w, "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n"
                                "X-A: 1\r\nX-B: 2\r\n\r\nbody");
}

TEST(where_no_connection_is_kept_each_answer_says_so)
{
    run(keeps_none_alive, reply_by_path);
}

static void reads_the_date(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, "GET /200 HTTP/1.1\r\nHost: a\r\n\r\n");
    char data[512];
    size_t got;
    CHECK_OK(stream_read(t, &s, data, sizeof(data), &got, test_in_ms(1000)));
    struct str text = { data, got };
    size_t at = str_find(text, STR("\r\nDate: "));
    CHECK(at != SIZE_MAX);
    struct str date = str_first(str_skip(text, at + 8), 29);
    CHECK(str_ends(date, STR(" GMT")));
    CHECK_EQ(str_find_char(date, ','), 3);
    CHECK(str_starts(str_skip(text, at + 8 + 29), STR("\r\n")));
    stream_close(&s);
}

TEST(every_answer_has_its_date)
{
    run(reads_the_date, reply_by_path);
}

/* ---- streams ---- */

static void reply_in_parts(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    CHECK_OK(http_reply_begin(t, r, 200, STR("X-A: 1\r\n")));
    CHECK(!r->is_answered);
    CHECK_OK(task_sleep(t, 50));
    CHECK_OK(http_reply_part(t, r, STR("first")));
    CHECK(r->is_answered);
    CHECK_OK(task_sleep(t, 500));
    CHECK_OK(http_reply_part(t, r, STR("")));
    CHECK_OK(http_reply_end(t, r, STR("the last sixteen")));
    CHECK_EQ(r->bytes_out, 21);
    CHECK_ERR(http_reply_part(t, r, STR("more")), ERR_INTERNAL);
}

static void reads_parts(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET);
    /* raw_get stops after 100 ms of silence, so it sees the parts one by one. */
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
                                "5\r\nfirst\r\n");
    CHECK_OK(task_sleep(t, 500));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "10\r\nthe last sixteen\r\n0\r\n\r\n");
    /* The connection lives on. */
    raw_put(t, &s, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_OK(task_sleep(t, 600));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n");
    stream_close(&s);
}

static void reply_in_parts_to_head(struct task *t, struct http_request *r, void *arg)
{
    if (str_is(r->head.method, "GET")) {
        reply_in_parts(t, r, arg);
        return;
    }
    CHECK_OK(http_reply_begin(t, r, 200, STR("X-A: 1\r\n")));
    CHECK_OK(http_reply_part(t, r, STR("unseen")));
    CHECK_OK(http_reply_end(t, r, STR("")));
    CHECK_EQ(r->bytes_out, 0);
}

TEST(a_stream_goes_out_part_by_part_and_the_head_with_the_first)
{
    run(reads_parts, reply_in_parts_to_head);
}

static void reads_old_style(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, "GET / HTTP/1.0\r\n\r\n");
    CHECK_OK(task_sleep(t, 1000));
    CHECK_ERR(raw_get(t, &s, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nConnection: close\r\nX-A: 1\r\n\r\n"
                                "firstthe last sixteen");
    stream_close(&s);
}

TEST(an_http_1_0_client_reads_a_stream_until_the_close)
{
    run(reads_old_style, reply_in_parts);
}

static void reply_and_forget_the_end(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    CHECK_OK(http_reply_begin(t, r, 200, STR("")));
    CHECK_OK(http_reply_part(t, r, STR("half")));
}

static void reads_a_cut(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, GET, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
}

TEST(a_stream_without_an_end_is_cut_not_ended)
{
    run(reads_a_cut, reply_and_forget_the_end);
}

static void hang_up(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    if (str_is(r->head.path, "/answered"))
        CHECK_OK(http_reply(t, r, 200, STR(""), STR("bye")));
    http_request_abort(r);
}

static void is_hung_up_on(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, GET, &answer), ERR_CLOSED);
    CHECK_EQ(answer.len, 0);
    CHECK_ERR(raw_ask(t, &w, "GET /answered HTTP/1.1\r\nHost: a\r\n\r\n", &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye");
}

TEST(an_aborted_request_gets_no_answer_but_a_close)
{
    run(is_hung_up_on, hang_up);
}

static void reply_otherwise(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    CHECK_OK(http_reply_begin(t, r, 200, STR("")));
    CHECK_OK(http_reply(t, r, 502, STR(""), STR("sorry")));
    CHECK_ERR(http_reply_end(t, r, STR("late")), ERR_INTERNAL);
}

static void reads_the_error(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, GET, &answer), ERR_TIMEOUT);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry");
}

TEST(a_begun_answer_can_become_an_error_while_nothing_was_sent)
{
    run(reads_the_error, reply_otherwise);
}

/* ---- clients that do not read, and stops ---- */

enum { LARGE = 64 << 20 };

static void reply_large(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    char *data = mem_zalloc(LARGE);
    results[0] = http_reply(t, r, 200, STR(""), str_make(data, LARGE));
    results[1] = http_reply(t, r, 200, STR(""), STR("more"));
    mem_free(data);
}

static void does_not_read(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET);
    CHECK_OK(task_sleep(t, WORLD_WRITE_MS - 1000));
    CHECK_EQ(http_server_connections(w.server), 1);
    CHECK_OK(task_sleep(t, 2000));
    CHECK_EQ(http_server_connections(w.server), 0);
    CHECK_ERR(results[0], ERR_CLIENT_GONE);
    stream_close(&s);
}

TEST(a_client_that_does_not_read_is_gone_after_the_write_timeout)
{
    run(does_not_read, reply_large);
}

static void leaves_while_reading(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 1);
    stream_close(&s);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 0);
    CHECK_ERR(results[0], ERR_CLIENT_GONE);
}

TEST(a_client_that_leaves_ends_a_write_at_once)
{
    run(leaves_while_reading, reply_large);
}

static void pass_the_deadline(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    task_set_deadline(t, test_in_ms(50));
    results[0] = task_sleep(t, 60000);
    results[1] = http_reply(t, r, 504, STR(""), STR("late"));
}

static void reads_the_late_answer(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(raw_ask(t, &w, GET GET, &answer), ERR_CLOSED);
    CHECK_STR(buf_str(&answer), "HTTP/1.1 504 Gateway Timeout\r\nConnection: close\r\n"
                                "Content-Length: 4\r\n\r\nlate");
    CHECK_ERR(results[0], ERR_DEADLINE);
    CHECK_OK(results[1]);
}

TEST(a_handler_past_its_deadline_can_still_say_so)
{
    run(reads_the_late_answer, pass_the_deadline);
}

static void settle_and_reply(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    results[0] = task_sleep(t, 60000);
    task_shield(t, 1000);
    results[1] = task_sleep(t, 100);
    results[2] = http_reply(t, r, 200, STR(""), STR(""));
}

static void leaves_a_shielded_handler(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET);
    some_turns(t);
    stream_close(&s);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 2);
    CHECK_OK(task_sleep(t, 200));
    CHECK_EQ(task_count(test_loop), 1);
    CHECK_ERR(results[0], ERR_CLIENT_GONE);
    CHECK_OK(results[1]);
    CHECK_ERR(results[2], ERR_CLIENT_GONE);
}

TEST(a_shielded_handler_finishes_though_its_client_left)
{
    run(leaves_a_shielded_handler, settle_and_reply);
}

static void shield_then_wait(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    if (str_is(r->head.path, "/wait"))
        results[0] = task_sleep(t, 60000);
    task_shield(t, 600000);
    results[1] = http_reply(t, r, 200, STR(""), STR(""));
}

static void leaves_the_second_request(struct task *t, void *arg)
{
    (void)arg;
    struct stream s;
    raw_open(t, &w, &s);
    raw_put(t, &s, GET "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    some_turns(t);
    stream_close(&s);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 1);
    CHECK_ERR(results[0], ERR_CLIENT_GONE);
}

TEST(a_shield_ends_with_its_request)
{
    run(leaves_the_second_request, shield_then_wait);
}

RUN_TESTS(T(answers_without_a_body_have_none), T(where_no_connection_is_kept_each_answer_says_so), T(every_answer_has_its_date),
          T(a_stream_goes_out_part_by_part_and_the_head_with_the_first),
          T(an_http_1_0_client_reads_a_stream_until_the_close),
          T(a_stream_without_an_end_is_cut_not_ended),
          T(an_aborted_request_gets_no_answer_but_a_close),
          T(a_begun_answer_can_become_an_error_while_nothing_was_sent),
          T(a_client_that_does_not_read_is_gone_after_the_write_timeout),
          T(a_client_that_leaves_ends_a_write_at_once),
          T(a_handler_past_its_deadline_can_still_say_so),
          T(a_shielded_handler_finishes_though_its_client_left), T(a_shield_ends_with_its_request))
