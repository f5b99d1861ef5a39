#include "http/client.h"

#include <stdio.h>

#include "base/mem.h"
#include "http/pool.h"

enum {
    HEAD_READ_BYTES = 4096, /* holds most answers whole */
    INTERIM_MAX = 16,       /* 1xx answers before the real one */
    SEND_EXTRA_BYTES = 128, /* of the head besides target, host and the caller's headers */
};

static enum err broken(struct http_exchange *x, const char *why)
{
    snprintf(x->detail, sizeof(x->detail), "%.60s: %.95s", x->connection->origin->host_field, why);
    return ERR_UPSTREAM_BROKEN;
}

/* What a failed stream means for the exchange; time-outs and stops pass. */
static enum err stream_failed(struct http_exchange *x, enum err err, const char *doing)
{
    if (err == ERR_CLOSED)
        return broken(x, doing);
    if (err == ERR_IO || err == ERR_TLS) {
        char why[100];
        stream_error_text(&x->connection->stream, err, why, sizeof(why));
        return broken(x, why);
    }
    if (err == ERR_TIMEOUT)
        snprintf(x->detail, sizeof(x->detail), "%s: no answer in time",
                 x->connection->origin->host_field);
    return err;
}

/* ---- the request ---- */

static bool says_length(const struct http_send *send)
{
    return send->body.at || str_is(send->method, "POST") || str_is(send->method, "PUT") ||
           str_is(send->method, "PATCH");
}

/* Into the scratch: stream_writev copies it should it have to wait. */
static enum err write_head(struct http_exchange *x, struct buf *head)
{
    const struct http_send *send = &x->send;
    struct str host = str_of(x->connection->origin->host_field);
    if (send->method.len + send->target.len + send->headers.len + host.len + SEND_EXTRA_BYTES >
        LOOP_SCRATCH_BYTES)
        return ERR_TOO_LARGE;
    *head = (struct buf) { .at = loop_scratch(x->client->loop), .cap = LOOP_SCRATCH_BYTES };
    http1_write_request_line(head, send->method, send->target);
    http1_write_header(head, STR("Host"), host);
    buf_add(head, send->headers);
    if (says_length(send))
        http1_write_header_i64(head, STR("Content-Length"), (int64_t)send->body.len);
    buf_add(head, STR("\r\n"));
    return OK;
}

static enum err send_request(struct task *t, struct http_exchange *x)
{
    struct buf head;
    enum err err = write_head(x, &head);
    if (err)
        return err;
    struct str body = x->send.body;
    struct iovec parts[] = {
        { head.at, head.len },
        { (void *)(uintptr_t)body.at, body.len },
    };
    err = stream_writev(t, &x->connection->stream, parts, 2, x->send.send_deadline_ns);
    x->connection->is_reusable = !err;
    /* The other side may have answered before it closed; reading will tell. */
    if (err == ERR_IO || err == ERR_TLS)
        return OK;
    return err ? stream_failed(x, err, "") : OK;
}

enum err http_exchange_start(struct task *t, struct http_client *c, struct http_exchange *x,
                             const struct http_send *send)
{
    *x = (struct http_exchange) { .client = c, .send = *send };
    struct origin *o = pool_origin(c, &send->origin);
    x->connection = pool_take(o);
    x->is_reused = x->connection != NULL;
    enum err err = OK;
    if (!x->connection)
        err = pool_connect(t, o, send->connect_deadline_ns, &x->connection, x->detail);
    return err ? err : send_request(t, x);
}

/* ---- the head of the answer ---- */

static void body_done(struct http_exchange *x, size_t left_over)
{
    x->is_body_done = true;
    if (left_over || !x->head.is_keep_alive)
        x->connection->is_reusable = false;
}

/* The parse room is shared by all exchanges of the loop. */
static void keep_headers(struct http_connection *conn, struct http_head *head)
{
    size_t n = head->headers_len;
    if (n > conn->headers_cap) {
        conn->headers = mem_realloc(conn->headers, n * sizeof(*conn->headers));
        conn->headers_cap = n;
    }
    if (n)
        memcpy(conn->headers, head->headers, n * sizeof(*conn->headers));
    head->headers = conn->headers;
}

static void expect_body(struct http_exchange *x)
{
    struct http_connection *conn = x->connection;
    size_t behind = conn->input.len - conn->input_at;
    conn->body_left = x->head.content_length;
    conn->chunked = (struct chunked) { 0 };
    if (x->head.framing == FRAMING_NONE)
        body_done(x, behind);
    else if (x->head.framing == FRAMING_LENGTH && conn->body_left == 0)
        body_done(x, behind);
    else if (x->head.framing == FRAMING_CLOSE)
        conn->is_reusable = false;
}

/* ERR_AGAIN: more bytes are needed. */
static enum err parse_head(struct http_exchange *x, int *interims)
{
    struct http_connection *conn = x->connection;
    bool is_head_request = str_is(x->send.method, "HEAD");
    struct http1_limits limits = HTTP1_LIMITS;
    for (;;) {
        if (conn->input.len == 0)
            return ERR_AGAIN;
        size_t used = 0;
        struct fail fail = { 0 };
        x->head = (struct http_head) { .headers = x->client->headers };
        enum err err = http1_parse_response(buf_str(&conn->input), &limits, is_head_request,
                                            &x->head, &used, &fail);
        if (err == ERR_AGAIN)
            return err;
        if (err)
            return broken(x, fail.text);
        if (x->head.status >= 200) {
            conn->input_at = used;
            keep_headers(conn, &x->head);
            expect_body(x);
            return OK;
        }
        if (x->head.status == 101 || ++*interims > INTERIM_MAX)
            return broken(x, "an interim answer that nobody asked for");
        buf_consume(&conn->input, used);
    }
}

/* ERR_CLOSED and ERR_IO: the connection ended before the first byte. */
static enum err read_head(struct task *t, struct http_exchange *x, int64_t deadline_ns)
{
    struct http_connection *conn = x->connection;
    int interims = 0;
    bool has_begun = false;
    buf_clear(&conn->input);
    for (;;) {
        size_t got;
        /* Not into the buffer: a stream would keep its spare room as long as it is open. */
        char *at = loop_scratch(x->client->loop);
        enum err err = stream_read(t, &conn->stream, at, HEAD_READ_BYTES, &got, deadline_ns);
        if (!has_begun && (err == ERR_CLOSED || err == ERR_IO))
            return err;
        if (err)
            return stream_failed(x, err, "the connection ended within the head of the answer");
        has_begun = true;
        buf_add(&conn->input, str_make(at, got));
        err = parse_head(x, &interims);
        if (err != ERR_AGAIN)
            return err;
    }
}

/* A kept connection that ends now may only have been old. But nothing tells that from a server that
 * has worked on the request, and a POST may not go out twice unseen (RFC 9110 §9.2.2). */
enum err http_exchange_head(struct task *t, struct http_exchange *x, int64_t deadline_ns)
{
    enum err err = read_head(t, x, deadline_ns);
    if (err == ERR_CLOSED || err == ERR_IO)
        return stream_failed(x, err, "the connection was closed before an answer");
    return err;
}

/* ---- the body of the answer ---- */

/* Moves the data of all chunks in `raw` together, at its start. */
static enum err dechunk(struct http_exchange *x, char *at, size_t len, struct str *data)
{
    struct chunked *chunked = &x->connection->chunked;
    struct str in = { at, len };
    size_t out = 0;
    for (;;) {
        struct str piece;
        if (chunked_next(chunked, &in, &piece) != OK)
            return broken(x, "the answer's chunked coding is malformed");
        if (piece.len == 0)
            break;
        if (piece.at != at + out)
            memmove(at + out, piece.at, piece.len);
        out += piece.len;
    }
    if (chunked->is_done)
        body_done(x, in.len);
    *data = str_make(at, out);
    return OK;
}

static enum err decode(struct http_exchange *x, char *at, size_t len, struct str *data)
{
    struct http_connection *conn = x->connection;
    if (x->head.framing == FRAMING_CHUNKED)
        return dechunk(x, at, len, data);
    *data = str_make(at, len);
    if (x->head.framing == FRAMING_LENGTH) {
        data->len = (size_t)HZ_MIN((int64_t)len, conn->body_left);
        conn->body_left -= (int64_t)data->len;
        if (conn->body_left == 0)
            body_done(x, len - data->len);
    }
    return OK;
}

/* What came with the head, else what comes now. */
static enum err next_bytes(struct task *t, struct http_exchange *x, char **at, size_t *len,
                           int64_t deadline_ns)
{
    struct http_connection *conn = x->connection;
    if (conn->input_at < conn->input.len) {
        *at = conn->input.at + conn->input_at;
        *len = conn->input.len - conn->input_at;
        conn->input_at = conn->input.len;
        return OK;
    }
    enum err err = stream_read(t, &conn->stream, loop_scratch(x->client->loop), LOOP_SCRATCH_BYTES,
                               len, deadline_ns);
    *at = loop_scratch(x->client->loop);
    return err;
}

enum err http_exchange_read(struct task *t, struct http_exchange *x, struct str *data,
                            int64_t deadline_ns)
{
    *data = STR("");
    while (!x->is_body_done) {
        char *at;
        size_t len;
        enum err err = next_bytes(t, x, &at, &len, deadline_ns);
        if (err == ERR_CLOSED && x->head.framing == FRAMING_CLOSE) {
            body_done(x, 0);
            return OK;
        }
        if (err)
            return stream_failed(x, err, "the connection ended within the body of the answer");
        err = decode(x, at, len, data);
        if (err)
            return err;
        if (data->len) {
            x->body_bytes += (int64_t)data->len;
            return OK;
        }
    }
    return OK;
}

enum err http_exchange_read_all(struct task *t, struct http_exchange *x, struct buf *out,
                                int64_t deadline_ns)
{
    for (;;) {
        struct str data;
        enum err err = http_exchange_read(t, x, &data, deadline_ns);
        if (err || data.len == 0)
            return err;
        err = buf_try_add(out, data);
        if (err)
            return err;
    }
}

void http_exchange_end(struct http_exchange *x)
{
    if (!x || !x->connection)
        return;
    if (x->is_body_done && x->connection->is_reusable)
        pool_keep(x->connection);
    else
        pool_close(x->connection);
    x->connection = NULL;
}
