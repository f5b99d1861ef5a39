#ifndef HZ_HTTP_SERVER_PRIVATE_H
#define HZ_HTTP_SERVER_PRIVATE_H
/*
 * server_private - what server.c, request.c and reply.c share.
 *
 * A connection stands in a queue (no task, no buffer) or is served by a task; never both. In the
 * queue it rests or, with a request, waits for its turn.
 */

#include <stdatomic.h>

#include "base/metrics.h"
#include "http/load.h"
#include "http/server.h"

enum { SERVER_HEADERS_MAX = 100, DATE_FIELD_MAX = 48 };

/* Connections that rest or wait, the longest at the front. */
struct connection_queue {
    struct http_connection_in *oldest, *newest;
    size_t len;
    int64_t timeout_ns; /* of those that rest */
};

struct http_connection_in {
    struct stream stream;
    struct http_server *server;
    struct http_connection_in *older, *newer;
    struct connection_queue *queue; /* NULL while it is served */
    struct task *task;              /* NULL while it rests or waits */
    int64_t rests_since_ns, waits_since_ns;
    bool is_refused; /* above our capacity, unless its head shows that it is vital */
    bool is_new; /* no head was read yet: handshake and first head share one deadline */
    char *ahead; /* bytes that came behind the request before; heap */
    size_t ahead_len;
    struct address peer;
};

/* A request with its buffers; reused by the requests of a server. */
struct request_in {
    struct http_request request;
    struct buf input; /* the head, and the body when both came together */
    struct buf body;
    size_t body_counted; /* in bodies_bytes of the server */
    struct str behind; /* what came with the head; until the body is read */
    struct str pending_head; /* of an answer begun, not yet sent */
    bool is_begun;
    bool has_ended; /* the answer is complete */
    bool is_broken; /* a write failed: nothing more can be said */
    struct request_in *next;
};

/* Refusals of one kind: each is counted, one line a second is logged. */
struct refusals {
    const char *event; /* of the log */
    struct series *series;
    int64_t unsaid;
    int64_t said_ns;
};

struct http_server {
    struct loop *loop;
    struct http_server_options options;
    struct load load;
    struct refusals shed, turned_away;
    struct series *waits;
    struct connection_queue fresh; /* nothing was received yet */
    struct connection_queue idle;
    struct connection_queue refused; /* to be told so */
    struct connection_queue waiting; /* a request is there, its turn is not */
    unsigned begun;                  /* requests begun in this turn of the loop */
    int64_t turn_began_ns;           /* 0: the loop may have slept before it */
    int64_t pace_ns;                 /* from one begin to the next while others wait; 0: not known */
    int64_t wait_ns;                 /* of what comes now, besides what waits before it */
    struct timer timer;
    size_t bodies_bytes; /* memory of the bodies at hand */
    atomic_size_t connections; /* the acceptor reads it from its own thread */
    bool is_draining, is_retiring;
    struct series *gauge;
    struct request_in *spare;
    size_t spare_len;
    char date[DATE_FIELD_MAX]; /* "Date: ...\r\n" */
    int64_t date_until_ns;
    struct http_header headers[SERVER_HEADERS_MAX]; /* room to parse in, between two waits */
};

/* request.c: the head of the next request of the connection. ERR_AGAIN: nothing is there;
 * ERR_OVERLOAD: to be refused. */
enum err request_read_head(struct task *t, struct http_connection_in *c, struct request_in *in,
                           struct fail *fail) HZ_MUST_USE;
enum err request_read_body(struct task *t, struct http_connection_in *c, struct request_in *in,
                           struct fail *fail) HZ_MUST_USE;

/* The rest of the body of a request that is not served, so that the next one can be told apart. */
enum err request_skip_body(struct task *t, struct http_connection_in *c, struct request_in *in) HZ_MUST_USE;
/* Whether that is worth the while; otherwise the connection is closed. */
bool request_is_skippable(const struct request_in *in);

/* ---- turns.c: which of the requests that have come are begun, and when ---- */
void connection_queue_add(struct connection_queue *q, struct http_connection_in *c);
void connection_queue_remove(struct http_connection_in *c);
/* A request of the connection has come: it is begun, queued, or queued to be refused. */
void turns_take(struct http_connection_in *c);
bool turns_has(const struct http_connection_in *c);
/* Whether a request that comes now is to be refused. */
bool turns_refuse(struct http_server *s);
/* At the end of each turn of the loop. */
void turns_end(struct http_server *s);

/* ---- server.c ---- */
void serve_task(struct task *t, void *connection);
void refuse_task(struct task *t, void *server);
struct str server_date(struct http_server *s);

static inline struct request_in *request_in_of(struct http_request *r)
{
    return HZ_CONTAINER_OF(r, struct request_in, request);
}

#endif
