#ifndef HZ_HTTP_SERVER_H
#define HZ_HTTP_SERVER_H
/*
 * server - HTTP/1.1 for one loop: connections in, requests to a handler, answers out.
 *
 * An idle kept connection holds neither task nor buffer. A request runs as a task; a client that
 * leaves, or closes its sending side, stops that task with ERR_CLIENT_GONE.
 *
 * Owner:    the server owns connections and requests; a handler borrows its request until it ends.
 * Thread:   one server a loop; an acceptor spreads new connections over several.
 * Suspends: handlers and the reply functions.
 */

#include "base/arena.h"
#include "base/log.h"
#include "loop/task.h"
#include "net/stream.h"
#include "wire/http1.h"

struct http_server;
struct http_request;
struct peers;

/* Before the body is read: whether the request may have it read and handled. False after it has
 * answered instead. */
typedef bool http_admit_fn(struct task *t, struct http_request *r, void *arg);
/* Must answer with one of the reply functions below before it returns; if it returns without
 * having answered, the client gets a 500. */
typedef void http_handler_fn(struct task *t, struct http_request *r, void *arg);
/* Answers what failed before there was a request to handle (bad HTTP, head too large, ...).
 * `headers` as for http_reply; Content-Type is added. */
typedef void http_refuse_fn(struct http_request *r, enum err err, const char *detail,
                            struct buf *headers, struct buf *body, void *arg);

/* Whether a request is served even when others are refused for want of time. */
typedef bool http_vital_fn(const struct http_head *head);
/* How long work waits behind this server, outside its loop, in what is our own. */
typedef int64_t http_wait_fn(void *arg);

struct http_server_options {
    http_admit_fn *admit; /* optional */
    http_handler_fn *handler;
    http_refuse_fn *refuse; /* optional: writes a JSON body for a refusal */
    void *arg;
    /* While work waits longer than this all the time, a share of the requests is refused; 0: none. */
    int64_t shed_delay_ms;
    http_vital_fn *is_vital;   /* optional */
    http_wait_fn *wait_behind; /* optional */
    void *wait_behind_arg;
    SSL_CTX *tls; /* NULL: plain; the server takes a reference */
    int64_t keep_alive_ms, head_timeout_ms, body_timeout_ms, write_timeout_ms;
    size_t max_body_bytes;
    size_t max_bodies_bytes; /* of all requests of this server; 0 = no limit */
    struct peers *peers;        /* limits of connections, shared by all loops; NULL: none */
    size_t request_arena_bytes; /* hard limit of a request's memory besides its body */
};

struct http_request {
    struct http_head head; /* text lives as long as the request */
    struct arena arena;
    struct str body;    /* read whole before the handler runs */
    int64_t started_ns; /* when its head was complete */
    int64_t bytes_out;  /* of the answer's body, without its coding */
    int status;         /* of the answer, once begun */
    bool is_answered;   /* the head of an answer went out */
    bool is_closing;    /* the connection ends after this answer */
    bool is_chunked_out;
    void *context; /* left by `admit` for what follows */
    struct http_connection_in *connection;
    struct address peer;
};

struct http_server *http_server_create(struct loop *l, const struct http_server_options *options);
/* Loop thread: timeouts, limits and TLS for what begins from now on. What is under way stays as it is. */
void http_server_configure(struct http_server *s, const struct http_server_options *options);
/* Loop thread: takes an accepted descriptor. */
void http_server_take(struct http_server *s, int fd, const struct address *peer);
/* Idle connections are closed, those in a request answer it with `Connection: close`. */
void http_server_drain(struct http_server *s);
/* Another process takes the new connections: ours stay until they have had one more answer, with
 * `Connection: close`, or have rested too long. A close of an idle one could meet its next request.
 * `is_retiring` false: as before. */
void http_server_retire(struct http_server *s, bool is_retiring);
size_t http_server_connections(const struct http_server *s);
/* All connections closed; after the loop has no tasks left. */
void http_server_destroy(struct http_server *s);

/*
 * When the client has left (also: does not read, or the connection broke) the reply functions
 * return ERR_CLIENT_GONE at once. After any other stop they still write what the socket takes, and
 * answer with `Connection: close`; only a wait gives the reason then, unless the task is shielded.
 */

/* A whole answer, also in place of one that was begun and of which nothing was sent. `headers` as
 * "name: value\r\n"..., may be empty; Content-Length, Connection and Date are added. */
enum err http_reply(struct task *t, struct http_request *r, int status, struct str headers,
                    struct str body) HZ_MUST_USE;
/* A stream: begin, any number of parts, end. Chunked coding (HTTP/1.0: until close). Nothing of the
 * head is sent before the first part, so that both share a packet; an empty part sends the head
 * alone. http_reply_end with a last part shares it, too. A handler that returns without
 * http_reply_end cuts the connection, so that the client sees a broken answer. */
enum err http_reply_begin(struct task *t, struct http_request *r, int status,
                          struct str headers) HZ_MUST_USE;
enum err http_reply_part(struct task *t, struct http_request *r, struct str part) HZ_MUST_USE;
enum err http_reply_end(struct task *t, struct http_request *r, struct str last_part) HZ_MUST_USE;
/* The connection is closed after the handler returns, whatever of an answer went out, and none is
 * made up. For tests of broken servers. */
void http_request_abort(struct http_request *r);

#endif
