#include "support.h"

#include "net/tls.h"

#include <unistd.h>

/* A client and a server of one connection, each its own task. */
struct both {
    struct stream client, server;
    SSL_CTX *client_ctx, *server_ctx;
    SSL_SESSION *session;
    const char *host;
    enum err client_err, server_err;
    char client_detail[120];
    bool is_resumed;
};

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct stream *s = SSL_get_app_data(ssl);
    struct both *b = HZ_CONTAINER_OF(s, struct both, client);
    SSL_SESSION_free(b->session);
    b->session = session;
    return 1;
}

static void both_init(struct both *b, enum certificate which)
{
    const struct test_files *files = test_certificates();
    struct fail fail = { 0 };
    *b = (struct both) { .host = "localhost" };
    CHECK_OK(tls_server_context(files->certificate[which], files->key, &b->server_ctx, &fail));
    CHECK_OK(tls_client_context(files->ca, &b->client_ctx, &fail));
    SSL_CTX_sess_set_new_cb(b->client_ctx, keep_session);
}

static void both_open(struct both *b)
{
    int fds[2];
    tcp_pair(fds);
    CHECK_OK(stream_open_fd(&b->client, test_loop, fds[0]));
    CHECK_OK(stream_open_fd(&b->server, test_loop, fds[1]));
}

static void both_fini(struct both *b)
{
    SSL_SESSION_free(b->session);
    SSL_CTX_free(b->client_ctx);
    SSL_CTX_free(b->server_ctx);
}

static void serves_echo(struct task *t, void *arg)
{
    struct both *b = arg;
    char data[900];
    b->server_err = stream_tls_accept(t, &b->server, b->server_ctx, test_in_ms(1000));
    while (!b->server_err) {
        size_t got;
        b->server_err = stream_read(t, &b->server, data, sizeof(data), &got, test_in_ms(1000));
        if (b->server_err)
            break;
        struct iovec parts[] = { { data, got / 2 }, { data + got / 2, got - got / 2 } };
        b->server_err = stream_writev(t, &b->server, parts, 2, test_in_ms(1000));
    }
    stream_close(&b->server);
}

static void connect_client(struct task *t, struct both *b)
{
    b->client_err =
        stream_tls_connect(t, &b->client, b->client_ctx, b->host, b->session, test_in_ms(1000));
    if (b->client_err)
        stream_error_text(&b->client, b->client_err, b->client_detail, sizeof(b->client_detail));
    else
        b->is_resumed = SSL_session_reused(b->client.ssl);
}

static void check_echo(struct task *t, struct both *b, const char *text)
{
    CHECK_OK(stream_write(t, &b->client, str_of(text), INT64_MAX));
    char data[64];
    size_t got = 0;
    while (got < strlen(text)) {
        size_t n;
        CHECK_OK(stream_read(t, &b->client, data + got, sizeof(data) - got, &n, INT64_MAX));
        got += n;
    }
    CHECK_STR(str_make(data, got), text);
}

static void talks_twice(struct task *t, void *arg)
{
    struct both *b = arg;
    for (int i = 0; i < 2; i++) {
        both_open(b);
        struct task *server = task_spawn_joinable(test_loop, "server", serves_echo, b);
        connect_client(t, b);
        CHECK_OK(b->client_err);
        CHECK_EQ(b->is_resumed, i == 1);
        check_echo(t, b, "hello");
        check_echo(t, b, "again");
        stream_close(&b->client);
        task_join(t, server);
        CHECK_ERR(b->server_err, ERR_CLOSED);
    }
    test_done();
}

TEST(bytes_pass_both_ways_and_a_session_is_resumed)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    test_run(talks_twice, &b);
    both_fini(&b);
}

static void tries_to_connect(struct task *t, void *arg)
{
    struct both *b = arg;
    both_open(b);
    struct task *server = task_spawn_joinable(test_loop, "server", serves_echo, b);
    connect_client(t, b);
    stream_close(&b->client);
    task_join(t, server);
    CHECK(b->server_err != OK);
    test_done();
}

static void check_refused(enum certificate which, const char *host, const char *why)
{
    struct both b;
    both_init(&b, which);
    b.host = host;
    test_run(tries_to_connect, &b);
    CHECK_ERR(b.client_err, ERR_TLS);
    assert_string_equal(b.client_detail, why);
    both_fini(&b);
}

TEST(certificates_that_do_not_fit_are_refused)
{
    check_refused(CERT_OTHER_NAME, "localhost", "certificate: hostname mismatch");
    check_refused(CERT_GOOD, "example.org", "certificate: hostname mismatch");
    check_refused(CERT_GOOD, "127.0.0.2", "certificate: IP address mismatch");
    check_refused(CERT_EXPIRED, "localhost", "certificate: certificate has expired");
    check_refused(CERT_OTHER_CA, "localhost",
                  "certificate: unable to get local issuer certificate");
}

TEST(a_literal_address_is_checked_against_the_certificate)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    b.host = "127.0.0.1";
    test_run(tries_to_connect, &b);
    CHECK_OK(b.client_err);
    both_fini(&b);
}

TEST(the_systems_store_does_not_trust_our_own_authority)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    SSL_CTX_free(b.client_ctx);
    struct fail fail = { 0 };
    CHECK_OK(tls_client_context(NULL, &b.client_ctx, &fail));
    test_run(tries_to_connect, &b);
    CHECK_ERR(b.client_err, ERR_TLS);
    both_fini(&b);
}

static void meets_plain_text(struct task *t, void *arg)
{
    struct both *b = arg;
    both_open(b);
    CHECK_OK(stream_write(t, &b->client, STR("GET / HTTP/1.1\r\n\r\n"), INT64_MAX));
    enum err err = stream_tls_accept(t, &b->server, b->server_ctx, test_in_ms(1000));
    CHECK_ERR(err, ERR_TLS);
    char text[80];
    stream_error_text(&b->server, err, text, sizeof(text));
    assert_string_equal(text, "http request");
    stream_close(&b->server);
    stream_close(&b->client);
    test_done();
}

TEST(plain_text_is_no_handshake)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    test_run(meets_plain_text, &b);
    both_fini(&b);
}

static void waits_for_hello(struct task *t, void *arg)
{
    struct both *b = arg;
    both_open(b);
    CHECK_ERR(stream_tls_accept(t, &b->server, b->server_ctx, test_in_ms(20)), ERR_TIMEOUT);
    stream_close(&b->server);
    stream_close(&b->client);
    test_done();
}

TEST(a_silent_peer_ends_the_handshake_at_its_deadline)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    test_run(waits_for_hello, &b);
    both_fini(&b);
}

static void cuts_the_wire(struct task *t, void *arg)
{
    struct both *b = arg;
    both_open(b);
    struct task *server = task_spawn_joinable(test_loop, "server", serves_echo, b);
    connect_client(t, b);
    check_echo(t, b, "hello");
    /* The end of TCP without the goodbye of TLS. */
    shutdown(b->client.watch.fd, SHUT_WR);
    task_join(t, server);
    CHECK_ERR(b->server_err, ERR_IO);
    stream_close(&b->client);
    test_done();
}

TEST(an_end_without_goodbye_is_not_orderly)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    test_run(cuts_the_wire, &b);
    both_fini(&b);
}

/* ---- more than the pipe holds, both in one record and in many ---- */

enum { LARGE = 1 << 20 };

static void sinks(struct task *t, void *arg)
{
    struct both *b = arg;
    size_t total = 0, wrong = 0;
    char *data = mem_alloc(50000);
    b->server_err = stream_tls_accept(t, &b->server, b->server_ctx, test_in_ms(1000));
    while (!b->server_err) {
        size_t got;
        b->server_err = stream_read(t, &b->server, data, 50000, &got, test_in_ms(1000));
        for (size_t i = 0; i < got; i++)
            wrong += data[i] != (char)((total + i) % 251);
        total += got;
    }
    CHECK_EQ(total, LARGE);
    CHECK_EQ(wrong, 0);
    mem_free(data);
}

static void pours(struct task *t, void *arg)
{
    struct both *b = arg;
    both_open(b);
    struct task *server = task_spawn_joinable(test_loop, "server", sinks, b);
    connect_client(t, b);
    char *data = mem_alloc(LARGE);
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)(i % 251);
    struct iovec parts[] = {
        { data, 10 }, { data + 10, 0 }, { data + 10, 40000 }, { data + 40010, LARGE - 40010 }
    };
    CHECK_OK(stream_writev(t, &b->client, parts, 4, INT64_MAX));
    /* Not closed yet: a close with an unread ticket would reset the connection. */
    stream_finish(&b->client);
    task_join(t, server);
    CHECK_ERR(b->server_err, ERR_CLOSED);
    stream_close(&b->client);
    stream_close(&b->server);
    mem_free(data);
    test_done();
}

TEST(large_writes_arrive_whole)
{
    struct both b;
    both_init(&b, CERT_GOOD);
    test_run(pours, &b);
    both_fini(&b);
}

TEST(unusable_files_are_named)
{
    const struct test_files *files = test_certificates();
    SSL_CTX *ctx;
    struct fail fail = { 0 };
    CHECK_ERR(tls_server_context("/nowhere/cert.pem", files->key, &ctx, &fail), ERR_CONFIG);
    assert_string_equal(fail.text, "cannot use the certificate file '/nowhere/cert.pem': No such "
                                   "file or directory");
    CHECK(!ctx);
    fail_clear(&fail);
    CHECK_ERR(tls_server_context(files->ca, files->key, &ctx, &fail), ERR_CONFIG);
    CHECK(strstr(fail.text, "key"));
    fail_clear(&fail);
    CHECK_ERR(tls_client_context(files->key, &ctx, &fail), ERR_CONFIG);
    CHECK(strstr(fail.text, "cannot use the CA file"));
    CHECK(!ctx);
}

RUN_TESTS(T(bytes_pass_both_ways_and_a_session_is_resumed),
          T(certificates_that_do_not_fit_are_refused),
          T(a_literal_address_is_checked_against_the_certificate),
          T(the_systems_store_does_not_trust_our_own_authority), T(plain_text_is_no_handshake),
          T(a_silent_peer_ends_the_handshake_at_its_deadline),
          T(an_end_without_goodbye_is_not_orderly), T(large_writes_arrive_whole),
          T(unusable_files_are_named))
