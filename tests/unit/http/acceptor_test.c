#include "world.h"

#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static void greet(struct task *t, struct http_request *r, void *arg)
{
    (void)arg;
    enum err err = http_reply(t, r, 200, STR(""), STR("hello"));
    (void)err;
}

static const struct http_server_options options = {
    .handler = greet,
    .keep_alive_ms = 75000,
    .head_timeout_ms = 10000,
    .body_timeout_ms = 30000,
    .write_timeout_ms = 30000,
    .max_body_bytes = 1000,
    .request_arena_bytes = 1 << 20,
};

/* ---- opening ---- */

static void opens(struct task *t, void *arg)
{
    (void)t, (void)arg;
    struct http_server *server = http_server_create(test_loop, &options);
    struct acceptor_target target = { test_loop, server };
    struct acceptor *first, *second;
    struct fail fail = { 0 };
    CHECK_OK(acceptor_open("localhost", 0, &target, 1, &first, &fail));
    CHECK(acceptor_port(first) > 0);
    CHECK_ERR(acceptor_open("127.0.0.1", acceptor_port(first), &target, 1, &second, &fail), ERR_IO);
    char expected[160];
    snprintf(expected, sizeof(expected),
             "cannot listen on 127.0.0.1:%d: Address already in use; stop the program that uses it "
             "or choose another port",
             acceptor_port(first));
    assert_string_equal(fail.text, expected);

    static const char *const bad[] = { "", "example.org", "1.2.3", "[::1" };
    for (size_t i = 0; i < HZ_LEN(bad); i++) {
        fail_clear(&fail);
        CHECK_ERR(acceptor_open(bad[i], 8080, &target, 1, &second, &fail), ERR_IO);
        CHECK(strstr(fail.text, "give an IP address"));
    }
    fail_clear(&fail);
    CHECK_ERR(acceptor_open("127.0.0.1", 65536, &target, 1, &second, &fail), ERR_IO);
    CHECK(strstr(fail.text, "port from 0 to 65535"));
    fail_clear(&fail);
    CHECK_ERR(acceptor_open("192.0.2.1", 0, &target, 1, &second, &fail), ERR_IO);
    CHECK(strstr(fail.text, "does not have that address"));
    acceptor_destroy(first);
    http_server_destroy(server);
    test_done();
}

TEST(an_address_that_cannot_be_used_is_named_with_advice)
{
    test_run(opens, NULL);
}

static void adopts(struct task *t, void *arg)
{
    (void)arg;
    struct http_server *server = http_server_create(test_loop, &options);
    struct acceptor_target target = { test_loop, server };
    struct acceptor *first, *second, *elsewhere;
    struct fail fail = { 0 };
    bool is_adopted;
    CHECK_OK(acceptor_open("127.0.0.1", 0, &target, 1, &first, &fail));
    int port = acceptor_port(first);
    struct world w = { .port = port };
    struct stream waits;
    raw_open(t, &w, &waits); /* nobody has accepted it yet */

    int other = dup(acceptor_socket(first));
    CHECK_OK(acceptor_adopt(other, "127.0.0.2", 0, &target, 1, &elsewhere, &is_adopted, &fail));
    CHECK(!is_adopted);
    CHECK(acceptor_port(elsewhere) != port);
    CHECK_OK(acceptor_adopt(dup(acceptor_socket(first)), "localhost", port, &target, 1, &second,
                            &is_adopted, &fail));
    CHECK(is_adopted);
    CHECK_EQ(acceptor_port(second), port);
    acceptor_destroy(first);
    acceptor_destroy(elsewhere);
    acceptor_start(second);
    raw_put(t, &waits, GET);
    char data[512];
    size_t got;
    CHECK_OK(stream_read(t, &waits, data, sizeof(data), &got, INT64_MAX));
    CHECK(str_ends(str_make(data, got), STR("\r\n\r\nhello")));
    stream_close(&waits);
    acceptor_destroy(second);
    http_server_destroy(server);
    test_done();
}

TEST(a_socket_is_adopted_with_the_connections_that_wait_at_it)
{
    test_run(adopts, NULL);
}

/* ---- several loops ---- */

enum { CONNECTIONS = 20 };

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void spreads(struct task *t, void *arg)
{
    (void)arg;
    struct loop_options loop_options = { .index = 1 };
    struct loop *other;
    CHECK_OK(loop_create(&loop_options, &other));
    struct acceptor_target targets[] = {
        { test_loop, http_server_create(test_loop, &options) },
        { other, http_server_create(other, &options) },
    };
    struct world w = { 0 };
    struct fail fail = { 0 };
    CHECK_OK(acceptor_open("127.0.0.1", 0, targets, 2, &w.acceptor, &fail));
    acceptor_start(w.acceptor);
    w.port = acceptor_port(w.acceptor);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, run_loop, other), 0);
    /* The other loop's answers take real time, in which nobody's patience may end here. */
    loop_external_begin(test_loop);

    static struct stream streams[CONNECTIONS];
    struct buf answer = { 0 };
    for (int i = 0; i < CONNECTIONS; i++)
        raw_open(t, &w, &streams[i]);
    for (int i = 0; i < CONNECTIONS; i++) {
        raw_put(t, &streams[i], GET);
        char data[512];
        size_t got;
        CHECK_OK(stream_read(t, &streams[i], data, sizeof(data), &got, INT64_MAX));
        CHECK(str_ends(str_make(data, got), STR("\r\n\r\nhello")));
    }
    CHECK_EQ(http_server_connections(targets[0].server), CONNECTIONS / 2);
    CHECK_EQ(http_server_connections(targets[1].server), CONNECTIONS / 2);

    for (int i = 0; i < CONNECTIONS; i++)
        stream_close(&streams[i]);
    loop_stop(other);
    pthread_join(thread, NULL);
    loop_external_end(test_loop);
    acceptor_destroy(w.acceptor);
    http_server_destroy(targets[0].server);
    http_server_destroy(targets[1].server);
    loop_destroy(other);
    buf_fini(&answer);
    test_done();
}

TEST(connections_are_spread_evenly_over_the_loops)
{
    test_run(spreads, NULL);
}

static void leaves_in_the_mailbox(struct task *t, void *arg)
{
    (void)arg;
    struct loop_options loop_options = { .index = 1 };
    struct loop *idle;
    CHECK_OK(loop_create(&loop_options, &idle));
    struct http_server *server = http_server_create(idle, &options);
    struct world w = { 0 };
    struct fail fail = { 0 };
    /* The first target's loop accepts; give it a connection more than the idle loop has. */
    struct acceptor_target targets[] = { { test_loop, http_server_create(test_loop, &options) },
                                         { idle, server } };
    CHECK_OK(acceptor_open("127.0.0.1", 0, targets, 2, &w.acceptor, &fail));
    acceptor_start(w.acceptor);
    w.port = acceptor_port(w.acceptor);
    struct stream streams[2];
    raw_open(t, &w, &streams[0]);
    raw_open(t, &w, &streams[1]);
    some_turns(t);
    CHECK_EQ(http_server_connections(targets[0].server), 1);
    acceptor_destroy(w.acceptor);
    http_server_destroy(targets[0].server);
    http_server_destroy(server);
    loop_destroy(idle);
    stream_close(&streams[0]);
    stream_close(&streams[1]);
    test_done();
}

TEST(a_connection_on_its_way_at_the_end_is_closed)
{
    test_run(leaves_in_the_mailbox, NULL);
}

/* ---- no descriptor left ---- */

static void runs_out(struct task *t, void *arg)
{
    (void)arg;
    struct world w;
    world_open(&w, greet, NULL, NULL);
    struct address a = loopback(w.port);
    struct rlimit before;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct rlimit none_left = { (rlim_t)fd + 1, before.rlim_max };
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none_left), 0);

    int unused = connect(fd, &a.any, a.len);
    (void)unused;
    struct stream s;
    CHECK_OK(stream_open_fd(&s, test_loop, fd));
    struct buf answer = { 0 };
    CHECK_ERR(raw_get(t, &s, &answer), ERR_CLOSED);
    CHECK_EQ(answer.len, 0);
    stream_close(&s);

    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_ERR(raw_ask(t, &w, GET, &answer), ERR_TIMEOUT);
    CHECK(str_ends(buf_str(&answer), STR("\r\n\r\nhello")));
    buf_fini(&answer);
    some_turns(t);
    world_close(&w);
    test_done();
}

TEST(without_descriptors_clients_are_closed_and_later_served_again)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    log_set_fd(nowhere);
    test_run(runs_out, NULL);
    log_set_fd(STDOUT_FILENO);
    close(nowhere);
}

RUN_TESTS(T(an_address_that_cannot_be_used_is_named_with_advice),
          T(a_socket_is_adopted_with_the_connections_that_wait_at_it),
          T(connections_are_spread_evenly_over_the_loops),
          T(a_connection_on_its_way_at_the_end_is_closed),
          T(without_descriptors_clients_are_closed_and_later_served_again))
