#include "world.h"

int world_refusals;

/* Refusals say what was wrong, so that tests can see it. */
static void say_why(struct http_request *r, enum err err, const char *detail, struct buf *headers,
                    struct buf *body, void *arg)
{
    (void)r, (void)arg;
    world_refusals++;
    buf_add(headers, STR("X-Refused: yes\r\n"));
    buf_addf(body, "{\"%s\":\"%s\"}", err_name(err), detail);
}

void world_open(struct world *w, http_handler_fn *handler, void *arg,
                const struct http_server_options *options)
{
    struct http_server_options o = {
        .keep_alive_ms = WORLD_KEEP_ALIVE_MS,
        .head_timeout_ms = WORLD_HEAD_MS,
        .body_timeout_ms = WORLD_BODY_MS,
        .write_timeout_ms = WORLD_WRITE_MS,
        .max_body_bytes = WORLD_BODY_MAX,
        .request_arena_bytes = 1 << 20,
    };
    if (options) {
        o.peers = options->peers;
        o.admit = options->admit;
        o.max_bodies_bytes = options->max_bodies_bytes;
        o.tls = options->tls;
        o.shed_delay_ms = options->shed_delay_ms;
        o.is_vital = options->is_vital;
        o.wait_behind = options->wait_behind;
        o.wait_behind_arg = options->wait_behind_arg;
        if (options->max_body_bytes)
            o.max_body_bytes = options->max_body_bytes;
    }
    o.handler = handler;
    o.refuse = say_why;
    o.arg = arg;
    *w = (struct world) { .tls = o.tls };
    world_refusals = 0;
    w->server = http_server_create(test_loop, &o);
    struct acceptor_target target = { test_loop, w->server };
    struct fail fail = { 0 };
    CHECK_OK(acceptor_open("127.0.0.1", 0, &target, 1, &w->acceptor, &fail));
    acceptor_start(w->acceptor);
    w->port = acceptor_port(w->acceptor);
    CHECK_OK(resolver_create(test_loop, &w->resolver));
    struct http_client_options client = { .resolver = w->resolver };
    w->client = http_client_create(test_loop, &client);
    w->origin = (struct http_origin) { .host = STR("127.0.0.1"), .port = w->port };
    if (o.tls) {
        w->origin.is_tls = true;
        w->origin.ca_file = str_of(test_certificates()->ca);
    }
}

void world_close(struct world *w)
{
    http_client_destroy(w->client);
    resolver_destroy(w->resolver);
    acceptor_destroy(w->acceptor);
    http_server_destroy(w->server);
}

void world_send(const struct world *w, const char *method, const char *target, struct str body,
                struct http_send *out)
{
    *out = (struct http_send) {
        .origin = w->origin,
        .method = str_of(method),
        .target = str_of(target),
        .body = body,
        .connect_deadline_ns = test_in_ms(1000),
        .send_deadline_ns = test_in_ms(5000),
    };
}

void raw_open(struct task *t, const struct world *w, struct stream *s)
{
    struct address a = loopback(w->port);
    CHECK_OK(stream_connect(t, s, &a, test_in_ms(1000)));
}

void raw_put(struct task *t, struct stream *s, const char *text)
{
    CHECK_OK(stream_write(t, s, str_of(text), INT64_MAX));
}

static void drop_dates(struct buf *b)
{
    for (;;) {
        size_t at = str_find(buf_str(b), STR("Date: "));
        if (at == SIZE_MAX)
            return;
        size_t len = str_find_char(str_skip(buf_str(b), at), '\n') + 1;
        memmove(b->at + at, b->at + at + len, b->len - at - len);
        b->len -= len;
    }
}

enum err raw_get(struct task *t, struct stream *s, struct buf *out)
{
    enum err err = OK;
    buf_clear(out);
    while (!err) {
        size_t got = 0;
        char *at = buf_reserve(out, 4096);
        err = stream_read(t, s, at, 4096, &got, test_in_ms(100));
        out->len += got;
    }
    drop_dates(out);
    return err;
}

enum err raw_ask(struct task *t, const struct world *w, const char *text, struct buf *out)
{
    struct stream s;
    raw_open(t, w, &s);
    raw_put(t, &s, text);
    enum err err = raw_get(t, &s, out);
    stream_close(&s);
    return err;
}

void some_turns(struct task *t)
{
    for (int i = 0; i < 6; i++)
        CHECK_OK(task_yield(t));
}
