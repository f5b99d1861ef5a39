#include "world.h"

#include "http/server_private.h"
#include "net/tls.h"

/* Our client against our server: over plain TCP and TLS, and stopped at every wait. */

enum { LARGE = 2 << 20 };

static struct world w;
static struct http_exchange x;
static struct buf answer;
static bool was_resumed;

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static size_t wrong_bytes(struct str s)
{
    size_t wrong = 0;
    for (size_t i = 0; i < s.len; i++)
        wrong += s.at[i] != pattern(i);
    return wrong;
}

/* The body comes back in parts of growing size. */
static void echo_in_parts(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    SSL *ssl = r->connection->stream.ssl;
    was_resumed = ssl && SSL_session_reused(ssl);
    struct str rest = r->body;
    enum err err = http_reply_begin(t, r, 200, STR("X-Kind: echo\r\n"));
    for (size_t size = 1; !err && rest.len > size; size *= 3) {
        err = http_reply_part(t, r, str_first(rest, size));
        rest = str_skip(rest, size);
        if (!err)
            err = task_sleep(t, 1);
    }
    if (!err)
        err = http_reply_end(t, r, rest);
}

static enum err ask(struct task *t, struct str body)
{
    struct http_send send;
    world_send(&w, "POST", "/echo", body, &send);
    enum err err = http_exchange_start(t, w.client, &x, &send);
    if (!err)
        err = http_exchange_head(t, &x, test_in_ms(5000));
    if (!err)
        err = http_exchange_read_all(t, &x, &answer, test_in_ms(5000));
    http_exchange_end(&x);
    return err;
}

struct run {
    task_fn *fn;
    SSL_CTX *tls;
    size_t stop_at;
};

static void run_in_world(struct task *t, void *arg)
{
    struct run *run = arg;
    struct http_server_options options = { .tls = run->tls };
    world_open(&w, echo_in_parts, NULL, &options);
    run->fn(t, run);
    http_client_drop_idle(w.client);
    some_turns(t);
    CHECK_EQ(http_server_connections(w.server), 0);
    world_close(&w);
    test_done();
}

static SSL_CTX *server_tls(enum certificate which)
{
    const struct test_files *files = test_certificates();
    struct fail fail = { 0 };
    SSL_CTX *tls;
    CHECK_OK(tls_server_context(files->certificate[which], files->key, &tls, &fail));
    return tls;
}

static void run_plain_and_tls(task_fn *fn)
{
    struct run run = { .fn = fn };
    test_run(run_in_world, &run);
    run.tls = server_tls(CERT_GOOD);
    test_run(run_in_world, &run);
    SSL_CTX_free(run.tls);
    buf_fini(&answer);
}

/* ---- whole ---- */

static void echoes(struct task *t, void *arg)
{
    (void)arg;
    char *data = mem_alloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = pattern(i);
    static const size_t sizes[] = { 0, 1, 1500, 20000, LARGE };
    for (size_t i = 0; i < HZ_LEN(sizes); i++) {
        buf_clear(&answer);
        CHECK_OK(ask(t, str_make(data, sizes[i])));
        CHECK_EQ(answer.len, sizes[i]);
        CHECK_EQ(wrong_bytes(buf_str(&answer)), 0);
        some_turns(t);
        CHECK_EQ(http_client_open_connections(w.client), 1);
        CHECK_EQ(task_count(test_loop), 1);
    }
    CHECK_EQ(http_server_connections(w.server), 1);
    mem_free(data);
}

TEST(bodies_of_all_sizes_come_back_over_one_connection)
{
    run_plain_and_tls(echoes);
}

static void reconnects(struct task *t, void *arg)
{
    (void)arg;
    CHECK_OK(ask(t, STR("first")));
    CHECK(!was_resumed);
    http_client_drop_idle(w.client);
    CHECK_OK(ask(t, STR("second")));
    CHECK(was_resumed);
}

TEST(a_new_tls_connection_resumes_the_session)
{
    struct run run = { .fn = reconnects, .tls = server_tls(CERT_GOOD) };
    test_run(run_in_world, &run);
    SSL_CTX_free(run.tls);
    buf_fini(&answer);
}

static void distrusts(struct task *t, void *arg)
{
    (void)arg;
    CHECK_ERR(ask(t, STR("secret")), ERR_TLS);
    char expected[100];
    snprintf(expected, sizeof(expected), "127.0.0.1:%d: certificate: IP address mismatch", w.port);
    assert_string_equal(x.detail, expected);
    w.origin.ca_file = STR("/nowhere/ca.pem");
    CHECK_ERR(ask(t, STR("secret")), ERR_TLS);
    CHECK(str_starts(str_of(x.detail), STR("cannot use the CA file '/nowhere/ca.pem'")));
    CHECK_EQ(http_client_open_connections(w.client), 0);
}

TEST(a_server_with_another_name_is_refused)
{
    struct run run = { .fn = distrusts, .tls = server_tls(CERT_OTHER_NAME) };
    test_run(run_in_world, &run);
    SSL_CTX_free(run.tls);
}

static void speaks_plainly(struct task *t, void *arg)
{
    (void)arg;
    CHECK(raw_ask(t, &w, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &answer) != ERR_TIMEOUT);
    CHECK(str_find(buf_str(&answer), STR("HTTP")) == SIZE_MAX);
    CHECK_EQ(http_server_connections(w.server), 0);
    struct stream silent;
    raw_open(t, &w, &silent);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 1); /* no handshake has begun */
    CHECK_EQ(http_server_connections(w.server), 1);
    raw_put(t, &silent, "\x16\x03\x01");
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 2);
    CHECK_OK(task_sleep(t, WORLD_HEAD_MS + 1000));
    CHECK_EQ(http_server_connections(w.server), 0);
    stream_close(&silent);
}

TEST(a_tls_server_lets_go_who_does_not_shake_hands)
{
    struct run run = { .fn = speaks_plainly, .tls = server_tls(CERT_GOOD) };
    test_run(run_in_world, &run);
    SSL_CTX_free(run.tls);
    buf_fini(&answer);
}

static void shake_hands(struct task *t, struct stream *s)
{
    SSL_CTX *ctx;
    struct fail fail = { 0 };
    raw_open(t, &w, s);
    CHECK_OK(tls_client_context(test_certificates()->ca, &ctx, &fail));
    CHECK_OK(stream_tls_connect(t, s, ctx, "127.0.0.1", NULL, test_in_ms(1000)));
    SSL_CTX_free(ctx);
}

/* Whatever the time between two requests is. */
static void keep_none_alive(void)
{
    struct http_server_options options = {
        .handler = echo_in_parts,
        .tls = w.tls,
        .head_timeout_ms = WORLD_HEAD_MS,
        .body_timeout_ms = WORLD_BODY_MS,
        .write_timeout_ms = WORLD_WRITE_MS,
        .max_body_bytes = WORLD_BODY_MAX,
        .request_arena_bytes = 1 << 20,
    };
    http_server_configure(w.server, &options);
}

static void shakes_hands_and_is_late(struct task *t, void *arg)
{
    (void)arg;
    struct stream in_time, silent;
    keep_none_alive();
    shake_hands(t, &in_time);
    shake_hands(t, &silent);
    CHECK_OK(task_sleep(t, WORLD_HEAD_MS - 1000));
    CHECK_EQ(http_server_connections(w.server), 2);
    raw_put(t, &in_time, "GET / HTTP/1.1\r\nHost: a\r\n");
    some_turns(t);
    raw_put(t, &in_time, "\r\n");
    CHECK(raw_get(t, &in_time, &answer) != OK);
    CHECK(str_starts(buf_str(&answer), STR("HTTP/1.1 200 OK\r\n")));
    CHECK_OK(task_sleep(t, 2000));
    CHECK_EQ(http_server_connections(w.server), 0);
    stream_close(&in_time);
    stream_close(&silent);
}

TEST(the_first_head_has_its_time_after_a_handshake_too)
{
    struct run run = { .fn = shakes_hands_and_is_late, .tls = server_tls(CERT_GOOD) };
    test_run(run_in_world, &run);
    SSL_CTX_free(run.tls);
    buf_fini(&answer);
}

/* ---- stopped at every wait ---- */

static struct task *conductor;
static bool has_stopped;
static enum err asked;

static void stop_at(void *arg, struct task *t, size_t nth)
{
    struct run *run = arg;
    if (nth != run->stop_at)
        return;
    has_stopped = true;
    if (t != conductor)
        task_stop(t, ERR_CLIENT_GONE);
}

static void asks_once(struct task *t, void *arg)
{
    (void)arg;
    buf_clear(&answer);
    asked = ask(t, STR("a body of some length"));
}

static void is_stopped(struct task *t, void *arg)
{
    conductor = t;
    has_stopped = false;
    task_set_stack_painting(test_loop, true);
    struct task *asker = task_spawn_joinable(test_loop, "asker", asks_once, NULL);
    task_set_wait_hook(test_loop, stop_at, arg);
    task_join(t, asker);
    task_set_wait_hook(test_loop, NULL, NULL);
    some_turns(t);
    CHECK_EQ(task_count(test_loop), 1);
    CHECK(http_client_open_connections(w.client) <= 1);
    /* Red zones make frames several times larger. */
#ifndef HZ_ASAN
    CHECK(task_stack_peak(test_loop) < TASK_STACK_BYTES / 2);
#endif
}

static size_t stop_everywhere(SSL_CTX *tls)
{
    struct run run = { .fn = is_stopped, .tls = tls };
    for (;; run.stop_at++) {
        test_run(run_in_world, &run);
        if (!has_stopped)
            break;
        CHECK(run.stop_at < 100);
    }
    CHECK_OK(asked);
    CHECK_STR(buf_str(&answer), "a body of some length");
    buf_fini(&answer);
    return run.stop_at;
}

TEST(a_stop_at_any_wait_leaves_nothing_open)
{
    CHECK(stop_everywhere(NULL) > 5);
    SSL_CTX *tls = server_tls(CERT_GOOD);
    CHECK(stop_everywhere(tls) > 7);
    SSL_CTX_free(tls);
}

RUN_TESTS(T(bodies_of_all_sizes_come_back_over_one_connection),
          T(a_new_tls_connection_resumes_the_session), T(a_server_with_another_name_is_refused),
          T(a_tls_server_lets_go_who_does_not_shake_hands),
          T(the_first_head_has_its_time_after_a_handshake_too),
          T(a_stop_at_any_wait_leaves_nothing_open))
