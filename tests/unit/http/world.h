#ifndef HZ_TESTS_UNIT_HTTP_WORLD_H
#define HZ_TESTS_UNIT_HTTP_WORLD_H
/* world - a server and a client on the test's loop, and bare connections to the server. */

#include "support.h"

#include "http/acceptor.h"
#include "http/client.h"
#include "http/peers.h"
#include "net/dns.h"

enum {
    WORLD_HEAD_MS = 10000,
    WORLD_BODY_MS = 30000,
    WORLD_WRITE_MS = 20000,
    WORLD_KEEP_ALIVE_MS = 75000,
    WORLD_BODY_MAX = 1 << 21,
};

struct world {
    struct http_server *server;
    struct acceptor *acceptor;
    struct resolver *resolver;
    struct http_client *client;
    int port;
    SSL_CTX *tls;
    struct http_origin origin; /* of the server */
};

/* Answers in the server's own words since world_open. */
extern int world_refusals;

/* options may be NULL; admit, peers, max_bodies_bytes, tls, max_body_bytes and what concerns shedding are taken from it. */
void world_open(struct world *w, http_handler_fn *handler, void *arg,
                const struct http_server_options *options);
void world_close(struct world *w);
/* A request to the server, with deadlines. */
void world_send(const struct world *w, const char *method, const char *target, struct str body,
                struct http_send *out);

/* A bare connection to the server. */
void raw_open(struct task *t, const struct world *w, struct stream *s);
void raw_put(struct task *t, struct stream *s, const char *text);
/* Reads until the other side closes or is silent for 100 ms (ERR_TIMEOUT); Date headers are left
 * out. *out is cleared before. */
enum err raw_get(struct task *t, struct stream *s, struct buf *out);
/* One connection: sends, reads the answer. */
enum err raw_ask(struct task *t, const struct world *w, const char *text, struct buf *out);
/* Other tasks get some turns. */
void some_turns(struct task *t);

#endif
