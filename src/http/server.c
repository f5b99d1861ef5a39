#include "http/server.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/peers.h"
#include "http/server_private.h"
#include "net/tls_clients.h"

enum {
    SPARE_MAX = 64,         /* requests kept with their buffers for the next ones */
    SPARE_INPUT_MAX = 8192, /* larger buffers are not kept */
    ARENA_FIRST_BYTES = 5120 - 64, /* holds what most requests need: streams have it for long */
    LINGER_MS = 1000,
    REASON_MAX = 320,
    LINGER_BYTES = 32 << 20, /* most clients read an answer only after their whole body is out */
    SAY_EVERY_MS = 1000,
    LOOKS_MAX = 2, /* for requests of a connection, before others have their turn */
    REFUSE_AT_ONCE = 1024, /* connections, before others have their turn */
};

enum next { NEXT_REQUEST, NEXT_REST, NEXT_CLOSE };

/* ---- resting connections ---- */

static void rest(struct connection_queue *q, struct http_connection_in *c)
{
    struct http_server *s = c->server;
    c->rests_since_ns = loop_now_ns(s->loop);
    connection_queue_add(q, c);
    int64_t until_ns = c->rests_since_ns + q->timeout_ns;
    if (!s->timer.slot || until_ns < s->timer.at_ns)
        timer_set(s->loop, &s->timer, until_ns);
}

static void connection_close(struct http_connection_in *c)
{
    struct http_server *s = c->server;
    if (c->queue)
        connection_queue_remove(c);
    stream_close(&c->stream);
    if (s->options.peers)
        peers_leave(s->options.peers, &c->peer);
    mem_free(c->ahead);
    mem_free(c);
    atomic_fetch_sub_explicit(&s->connections, 1, memory_order_relaxed);
    series_add(s->gauge, -1);
}

static void close_resting(struct connection_queue *q, int64_t before_ns)
{
    while (q->oldest && q->oldest->rests_since_ns + q->timeout_ns <= before_ns)
        connection_close(q->oldest);
}

/* One timer for all: whoever rests longest is first in its queue. */
static void on_time(struct timer *timer)
{
    struct http_server *s = HZ_CONTAINER_OF(timer, struct http_server, timer);
    struct connection_queue *queues[] = { &s->fresh, &s->idle };
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < HZ_LEN(queues); i++) {
        struct connection_queue *q = queues[i];
        close_resting(q, loop_now_ns(s->loop));
        if (q->oldest)
            next_ns = HZ_MIN(next_ns, q->oldest->rests_since_ns + q->timeout_ns);
    }
    if (next_ns != INT64_MAX)
        timer_set(s->loop, &s->timer, next_ns);
}

static void on_gone(struct stream *stream)
{
    struct http_connection_in *c = HZ_CONTAINER_OF(stream, struct http_connection_in, stream);
    if (c->task)
        task_stop(c->task, ERR_CLIENT_GONE);
    else
        connection_close(c);
}

static void on_idle_input(struct stream *stream)
{
    struct http_connection_in *c = HZ_CONTAINER_OF(stream, struct http_connection_in, stream);
    if (c->task || turns_has(c))
        return;
    connection_queue_remove(c);
    turns_take(c);
}

/* ---- refusals ---- */

static void refusals_say(struct http_server *s, struct refusals *r)
{
    int64_t now_ns = loop_now_ns(s->loop);
    if (r->unsaid == 0 || (r->said_ns && now_ns - r->said_ns < SAY_EVERY_MS * NS_PER_MS))
        return;
    log_warn(NULL, r->event, LOG_INT("refused", r->unsaid),
             LOG_INT("connections", http_server_connections(s)),
             LOG_INT("wait_us", s->load.wait_ns / 1000));
    r->unsaid = 0;
    r->said_ns = now_ns;
}

static void refusals_count(struct http_server *s, struct refusals *r)
{
    series_add(r->series, 1);
    r->unsaid++;
    refusals_say(s, r);
}

static void on_turn(void *arg)
{
    struct http_server *s = arg;
    turns_end(s);
    refusals_say(s, &s->shed);
    refusals_say(s, &s->turned_away);
}

/* ---- the server ---- */

static void take_options(struct http_server *s, const struct http_server_options *options)
{
    if (options->tls)
        SSL_CTX_up_ref(options->tls);
    SSL_CTX_free(s->options.tls);
    s->options = *options;
    s->fresh.timeout_ns = options->head_timeout_ms * NS_PER_MS;
    s->idle.timeout_ns = options->keep_alive_ms * NS_PER_MS;
    if (s->load.target_ns != options->shed_delay_ms * NS_PER_MS)
        load_init(&s->load, options->shed_delay_ms * NS_PER_MS);
}

struct http_server *http_server_create(struct loop *l, const struct http_server_options *options)
{
    struct http_server *s = MEM_NEW(struct http_server);
    s->loop = l;
    take_options(s, options);
    s->timer.on_time = on_time;
    s->gauge = metrics_series(METRIC_HTTP_CONNECTIONS, NULL);
    s->shed = (struct refusals) { "overload", metrics_series(METRIC_HTTP_SHED, NULL), 0, 0 };
    s->turned_away = (struct refusals) { "connections_refused",
                                         metrics_series(METRIC_HTTP_TURNED_AWAY, NULL), 0, 0 };
    s->waits = metrics_series(METRIC_LOOP_WAIT, NULL);
    loop_each_turn(l, on_turn, s);
    return s;
}

void http_server_configure(struct http_server *s, const struct http_server_options *options)
{
    take_options(s, options);
    /* Those that rest may have rested long enough by now. */
    timer_set(s->loop, &s->timer, loop_now_ns(s->loop));
}

/* Over the limit: one write, no task, no place in a queue. */
static void turn_away(struct http_server *s, int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n";
    bool is_said =
        !s->options.tls && send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
    if (is_said) {
        shutdown(fd, SHUT_WR);
        /* Bytes left unread would turn the close into a reset. */
        ssize_t n = recv(fd, loop_scratch(s->loop), LOOP_SCRATCH_BYTES, MSG_DONTWAIT);
        (void)n;
    }
    close(fd);
    refusals_count(s, &s->turned_away);
}

void http_server_take(struct http_server *s, int fd, const struct address *peer)
{
    if (s->is_draining) {
        close(fd);
        return;
    }
    if (s->options.peers && !peers_enter(s->options.peers, peer)) {
        turn_away(s, fd);
        return;
    }
    struct http_connection_in *c = MEM_NEW(struct http_connection_in);
    if (stream_open_fd(&c->stream, s->loop, fd) != OK) {
        if (s->options.peers)
            peers_leave(s->options.peers, peer);
        mem_free(c);
        return;
    }
    c->server = s;
    c->is_new = true;
    c->peer = *peer;
    c->stream.on_gone = on_gone;
    c->stream.on_idle_input = on_idle_input;
    atomic_fetch_add_explicit(&s->connections, 1, memory_order_relaxed);
    series_add(s->gauge, 1);
    rest(&s->fresh, c);
}

size_t http_server_connections(const struct http_server *s)
{
    return atomic_load_explicit(&s->connections, memory_order_relaxed);
}

void http_server_drain(struct http_server *s)
{
    s->is_draining = true;
    close_resting(&s->fresh, INT64_MAX);
    close_resting(&s->idle, INT64_MAX);
}

void http_server_retire(struct http_server *s, bool is_retiring)
{
    s->is_retiring = is_retiring;
}

static void request_free(struct request_in *in)
{
    buf_fini(&in->input);
    buf_fini(&in->body);
    mem_free(in);
}

void http_server_destroy(struct http_server *s)
{
    if (!s)
        return;
    http_server_drain(s);
    while (s->waiting.oldest)
        connection_close(s->waiting.oldest);
    while (s->refused.oldest)
        connection_close(s->refused.oldest);
    HZ_ASSERT(http_server_connections(s) == 0);
    loop_each_turn_end(s->loop, on_turn, s);
    timer_cancel(s->loop, &s->timer);
    while (s->spare) {
        struct request_in *in = s->spare;
        s->spare = in->next;
        request_free(in);
    }
    SSL_CTX_free(s->options.tls);
    mem_free(s);
}

struct str server_date(struct http_server *s)
{
    if (loop_now_ns(s->loop) >= s->date_until_ns) {
        int64_t wall_ms = clock_wall_ms();
        time_t second = (time_t)(wall_ms / 1000);
        struct tm utc;
        gmtime_r(&second, &utc);
        strftime(s->date, sizeof(s->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &utc);
        s->date_until_ns = loop_now_ns(s->loop) + (1000 - wall_ms % 1000) * NS_PER_MS;
    }
    return str_of(s->date);
}

/* ---- requests ---- */

static struct request_in *request_take(struct http_connection_in *c)
{
    struct http_server *s = c->server;
    struct request_in *in = s->spare;
    if (in) {
        s->spare = in->next;
        s->spare_len--;
    } else {
        in = MEM_NEW(struct request_in);
    }
    struct buf input = in->input;
    *in = (struct request_in) { .input = input };
    in->request.connection = c;
    in->request.peer = c->peer;
    in->request.started_ns = loop_now_ns(s->loop);
    in->request.head.minor_version = 1;
    arena_init(&in->request.arena, s->options.request_arena_bytes);
    in->request.arena.first_bytes = ARENA_FIRST_BYTES;
    return in;
}

static void request_release(struct http_server *s, struct request_in *in)
{
    arena_fini(&in->request.arena);
    s->bodies_bytes -= in->body_counted;
    buf_fini(&in->body);
    if (s->spare_len >= SPARE_MAX) {
        request_free(in);
        return;
    }
    if (in->input.cap > SPARE_INPUT_MAX)
        buf_fini(&in->input);
    buf_clear(&in->input);
    in->next = s->spare;
    s->spare = in;
    s->spare_len++;
}

/* A close with unread input resets the connection, and the reset may overtake our answer: read on
 * for a moment, within bounds, until the client has closed. */
static void linger(struct task *t, struct http_connection_in *c)
{
    struct loop *l = c->server->loop;
    int64_t deadline_ns = loop_now_ns(l) + LINGER_MS * NS_PER_MS;
    size_t total = 0, got = 0;
    enum err err = OK;
    task_set_stage(t, "lingering");
    stream_finish(&c->stream);
    while (!err && total < LINGER_BYTES) {
        err = stream_read(t, &c->stream, loop_scratch(l), LOOP_SCRATCH_BYTES, &got, deadline_ns);
        total += got;
    }
}

static bool is_refusable(enum err err)
{
    return err == ERR_BAD_HTTP || err == ERR_HEAD_TOO_LARGE || err == ERR_URI_TOO_LONG ||
           err == ERR_EXPECT || err == ERR_NOT_IMPLEMENTED || err == ERR_HTTP_VERSION ||
           err == ERR_TOO_LARGE || err == ERR_SLOW_CLIENT || err == ERR_OVERLOAD;
}

/* Our own words where no handler speaks. */
static enum err reply_refusal(struct task *t, struct request_in *in, enum err why,
                              const struct fail *fail)
{
    struct http_request *r = &in->request;
    const struct http_server_options *options = &r->connection->server->options;
    const struct err_info *info = err_info(why);
    struct buf headers = { 0 }, body = { 0 };
    r->status = info->status;
    if (options->refuse)
        options->refuse(r, why, fail->err ? fail->text : info->text, &headers, &body, options->arg);
    if (body.len)
        buf_add(&headers, STR("Content-Type: application/json\r\n"));
    if (info->status == 503)
        buf_add(&headers, STR("Retry-After: 1\r\n"));
    enum err err = http_reply(t, r, info->status, buf_str(&headers), buf_str(&body));
    buf_fini(&headers);
    buf_fini(&body);
    return err;
}

static enum next refuse(struct task *t, struct request_in *in, enum err why,
                        const struct fail *fail)
{
    if (!is_refusable(why))
        return NEXT_CLOSE;
    task_set_stage(t, "refusing");
    if (why == ERR_OVERLOAD)
        refusals_count(in->request.connection->server, &in->request.connection->server->shed);
    in->request.is_closing = true;
    if (reply_refusal(t, in, why, fail) == OK)
        linger(t, in->request.connection);
    return NEXT_CLOSE;
}

static enum next go_on(const struct http_connection_in *c)
{
    return c->ahead || c->stream.can_read ? NEXT_REQUEST : NEXT_REST;
}

/* Answered before the body was read. The connection stays where the body's end is known and near. */
static enum next pass_over(struct task *t, struct request_in *in)
{
    struct http_connection_in *c = in->request.connection;
    if (!in->has_ended || c->stream.is_peer_gone)
        return NEXT_CLOSE;
    if (in->request.is_closing) {
        linger(t, c);
        return NEXT_CLOSE;
    }
    return request_skip_body(t, c, in) == OK ? go_on(c) : NEXT_CLOSE;
}

/* Above our capacity. */
static enum next shed(struct task *t, struct request_in *in)
{
    struct fail fail = { 0 };
    struct http_server *s = in->request.connection->server;
    task_set_stage(t, "refusing");
    refusals_count(s, &s->shed);
    return reply_refusal(t, in, ERR_OVERLOAD, &fail) == OK ? pass_over(t, in) : NEXT_CLOSE;
}

static enum next handle(struct task *t, struct request_in *in)
{
    struct http_request *r = &in->request;
    struct http_connection_in *c = r->connection;
    const struct http_server_options *options = &c->server->options;
    if (task_stop_reason(t))
        return NEXT_CLOSE;
    r->is_closing = !r->head.is_keep_alive;
    task_set_stage(t, "handling");
    options->handler(t, r, options->arg);
    task_unshield(t);
    task_set_deadline(t, INT64_MAX);

    if (task_stop_reason(t) == ERR_CLIENT_GONE)
        return NEXT_CLOSE;
    if (!r->is_answered && !in->is_broken) {
        struct fail fail = { 0 };
        if (reply_refusal(t, in, ERR_INTERNAL, &fail) != OK)
            return NEXT_CLOSE;
    }
    if (!in->has_ended || c->stream.is_peer_gone)
        return NEXT_CLOSE;
    if (!r->is_closing && !task_stop_reason(t))
        return go_on(c);
    if (c->ahead || c->stream.can_read)
        linger(t, c);
    return NEXT_CLOSE;
}

static enum next read_and_handle(struct task *t, struct request_in *in)
{
    struct http_request *r = &in->request;
    struct http_connection_in *c = r->connection;
    const struct http_server_options *options = &c->server->options;
    struct fail fail;
    fail_clear(&fail);
    enum err err = request_read_head(t, c, in, &fail);
    if (err == ERR_AGAIN)
        return NEXT_REST;
    if (err && err != ERR_OVERLOAD)
        return refuse(t, in, err, &fail);
    r->is_closing = !r->head.is_keep_alive || !request_is_skippable(in);
    if (err == ERR_OVERLOAD)
        return shed(t, in);
    if (options->admit && !options->admit(t, r, options->arg))
        return pass_over(t, in);
    err = request_read_body(t, c, in, &fail);
    return err ? refuse(t, in, err, &fail) : handle(t, in);
}

static enum next serve_one(struct task *t, struct http_connection_in *c)
{
    struct request_in *in = request_take(c);
    enum next next = read_and_handle(t, in);
    request_release(c->server, in);
    return next;
}

static void log_refused_client(const struct http_connection_in *c)
{
    char peer[ADDRESS_TEXT_MAX], reason[REASON_MAX];
    address_format(&c->peer, peer);
    stream_error_text(&c->stream, ERR_TLS, reason, sizeof(reason));
    log_warn(NULL, "client_refused", LOG_TEXT("peer", peer), LOG_TEXT("reason", reason));
}

static enum next secure(struct task *t, struct http_connection_in *c)
{
    struct http_server *s = c->server;
    int64_t deadline_ns = c->rests_since_ns + s->options.head_timeout_ms * NS_PER_MS;
    task_set_stage(t, "TLS handshake");
    enum err err = stream_tls_accept(t, &c->stream, s->options.tls, deadline_ns);
    if (err == ERR_TLS && tls_requires_client(c->stream.ssl))
        log_refused_client(c);
    return err ? NEXT_CLOSE : NEXT_REQUEST;
}

/* The requests that are there; then the connection rests without a task. */
static void serve(struct task *t, struct http_connection_in *c)
{
    struct http_server *s = c->server;
    enum next next = NEXT_REQUEST;
    if (s->options.tls && c->is_new && !c->stream.ssl)
        next = secure(t, c);
    for (int looks = 1; next == NEXT_REQUEST; looks++) {
        next = serve_one(t, c);
        /* A client that pipelines does not keep the others waiting. Where only the next look can tell
         * that it does, as with TLS, there is one. */
        if (next == NEXT_REQUEST && (c->ahead || looks == LOOKS_MAX))
            break;
        c->is_refused = next == NEXT_REQUEST && turns_refuse(s);
    }
    c->task = NULL;
    if (task_stop_reason(t) || next == NEXT_CLOSE)
        connection_close(c);
    else if (next == NEXT_REQUEST)
        turns_take(c);
    else if (!s->is_draining && !c->stream.is_peer_gone)
        rest(&s->idle, c);
    else
        connection_close(c);
}

void serve_task(struct task *t, void *connection)
{
    serve(t, connection);
}

/* A stop that concerns one client would end the next ones' waits, too; that of the loop is to end all. */
static bool may_go_on(const struct task *t)
{
    enum err why = task_stop_reason(t);
    return why == OK || why == ERR_STOPPING;
}

/* A refusal seldom waits, so one task, with its one stack, does many. If it waits, the end of the turn
 * begins others. */
void refuse_task(struct task *t, void *server)
{
    struct http_server *s = server;
    for (int i = 0; i < REFUSE_AT_ONCE && s->refused.oldest && may_go_on(t); i++) {
        struct http_connection_in *c = s->refused.oldest;
        connection_queue_remove(c);
        c->task = t;
        serve(t, c);
    }
}
