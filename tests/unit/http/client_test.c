#include "world.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

/*
 * The client against a server that follows a script: each request that comes takes the next step,
 * whatever connection it comes over.
 */

struct step {
    const char *answer; /* NULL: none */
    size_t cut;         /* > 0: the others get a turn behind that many bytes */
    bool closes;
};

static struct {
    struct watch watch;
    int port;
    const struct step *steps;
    size_t at, count;
    int connections;
    int last_fd;         /* of the newest connection */
    struct buf requests; /* all heads */
} server;

static struct resolver *resolver;
static struct http_client *client;
static struct buf body;

static void follow_script(struct task *t, void *arg)
{
    struct stream *s = arg;
    enum err err = OK;
    bool closes = false;
    struct buf request = { 0 };
    while (!err && !closes) {
        char data[1024];
        size_t got;
        err = stream_read(t, s, data, sizeof(data), &got, INT64_MAX);
        if (err)
            break;
        buf_add(&request, str_make(data, got));
        if (str_find(buf_str(&request), STR("\r\n\r\n")) == SIZE_MAX)
            continue;
        buf_add(&server.requests, buf_str(&request));
        buf_clear(&request);
        CHECK(server.at < server.count);
        const struct step *step = &server.steps[server.at++];
        struct str answer = str_of(step->answer);
        err = stream_write(t, s, str_first(answer, step->cut), INT64_MAX);
        if (!err && step->cut)
            some_turns(t);
        if (!err)
            err = stream_write(t, s, str_skip(answer, step->cut), INT64_MAX);
        closes = step->closes;
    }
    buf_fini(&request);
    stream_close(s);
    mem_free(s);
}

static void on_connection(struct watch *watch, uint32_t ready)
{
    (void)ready;
    int fd;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct stream *s = MEM_NEW(struct stream);
        CHECK_OK(stream_open_fd(s, test_loop, fd));
        task_spawn(test_loop, "script", follow_script, s);
        server.connections++;
        server.last_fd = fd;
    }
}

struct run {
    task_fn *fn;
    const struct step *steps;
    size_t count;
};

static void run_script(struct task *t, void *arg)
{
    struct run *run = arg;
    memset(&server, 0, sizeof(server));
    server.steps = run->steps;
    server.count = run->count;
    int fd = listen_anywhere(&server.port);
    server.watch = (struct watch) { .fd = fd, .events = EPOLLIN, .on_ready = on_connection };
    CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_OK(loop_watch(test_loop, &server.watch));
    CHECK_OK(resolver_create(test_loop, &resolver));
    struct http_client_options options = { .resolver = resolver };
    client = http_client_create(test_loop, &options);

    run->fn(t, NULL);
    http_client_destroy(client);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 1);
    resolver_destroy(resolver);
    loop_unwatch(test_loop, &server.watch);
    close(fd);
    test_done();
}

static void run_steps(task_fn *fn, const struct step *steps, size_t count)
{
    struct run run = { fn, steps, count };
    test_run(run_script, &run);
    CHECK_EQ(server.at, count);
    buf_fini(&server.requests);
    buf_fini(&body);
}

#define RUN(fn, ...)                                     \
    run_steps(fn, (const struct step[]) { __VA_ARGS__ }, \
              HZ_LEN(((const struct step[]) { __VA_ARGS__ })))

/* ---- one exchange, whole ---- */

static struct http_exchange x;

static enum err exchange(struct task *t, const char *method, struct str sent)
{
    struct http_send send = {
        .origin = { .host = STR("127.0.0.1"), .port = server.port },
        .method = str_of(method),
        .target = STR("/path?q"),
        .headers = STR("X-Test: yes\r\n"),
        .body = sent,
        .connect_deadline_ns = test_in_ms(1000),
        .send_deadline_ns = test_in_ms(1000),
    };
    buf_clear(&body);
    enum err err = http_exchange_start(t, client, &x, &send);
    if (!err)
        err = http_exchange_head(t, &x, test_in_ms(1000));
    if (!err)
        err = http_exchange_read_all(t, &x, &body, test_in_ms(1000));
    return err;
}

static enum err get(struct task *t)
{
    enum err err = exchange(t, "GET", STR_NONE);
    http_exchange_end(&x);
    return err;
}

static void check_get(struct task *t, const char *expected)
{
    CHECK_OK(get(t));
    CHECK_STR(buf_str(&body), expected);
}

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void sends_two(struct task *t, void *arg)
{
    (void)arg;
    check_get(t, "hello");
    CHECK_EQ(http_client_open_connections(client), 1);
    CHECK_OK(exchange(t, "POST", STR("data")));
    CHECK(x.is_reused);
    CHECK_EQ(x.head.status, 201);
    CHECK_STR(http_head_get(&x.head, "x-answer"), "yes");
    CHECK_EQ(x.body_bytes, 0);
    http_exchange_end(&x);
    CHECK_OK(exchange(t, "POST", STR_NONE));
    http_exchange_end(&x);
    CHECK_EQ(server.connections, 1);

    char expected[400];
    snprintf(expected, sizeof(expected),
             "GET /path?q HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Test: yes\r\n\r\n"
             "POST /path?q HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Test: yes\r\n"
             "Content-Length: 4\r\n\r\ndata"
             "POST /path?q HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Test: yes\r\n"
             "Content-Length: 0\r\n\r\n",
             server.port, server.port, server.port);
    CHECK_STR(buf_str(&server.requests), expected);
}

TEST(a_connection_is_used_again)
{
    RUN(sends_two, { HELLO, 0, false },
        { "HTTP/1.1 201 Created\r\nX-Answer: yes\r\nContent-Length: 0\r\n\r\n", 0, false },
        { "HTTP/1.1 204 No Content\r\n\r\n", 0, false });
}

/* ---- bodies ---- */

static void reads_at_every_cut(struct task *t, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < server.count; i++)
        check_get(t, "hello");
    CHECK_EQ(server.connections, 1);
}

static void cut_everywhere(const char *answer)
{
    static struct step steps[200];
    size_t n = 0;
    for (; n + 1 < strlen(answer); n++)
        steps[n] = (struct step) { answer, n + 1, false };
    run_steps(reads_at_every_cut, steps, n);
}

TEST(an_answer_may_be_split_at_every_byte)
{
    cut_everywhere("HTTP/1.1 200 OK\r\nX-Some: header\r\nContent-Length: 5\r\n\r\nhello");
    cut_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "2;x\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n");
    cut_everywhere(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" HELLO);
}

static void reads_until_close(struct task *t, void *arg)
{
    (void)arg;
    check_get(t, "until the end");
    CHECK_EQ(http_client_open_connections(client), 0);
    check_get(t, "hello");
    CHECK_EQ(server.connections, 2);
    CHECK_EQ(http_client_open_connections(client), 0);
}

TEST(a_body_without_a_length_ends_with_the_connection)
{
    RUN(reads_until_close, { "HTTP/1.1 200 OK\r\n\r\nuntil the end", 25, true },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", 0, false });
}

static void asks_for_heads(struct task *t, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_OK(exchange(t, "HEAD", STR_NONE));
        CHECK_EQ(body.len, 0);
        CHECK(x.is_body_done);
        http_exchange_end(&x);
    }
    CHECK_EQ(server.connections, 1);
}

TEST(the_answer_to_head_has_no_body)
{
    RUN(asks_for_heads, { "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", 0, false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, false });
}

static void reads_run_by_run(struct task *t, void *arg)
{
    (void)arg;
    struct http_send send = { .origin = { .host = STR("127.0.0.1"), .port = server.port },
                              .method = STR("GET"),
                              .target = STR("/"),
                              .connect_deadline_ns = test_in_ms(1000),
                              .send_deadline_ns = test_in_ms(1000) };
    CHECK_OK(http_exchange_start(t, client, &x, &send));
    CHECK_OK(http_exchange_head(t, &x, test_in_ms(1000)));
    struct str data;
    CHECK_OK(http_exchange_read(t, &x, &data, test_in_ms(1000)));
    CHECK_STR(data, "ab"); /* two chunks that came together */
    CHECK(!x.is_body_done);
    CHECK_OK(http_exchange_read(t, &x, &data, test_in_ms(1000)));
    CHECK_STR(data, "c");
    CHECK(x.is_body_done);
    CHECK_OK(http_exchange_read(t, &x, &data, test_in_ms(1000)));
    CHECK_EQ(data.len, 0);
    CHECK_EQ(x.body_bytes, 3);
    http_exchange_end(&x);
}

TEST(chunks_that_came_together_are_one_run_of_data)
{
    RUN(reads_run_by_run,
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n"
          "0\r\n\r\n",
          59, false });
}

static void limits_the_body(struct task *t, void *arg)
{
    (void)arg;
    body.limit = 4;
    CHECK_ERR(get(t), ERR_TOO_LARGE);
    CHECK_EQ(body.len, 0);
    body.limit = 5;
    check_get(t, "hello");
    body.limit = 0;
}

TEST(a_body_past_the_callers_limit_is_refused)
{
    RUN(limits_the_body, { HELLO, 0, false }, { HELLO, 0, false });
}

/* ---- broken answers ---- */

static void fails_each_time(struct task *t, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < server.count; i++) {
        CHECK_ERR(get(t), ERR_UPSTREAM_BROKEN);
        CHECK(str_starts(str_of(x.detail), STR("127.0.0.1:")));
        CHECK_EQ(http_client_open_connections(client), 0);
    }
    CHECK_EQ(server.connections, server.count);
}

TEST(an_answer_that_ends_early_is_broken)
{
    RUN(fails_each_time, { NULL, 0, true }, { "HTTP/1.1 200", 0, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 0, true },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 0, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", 0, true },
        { "HTTP/1.1 100 Continue\r\n\r\n", 0, true });
}

TEST(an_answer_that_is_garbage_is_broken)
{
    RUN(fails_each_time, { "SSH-2.0-OpenSSH\r\n", 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, false },
        { "HTTP/1.1 101 Switching Protocols\r\n\r\n", 0, false });
}

static void waits_in_vain(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(get(t), ERR_TIMEOUT);
    CHECK_ERR(get(t), ERR_TIMEOUT);
    CHECK_STR(buf_str(&body), "he");
    CHECK_EQ(http_client_open_connections(client), 0);
}

TEST(a_silent_server_is_a_timeout)
{
    RUN(waits_in_vain, { NULL, 0, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", 0, false });
}

/* ---- kept connections ---- */

static void is_cut_off_after_sending(struct task *t, void *arg)
{
    (void)arg;
    check_get(t, "hello");
    CHECK_ERR(exchange(t, "POST", STR("data")), ERR_UPSTREAM_BROKEN);
    CHECK(x.is_reused);
    http_exchange_end(&x);
    CHECK_EQ(server.connections, 1);
    CHECK_EQ(http_client_open_connections(client), 0);
}

TEST(a_request_that_a_server_may_have_worked_on_is_not_sent_again)
{
    RUN(is_cut_off_after_sending, { HELLO, 0, false }, { NULL, 0, true });
}

static void meets_a_stale_connection(struct task *t, void *arg)
{
    (void)arg;
    check_get(t, "hello");
    /* The loop has had no turn to hear of it. */
    CHECK_EQ(shutdown(server.last_fd, SHUT_WR), 0);
    CHECK_EQ(http_client_open_connections(client), 1);
    CHECK_OK(exchange(t, "POST", STR("data")));
    CHECK(!x.is_reused);
    CHECK_STR(buf_str(&body), "hello");
    http_exchange_end(&x);
    CHECK_EQ(server.connections, 2);
    CHECK_EQ(http_client_open_connections(client), 1);
}

TEST(a_kept_connection_that_was_closed_unnoticed_is_not_used)
{
    RUN(meets_a_stale_connection, { HELLO, 0, false }, { HELLO, 0, false });
}

static void breaks_after_bytes(struct task *t, void *arg)
{
    (void)arg;
    check_get(t, "hello");
    CHECK_ERR(get(t), ERR_UPSTREAM_BROKEN);
    CHECK_EQ(server.connections, 1);
}

TEST(an_answer_that_has_begun_is_not_asked_for_again)
{
    RUN(breaks_after_bytes, { HELLO, 0, false }, { "H", 0, true });
}

static void check_kept_then_lost(struct task *t)
{
    check_get(t, "hello");
    CHECK_EQ(http_client_open_connections(client), 1);
    CHECK_OK(task_sleep(t, 10));
    CHECK_EQ(http_client_open_connections(client), 0);
}

static void loses_idle_connections(struct task *t, void *arg)
{
    (void)arg;
    check_kept_then_lost(t); /* closes */
    check_kept_then_lost(t); /* speaks */
    check_get(t, "hello");   /* said too much at once */
    CHECK_EQ(http_client_open_connections(client), 0);
    check_get(t, "hello"); /* grows old */
    CHECK_OK(task_sleep(t, 54000));
    CHECK_EQ(http_client_open_connections(client), 1);
    CHECK_OK(task_sleep(t, 2000));
    CHECK_EQ(http_client_open_connections(client), 0);
    CHECK_EQ(server.connections, 4);
}

TEST(a_kept_connection_goes_when_it_closes_speaks_or_grows_old)
{
    size_t len = strlen(HELLO);
    RUN(loses_idle_connections, { HELLO, len, true }, { HELLO "HTTP/1.1 200 OK\r\n", len, false },
        { HELLO "!", 0, false }, { HELLO, 0, false });
}

/* The bytes after it were not read with the answer, nor will an edge announce them. */
static void leaves_bytes_behind(struct task *t, void *arg)
{
    (void)arg;
    CHECK_OK(get(t));
    CHECK_EQ(http_client_open_connections(client), 0);
    check_get(t, "hello");
    CHECK_EQ(server.connections, 2);
}

TEST(a_connection_with_unread_bytes_is_not_kept)
{
    /* The whole answer is as long as one read of the client. */
    enum { FILLER = 4050 };
    static char full[4096 + 2];
    snprintf(full, sizeof(full), "HTTP/1.1 200 OK\r\nX: %0*d\r\nContent-Length: 3\r\n\r\nabc!",
             FILLER, 0);
    CHECK_EQ(strlen(full), 4097);
    RUN(leaves_bytes_behind, { full, 0, false }, { HELLO, 0, false });
}

static void ends_in_the_middle(struct task *t, void *arg)
{
    (void)arg;
    struct http_send send = { .origin = { .host = STR("127.0.0.1"), .port = server.port },
                              .method = STR("GET"),
                              .target = STR("/"),
                              .connect_deadline_ns = test_in_ms(1000),
                              .send_deadline_ns = test_in_ms(1000) };
    CHECK_OK(http_exchange_start(t, client, &x, &send));
    http_exchange_end(&x);
    CHECK_OK(http_exchange_start(t, client, &x, &send));
    CHECK_OK(http_exchange_head(t, &x, test_in_ms(1000)));
    http_exchange_end(&x);
    CHECK_EQ(http_client_open_connections(client), 0);
    http_exchange_end(&x);
    http_exchange_end(NULL);
    some_turns(t);
}

TEST(an_exchange_may_end_anywhere)
{
    RUN(ends_in_the_middle, { HELLO, 0, false }, { HELLO, 0, false });
}

/* ---- requests that do not get through ---- */

static void gets_an_early_answer(struct task *t, void *arg)
{
    (void)arg;
    char *data = mem_zalloc(8 << 20);
    CHECK_OK(exchange(t, "POST", str_make(data, 8 << 20)));
    CHECK_EQ(x.head.status, 413);
    http_exchange_end(&x);
    CHECK_EQ(http_client_open_connections(client), 0);
    mem_free(data);
}

TEST(an_answer_that_comes_before_the_body_was_sent_counts)
{
    RUN(gets_an_early_answer,
        { "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge", 0, true });
}

static void cannot_connect(struct task *t, void *arg)
{
    (void)arg;
    int port;
    close(listen_anywhere(&port));
    struct http_send send = { .origin = { .host = STR("127.0.0.1"), .port = port },
                              .method = STR("GET"),
                              .target = STR("/"),
                              .connect_deadline_ns = test_in_ms(1000),
                              .send_deadline_ns = test_in_ms(1000) };
    CHECK_ERR(http_exchange_start(t, client, &x, &send), ERR_UPSTREAM_CONNECT);
    char expected[64];
    snprintf(expected, sizeof(expected), "127.0.0.1:%d: Connection refused", port);
    assert_string_equal(x.detail, expected);
    http_exchange_end(&x);
    send.origin.host = STR("no..name");
    CHECK_ERR(http_exchange_start(t, client, &x, &send), ERR_DNS);
    CHECK(str_starts(str_of(x.detail), STR("no..name: ")));
    http_exchange_end(&x);
    CHECK_EQ(http_client_open_connections(client), 0);
}

TEST(a_failed_connection_says_to_whom_and_why)
{
    run_steps(cannot_connect, NULL, 0);
}

/* ---- names with two addresses ---- */

static struct name_server names;

static enum err start_at_pair(struct task *t, int port)
{
    struct http_send send = { .origin = { .host = STR("pair.test"), .port = port },
                              .method = STR("GET"),
                              .target = STR("/"),
                              .connect_deadline_ns = test_in_ms(1000),
                              .send_deadline_ns = test_in_ms(3000) };
    enum err err = http_exchange_start(t, client, &x, &send);
    http_exchange_end(&x);
    return err;
}

/* A listener on 127.0.0.2 whose full queue lets connections hang. */
static int hanging_listener(int port, int fillers[4])
{
    struct address a;
    CHECK(address_parse(STR("127.0.0.2"), port, &a));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, &a.any, a.len), 0);
    CHECK_EQ(listen(fd, 0), 0);
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int unused = connect(fillers[i], &a.any, a.len);
        (void)unused;
    }
    return fd;
}

static void tries_both_addresses(struct task *t, void *arg)
{
    (void)arg;
    name_server_open(&names);
    CHECK_OK(resolver_set_servers(resolver, str_of(names.address)));

    /* Nobody listens at the first address: refused, and on to the second at once. */
    int64_t began_ns = loop_now_ns(test_loop);
    CHECK_OK(start_at_pair(t, server.port));
    CHECK(loop_now_ns(test_loop) - began_ns < 100 * NS_PER_MS);

    /* It hangs: half of the time is for it. */
    int fillers[4];
    int hanging = hanging_listener(server.port, fillers);
    began_ns = loop_now_ns(test_loop);
    CHECK_OK(start_at_pair(t, server.port));
    int64_t passed_ms = (loop_now_ns(test_loop) - began_ns) / NS_PER_MS;
    CHECK(passed_ms >= 490 && passed_ms < 600);
    close(hanging);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);

    some_turns(t);
    name_server_close(&names);
}

TEST(a_dead_first_address_leaves_time_for_the_second)
{
    run_steps(tries_both_addresses, (const struct step[]) { { NULL, 0, true }, { NULL, 0, true } },
              2);
}

RUN_TESTS(T(a_connection_is_used_again), T(an_answer_may_be_split_at_every_byte),
          T(a_body_without_a_length_ends_with_the_connection), T(the_answer_to_head_has_no_body),
          T(chunks_that_came_together_are_one_run_of_data),
          T(a_body_past_the_callers_limit_is_refused), T(an_answer_that_ends_early_is_broken),
          T(an_answer_that_is_garbage_is_broken), T(a_silent_server_is_a_timeout),
          T(a_request_that_a_server_may_have_worked_on_is_not_sent_again),
          T(a_kept_connection_that_was_closed_unnoticed_is_not_used),
          T(an_answer_that_has_begun_is_not_asked_for_again),
          T(a_kept_connection_goes_when_it_closes_speaks_or_grows_old),
          T(a_connection_with_unread_bytes_is_not_kept), T(an_exchange_may_end_anywhere),
          T(an_answer_that_comes_before_the_body_was_sent_counts),
          T(a_failed_connection_says_to_whom_and_why),
          T(a_dead_first_address_leaves_time_for_the_second))
