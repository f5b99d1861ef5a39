#ifndef HZ_HTTP_CLIENT_H
#define HZ_HTTP_CLIENT_H
/*
 * client - HTTP/1.1 requests over a pool of kept connections, one pool a loop.
 *
 * Owner:    the caller embeds `struct http_exchange`; http_exchange_end returns the connection to
 *           the pool when the answer was read to its end, and closes it otherwise.
 * Thread:   the loop thread.
 * Suspends: functions that take a task.
 * Errors:   ERR_DNS, ERR_UPSTREAM_CONNECT, ERR_TLS, ERR_UPSTREAM_BROKEN, ERR_TIMEOUT, stops.
 */

#include "base/buf.h"
#include "loop/task.h"
#include "wire/http1.h"

struct http_client;
struct http_connection;
struct resolver;

struct http_client_options {
    struct resolver *resolver;
    int64_t idle_ms;        /* a kept connection is closed after this (default 55000) */
    size_t idle_per_origin; /* default 512 */
};
struct http_client *http_client_create(struct loop *l, const struct http_client_options *options);
void http_client_destroy(struct http_client *c);
/* Closes kept connections; for shutdown and tests. */
void http_client_drop_idle(struct http_client *c);
size_t http_client_open_connections(const struct http_client *c);

struct http_origin {
    bool is_tls;
    struct str host;
    int port;
    struct str ca_file; /* empty: the system's store */
};

struct http_send {
    struct http_origin origin;
    struct str method;
    struct str target;
    struct str headers; /* "name: value\r\n"...; Host, Content-Length are added */
    struct str body;    /* at = NULL: none */
    int64_t connect_deadline_ns;
    int64_t send_deadline_ns;
};

struct http_exchange {
    struct http_client *client;
    struct http_connection *connection;
    struct http_send send;
    struct http_head head; /* of the answer; text lives until http_exchange_end */
    bool is_reused;        /* over a kept connection */
    bool is_body_done;
    int64_t body_bytes;
    char detail[160]; /* of a failure, for people */
};

/* Takes a kept connection that is not known to be closed, or connects; sends once. What `send` points
 * to must live until http_exchange_head has returned (the struct itself need not) and must not lie
 * in the loop's scratch. Call http_exchange_end also after a failure. After a time-out while it was sent an
 * answer may be there nonetheless: http_exchange_head tells. */
enum err http_exchange_start(struct task *t, struct http_client *c, struct http_exchange *x,
                             const struct http_send *send) HZ_MUST_USE;
/* The answer's head (1xx are skipped). */
enum err http_exchange_head(struct task *t, struct http_exchange *x,
                            int64_t deadline_ns) HZ_MUST_USE;
/* The next run of the body, at most 64 KiB; empty at its end. The text lives until the task's next
 * wait. */
enum err http_exchange_read(struct task *t, struct http_exchange *x, struct str *data,
                            int64_t deadline_ns) HZ_MUST_USE;
/* The whole body, added to `out`; ERR_TOO_LARGE past out->limit. */
enum err http_exchange_read_all(struct task *t, struct http_exchange *x, struct buf *out,
                                int64_t deadline_ns) HZ_MUST_USE;
/* Never waits. Safe on a zeroed exchange. */
void http_exchange_end(struct http_exchange *x);

#endif
