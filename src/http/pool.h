#ifndef HZ_HTTP_POOL_H
#define HZ_HTTP_POOL_H
/*
 * pool - outgoing connections by origin; inside http/ only.
 *
 * Kept connections stand in one list an origin, oldest first; the newest is taken first. One that
 * gets input or loses its peer while it is kept is closed at once.
 */

#include "http/client.h"
#include "net/stream.h"
#include "wire/chunked.h"

enum { HTTP_HEADERS_MAX = 100, HTTP_DETAIL_MAX = 160 };

struct origin {
    struct http_client *client;
    struct origin *next;
    bool is_tls;
    int port;
    char *host;
    char *ca_file;    /* NULL: the system's store */
    char *host_field; /* as the Host header says it */
    SSL_CTX *tls;     /* made at the first connection */
    SSL_SESSION *session;
    struct http_connection *oldest, *newest;
    size_t kept;
    size_t open; /* kept, in use and being made */
};

struct http_connection {
    struct stream stream;
    struct origin *origin;
    struct http_connection *older, *newer;
    int64_t kept_since_ns;

    /* Of the exchange under way. */
    struct buf input; /* the answer's head and what came along behind it */
    size_t input_at;  /* first byte not given out */
    struct http_header *headers;
    size_t headers_cap;
    struct chunked chunked;
    int64_t body_left;
    bool is_reusable;
};

struct http_client {
    struct loop *loop;
    struct http_client_options options;
    struct origin *origins;
    size_t origins_len;
    size_t open;
    struct timer timer;
    struct http_header headers[HTTP_HEADERS_MAX]; /* room to parse in, between two waits */
};

struct origin *pool_origin(struct http_client *c, const struct http_origin *wanted);
/* A kept connection that nobody has closed, as far as this machine knows, or NULL. */
struct http_connection *pool_take(struct origin *o);
/* ERR_DNS, ERR_UPSTREAM_CONNECT, ERR_TLS, stops. */
enum err pool_connect(struct task *t, struct origin *o, int64_t deadline_ns,
                      struct http_connection **out, char detail[HTTP_DETAIL_MAX]) HZ_MUST_USE;
/* For the next exchange, if the connection is still good for one. */
void pool_keep(struct http_connection *conn);
void pool_close(struct http_connection *conn);

#endif
