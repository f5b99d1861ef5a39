#include "base/clock.h"
#include "http/server_private.h"

enum {
    BEGIN_A_TURN = 64,     /* new requests */
    REFUSERS_A_TURN = 256, /* as many as connections come new, with a handshake to wait for */
};

void connection_queue_add(struct connection_queue *q, struct http_connection_in *c)
{
    c->queue = q;
    c->older = q->newest;
    *(q->newest ? &q->newest->newer : &q->oldest) = c;
    q->newest = c;
    q->len++;
}

void connection_queue_remove(struct http_connection_in *c)
{
    struct connection_queue *q = c->queue;
    *(c->older ? &c->older->newer : &q->oldest) = c->newer;
    *(c->newer ? &c->newer->older : &q->newest) = c->older;
    q->len--;
    c->older = c->newer = NULL;
    c->queue = NULL;
}

static void begin(struct http_connection_in *c)
{
    c->task = task_spawn(c->server->loop, "http request", serve_task, c);
}

static void begin_to_refuse(struct http_server *s)
{
    task_spawn(s->loop, "http refusals", refuse_task, s);
}

/* How long a request that comes now would wait for its turn, or for the ledger. */
static int64_t expected_wait_ns(const struct http_server *s)
{
    return s->wait_ns + (int64_t)s->waiting.len * s->pace.each_ns;
}

bool turns_refuse(struct http_server *s)
{
    return load_refuses(&s->load, expected_wait_ns(s));
}

bool turns_has(const struct http_connection_in *c)
{
    return c->queue == &c->server->waiting || c->queue == &c->server->refused;
}

/* What is under way goes first: of new requests a turn of the loop takes only some, in their order.
 * Otherwise each of thousands waits at each of its steps behind the first step of all the others.
 * Those to be refused do not wait for them. */
void turns_take(struct http_connection_in *c)
{
    struct http_server *s = c->server;
    c->is_refused = turns_refuse(s);
    if (c->is_refused) {
        if (!s->refused.oldest)
            begin_to_refuse(s);
        connection_queue_add(&s->refused, c);
    } else if (s->begun < BEGIN_A_TURN && !s->waiting.oldest) {
        s->begun++;
        begin(c);
    } else {
        c->waits_since_ns = loop_now_ns(s->loop);
        connection_queue_add(&s->waiting, c);
    }
}

/* At the end of a turn, for the next. */
static void begin_waiting(struct http_server *s)
{
    for (s->begun = 0; s->begun < BEGIN_A_TURN && s->waiting.oldest; s->begun++) {
        struct http_connection_in *c = s->waiting.oldest;
        connection_queue_remove(c);
        begin(c);
    }
}

/* What is left is there because a refusal had to wait, and each of these may: with one task more a
 * turn they would pile up. */
static void go_on_refusing(struct http_server *s)
{
    size_t count = HZ_MIN(s->refused.len, (size_t)REFUSERS_A_TURN);
    for (size_t i = 0; i < count; i++)
        begin_to_refuse(s);
}

static int64_t longest_wait_ns(const struct http_server *s)
{
    const struct http_connection_in *c = s->waiting.oldest;
    return c ? loop_now_ns(s->loop) - c->waits_since_ns : 0;
}

void turns_end(struct http_server *s)
{
    const struct http_server_options *options = &s->options;
    /* One after the other: first for the loop to see it, then in the queue. */
    int64_t waited_ns = loop_lag_ns(s->loop) + longest_wait_ns(s);
    if (waited_ns)
        series_observe(s->waits, (double)waited_ns / 1e9);
    pace_note(&s->pace, loop_now_ns(s->loop), s->waiting.oldest ? s->begun : 0);
    begin_waiting(s);
    go_on_refusing(s);
    s->wait_ns = loop_lag_ns(s->loop);
    if (options->wait_behind)
        s->wait_ns = HZ_MAX(s->wait_ns, options->wait_behind(options->wait_behind_arg));
    load_observe(&s->load, loop_now_ns(s->loop), expected_wait_ns(s));
}
