#include "base/clock.h"
#include "http/server_private.h"
#include "wire/chunked.h"

/* Status line, Date, Content-Length and Connection: all that we write ourselves. */
enum { OWN_HEAD_MAX = 256 };

static struct iovec part_of(struct str s)
{
    return (struct iovec) { (void *)(uintptr_t)s.at, s.len };
}

/* The status line and what is in every answer. */
static void write_own_head(struct task *t, struct http_request *r, int status, struct buf *out)
{
    struct http_server *s = r->connection->server;
    r->status = status;
    /* A client that has sent its next request already is answered that, too. */
    bool is_last = (s->is_retiring || s->options.keep_alive_ms == 0) && !r->connection->ahead;
    r->is_closing |= s->is_draining || is_last || task_stop_reason(t) != OK;
    http1_write_status_line(out, status);
    buf_add(out, server_date(s));
    if (r->is_closing)
        buf_add(out, STR("Connection: close\r\n"));
}

/* RFC 9110 §6.4.1 */
static bool has_no_body(const struct http_request *r, int status)
{
    return status == 204 || status == 304 || str_is(r->head.method, "HEAD");
}

static enum err send_parts(struct task *t, struct http_request *r, struct iovec *parts, int count)
{
    struct request_in *in = request_in_of(r);
    struct http_connection_in *c = r->connection;
    if (in->is_broken || task_stop_reason(t) == ERR_CLIENT_GONE)
        return ERR_CLIENT_GONE;
    r->is_answered = true;
    int64_t deadline_ns =
        loop_now_ns(c->server->loop) + c->server->options.write_timeout_ms * NS_PER_MS;
    enum err err = stream_writev(t, &c->stream, parts, count, deadline_ns);
    if (!err)
        return OK;
    in->is_broken = true;
    bool is_stop = err == task_stop_reason(t);
    return is_stop ? err : ERR_CLIENT_GONE;
}

enum err http_reply(struct task *t, struct http_request *r, int status, struct str headers,
                    struct str body)
{
    struct request_in *in = request_in_of(r);
    HZ_ASSERT(status >= 200 && status <= 599);
    if (r->is_answered)
        return ERR_INTERNAL;
    char room[OWN_HEAD_MAX];
    struct buf own = { .at = room, .cap = sizeof(room) };
    write_own_head(t, r, status, &own);
    if (status != 204 && status != 304)
        http1_write_header_i64(&own, STR("Content-Length"), (int64_t)body.len);
    HZ_ASSERT(own.at == room);
    if (has_no_body(r, status))
        body.len = 0;

    struct iovec parts[] = { part_of(buf_str(&own)), part_of(headers), part_of(STR("\r\n")),
                             part_of(body) };
    in->pending_head = STR_NONE;
    r->is_chunked_out = false;
    enum err err = send_parts(t, r, parts, HZ_LEN(parts));
    if (err)
        return err;
    r->bytes_out += (int64_t)body.len;
    in->has_ended = true;
    return OK;
}

enum err http_reply_begin(struct task *t, struct http_request *r, int status, struct str headers)
{
    struct request_in *in = request_in_of(r);
    HZ_ASSERT(status >= 200 && status <= 599);
    if (r->is_answered || in->is_begun)
        return ERR_INTERNAL;
    in->is_begun = true;
    r->is_chunked_out = r->head.minor_version >= 1 && !has_no_body(r, status);
    r->is_closing |= r->head.minor_version == 0;

    size_t room = OWN_HEAD_MAX + headers.len;
    struct buf head = { .at = arena_alloc(&r->arena, room), .cap = room };
    write_own_head(t, r, status, &head);
    if (r->is_chunked_out)
        buf_add(&head, STR("Transfer-Encoding: chunked\r\n"));
    buf_add(&head, headers);
    buf_add(&head, STR("\r\n"));
    HZ_ASSERT(head.cap == room);
    in->pending_head = buf_str(&head);
    return OK;
}

/* The pending head, the part with its coding, and the end of the stream, in one write. */
static enum err send_stream(struct task *t, struct http_request *r, struct str part, bool is_last)
{
    struct request_in *in = request_in_of(r);
    if (!in->is_begun || in->has_ended)
        return ERR_INTERNAL;
    if (has_no_body(r, r->status))
        part.len = 0;
    char size[CHUNKED_SIZE_MAX];
    struct iovec parts[5];
    int count = 0;
    parts[count++] = part_of(in->pending_head);
    if (part.len && r->is_chunked_out)
        parts[count++] = part_of(str_make(size, chunked_write_size(size, part.len)));
    if (part.len)
        parts[count++] = part_of(part);
    if (part.len && r->is_chunked_out)
        parts[count++] = part_of(STR("\r\n"));
    if (is_last && r->is_chunked_out)
        parts[count++] = part_of(CHUNKED_LAST);
    in->pending_head = STR_NONE;
    enum err err = send_parts(t, r, parts, count);
    if (err)
        return err;
    r->bytes_out += (int64_t)part.len;
    in->has_ended = is_last;
    return OK;
}

enum err http_reply_part(struct task *t, struct http_request *r, struct str part)
{
    return send_stream(t, r, part, false);
}

enum err http_reply_end(struct task *t, struct http_request *r, struct str last_part)
{
    return send_stream(t, r, last_part, true);
}

void http_request_abort(struct http_request *r)
{
    struct request_in *in = request_in_of(r);
    in->is_broken = true;
    in->has_ended = false;
}
