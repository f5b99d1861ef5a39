#include "base/clock.h"
#include "base/mem.h"
#include "http/server_private.h"
#include "wire/chunked.h"

/* A head with an ordinary chat request behind it comes in one read of this size. */
enum {
    FIRST_READ_BYTES = 4096,
    CHUNKED_READ_BYTES = 16384,
    BODY_STEP_BYTES = 65536,
    SKIP_BYTES_MAX = 1 << 20, /* reading more costs more than a new connection does */
};

/* By way of the scratch: a request that lives long, as a stream does, keeps no spare room. */
static enum err read_into(struct task *t, struct http_connection_in *c, struct buf *out,
                          int64_t deadline_ns)
{
    size_t got;
    char *at = loop_scratch(c->server->loop);
    enum err err = stream_read(t, &c->stream, at, FIRST_READ_BYTES, &got, deadline_ns);
    if (!err)
        buf_add(out, str_make(at, got));
    return err == ERR_TIMEOUT ? ERR_SLOW_CLIENT : err;
}

/* A first byte at the last moment buys no second term. */
static int64_t head_deadline_ns(const struct http_connection_in *c)
{
    int64_t from_ns = c->is_new ? c->rests_since_ns : loop_now_ns(c->server->loop);
    return from_ns + c->server->options.head_timeout_ms * NS_PER_MS;
}

/* What is there without waiting. But a connection that has only shaken hands waits on within its term: the
 * queue of those that rest is for the time between two requests, which may be none. */
static enum err first_bytes(struct task *t, struct http_connection_in *c, struct buf *input)
{
    if (c->ahead) {
        buf_add(input, str_make(c->ahead, c->ahead_len));
        mem_free(c->ahead);
        c->ahead = NULL;
        c->ahead_len = 0;
        return OK;
    }
    size_t got;
    char *at = loop_scratch(c->server->loop);
    enum err err = stream_try_read(&c->stream, at, FIRST_READ_BYTES, &got);
    if (err == ERR_AGAIN && c->is_new)
        err = stream_read(t, &c->stream, at, FIRST_READ_BYTES, &got, head_deadline_ns(c));
    if (!err)
        buf_add(input, str_make(at, got));
    return err;
}

static enum err parse_head(struct http_connection_in *c, struct request_in *in, size_t *used,
                           struct fail *fail)
{
    struct http_request *r = &in->request;
    struct http1_limits limits = HTTP1_LIMITS;
    r->head = (struct http_head) { .headers = c->server->headers };
    enum err err = http1_parse_request(buf_str(&in->input), &limits, &r->head, used, fail);
    if (err) {
        r->head = (struct http_head) { .minor_version = 1 };
        return err;
    }
    struct http_header *headers = NULL;
    size_t size = r->head.headers_len * sizeof(*headers);
    if (size) {
        headers = arena_alloc(&r->arena, size);
        memcpy(headers, r->head.headers, size);
    }
    r->head.headers = headers;
    return OK;
}

static enum err read_head(struct task *t, struct http_connection_in *c, struct request_in *in,
                          size_t *used, struct fail *fail)
{
    int64_t deadline_ns = head_deadline_ns(c);
    struct buf *input = &in->input;
    size_t seen = 0;
    for (;;) {
        /* Only a new line can complete or spoil a head that was incomplete before; bytes that
         * trickle in do not have it parsed for each of them. */
        bool has_line = memchr(input->at + seen, '\n', input->len - seen) != NULL;
        if (seen == 0 || has_line || input->len > HTTP1_LIMITS.head_bytes) {
            enum err err = parse_head(c, in, used, fail);
            if (err != ERR_AGAIN)
                return err;
        }
        seen = input->len;
        enum err err = read_into(t, c, input, deadline_ns);
        if (err == ERR_SLOW_CLIENT)
            fail_set(fail, err, "the head of the request did not arrive in time");
        if (err)
            return err;
    }
}

/* What came behind the request belongs to the next one. */
static void keep_ahead(struct http_connection_in *c, struct str rest)
{
    if (rest.len == 0)
        return;
    c->ahead = mem_alloc(rest.len);
    c->ahead_len = rest.len;
    memcpy(c->ahead, rest.at, rest.len);
}

static enum err too_large(const struct http_connection_in *c, struct fail *fail)
{
    return fail_set(fail, ERR_TOO_LARGE, "the body is larger than the limit of %zu bytes",
                    c->server->options.max_body_bytes);
}

static enum err say_continue(struct task *t, struct http_connection_in *c,
                             const struct http_request *r, int64_t deadline_ns)
{
    if (!r->head.expects_continue)
        return OK;
    return stream_write(t, &c->stream, STR("HTTP/1.1 100 Continue\r\n\r\n"), deadline_ns);
}

/* Bodies at hand share a limit: one each is little, thousands that never end are not. */
static enum err count_body(struct http_server *s, struct request_in *in)
{
    s->bodies_bytes += in->body.cap - in->body_counted;
    in->body_counted = in->body.cap;
    size_t max = s->options.max_bodies_bytes;
    return max && s->bodies_bytes > max ? ERR_OVERLOAD : OK;
}

static enum err read_length(struct task *t, struct http_connection_in *c, struct request_in *in,
                            struct str behind, int64_t deadline_ns)
{
    size_t length = (size_t)in->request.head.content_length;
    if (behind.len >= length) {
        in->request.body = str_first(behind, length);
        keep_ahead(c, str_skip(behind, length));
        return OK;
    }
    /* Asks for a byte more than the body has: a read that gets less has drained the socket, and
     * no further one is needed to find that out. */
    enum { ONE_MORE = 1 };
    buf_add(&in->body, behind);
    enum err err = say_continue(t, c, &in->request, deadline_ns);
    while (!err && in->body.len < length) {
        /* A length alone gets no memory: room grows with what has come. */
        size_t room = HZ_MAX(in->body.len, (size_t)BODY_STEP_BYTES);
        room = HZ_MIN(room, length + ONE_MORE - in->body.len);
        size_t got;
        char *at = buf_reserve(&in->body, room);
        err = count_body(c->server, in);
        if (err)
            break;
        err = stream_read(t, &c->stream, at, room, &got, deadline_ns);
        in->body.len += got;
    }
    if (err)
        return err;
    in->request.body = str_first(buf_str(&in->body), length);
    keep_ahead(c, str_skip(buf_str(&in->body), length));
    return OK;
}

/* Takes all of `in` or, at the end of the body, leaves what belongs to the next request. */
static enum err add_chunks(struct chunked *chunked, struct str *in, struct buf *body)
{
    for (;;) {
        struct str piece;
        enum err err = chunked_next(chunked, in, &piece);
        if (!err)
            err = buf_try_add(body, piece);
        /* A chunk that cannot fit is refused by its size, before the client has sent it; until its
         * line is complete the size may still turn out to be malformed. */
        bool is_size_known = chunked->digits == 0;
        if (!err && is_size_known && chunked->left > body->limit - body->len)
            err = ERR_TOO_LARGE;
        if (err || piece.len == 0)
            return err;
    }
}

static enum err read_chunked(struct task *t, struct http_connection_in *c, struct request_in *in,
                             struct str behind, int64_t deadline_ns)
{
    struct chunked chunked = { 0 };
    in->body.limit = c->server->options.max_body_bytes;
    enum err err = add_chunks(&chunked, &behind, &in->body);
    if (!err && !chunked.is_done)
        err = say_continue(t, c, &in->request, deadline_ns);
    while (!err && !chunked.is_done) {
        size_t got;
        char *scratch = loop_scratch(c->server->loop);
        err = stream_read(t, &c->stream, scratch, CHUNKED_READ_BYTES, &got, deadline_ns);
        behind = str_make(scratch, got);
        if (!err)
            err = add_chunks(&chunked, &behind, &in->body);
        if (!err)
            err = count_body(c->server, in);
    }
    if (err)
        return err;
    in->request.body = buf_str(&in->body);
    keep_ahead(c, behind);
    return OK;
}

enum err request_read_body(struct task *t, struct http_connection_in *c, struct request_in *in,
                           struct fail *fail)
{
    task_set_stage(t, "reading a request's body");
    const struct http_server_options *options = &c->server->options;
    const struct http_head *head = &in->request.head;
    int64_t deadline_ns = loop_now_ns(c->server->loop) + options->body_timeout_ms * NS_PER_MS;
    struct str behind = in->behind;
    enum err err = OK;
    if (head->framing == FRAMING_LENGTH) {
        if ((uint64_t)head->content_length > options->max_body_bytes)
            return too_large(c, fail);
        err = read_length(t, c, in, behind, deadline_ns);
    } else if (head->framing == FRAMING_CHUNKED) {
        err = read_chunked(t, c, in, behind, deadline_ns);
    } else {
        keep_ahead(c, behind);
    }
    if (err == ERR_TOO_LARGE)
        return too_large(c, fail);
    if (err == ERR_OVERLOAD)
        return fail_set(fail, err, "other requests' bodies take all the memory that bodies may: "
                                   "try again in a moment");
    if (err == ERR_BAD_HTTP)
        return fail_set(fail, err, "the chunked coding of the body is malformed");
    if (err == ERR_TIMEOUT)
        return fail_set(fail, ERR_SLOW_CLIENT, "the body of the request did not arrive in time");
    return err;
}

bool request_is_skippable(const struct request_in *in)
{
    const struct http_head *head = &in->request.head;
    bool is_short = head->framing == FRAMING_LENGTH && head->content_length <= SKIP_BYTES_MAX;
    /* Who waits for "100 Continue" may send the body all the same, or not. */
    return head->framing == FRAMING_NONE ||
           (is_short && (!head->expects_continue || in->behind.len));
}

enum err request_skip_body(struct task *t, struct http_connection_in *c, struct request_in *in)
{
    struct http_server *s = c->server;
    int64_t deadline_ns = loop_now_ns(s->loop) + s->options.body_timeout_ms * NS_PER_MS;
    size_t left = in->request.head.framing == FRAMING_LENGTH
                      ? (size_t)in->request.head.content_length
                      : 0;
    size_t here = HZ_MIN(left, in->behind.len);
    keep_ahead(c, str_skip(in->behind, here));
    left -= here;
    enum err err = OK;
    while (!err && left) {
        size_t got = 0, room = HZ_MIN(left, (size_t)LOOP_SCRATCH_BYTES);
        err = stream_read(t, &c->stream, loop_scratch(s->loop), room, &got, deadline_ns);
        left -= got;
    }
    return err;
}

static bool is_vital(const struct http_server *s, const struct http_head *head)
{
    return s->options.is_vital && s->options.is_vital(head);
}

enum err request_read_head(struct task *t, struct http_connection_in *c, struct request_in *in,
                           struct fail *fail)
{
    task_set_stage(t, "reading a request's head");
    enum err err = first_bytes(t, c, &in->input);
    if (err)
        return err;
    size_t used;
    err = read_head(t, c, in, &used, fail);
    if (err)
        return err;
    c->is_new = false;
    in->request.started_ns = loop_now_ns(c->server->loop);
    in->behind = str_skip(buf_str(&in->input), used);
    return c->is_refused && !is_vital(c->server, &in->request.head) ? ERR_OVERLOAD : OK;
}
