#ifndef HZ_CLI_SERVER_H
#define HZ_CLI_SERVER_H
/*
 * server - the parts of a running router, put together: configuration, ledger, gateway, one loop a
 * core, one listening socket.
 *
 * A stop (SIGTERM, SIGINT) closes the socket, lets requests in flight end for a while, then stops
 * the rest, which settle what they spent. A second signal shortens the wait.
 *
 * Thread: the main thread, which becomes that of loops[0].
 */

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "cli/admin_key.h"
#include "cli/restart.h"
#include "sim/sim.h"

enum { SERVER_LOOPS_MAX = 64 };

struct server {
    struct config *config;
    struct workers *workers;
    struct ledger *ledger;
    struct gateway *gateway;
    struct sim_server *sim;
    SSL_CTX *tls;
    struct peers *peers; /* NULL: no limit an address */
    struct acceptor *acceptor;
    size_t loops_len;
    struct loop *loops[SERVER_LOOPS_MAX];
    struct api apis[SERVER_LOOPS_MAX];
    struct http_server *servers[SERVER_LOOPS_MAX];
    pthread_t threads[SERVER_LOOPS_MAX];
    struct watch signals;
    int64_t stop_ms; /* how long requests in flight may go on */
    bool is_stopping;
    atomic_size_t told; /* orders on their way to servers */
    struct restart restart;
    struct admin_key admin_key;
};

/* Before any thread exists: signals reach only the loop. */
void server_block_signals(void);
/* With `config` set. After an error, too, server_close frees what was opened. */
enum err server_open(struct server *s, struct fail *fail) HZ_MUST_USE;
/* Until a signal has stopped it, or another process has taken over. */
void server_run(struct server *s);
void server_close(struct server *s);

/* ---- while it runs: the main thread ---- */

/* Calls fn for each server on its own loop, after the connections that are on their way to it. */
void server_tell(struct server *s, void (*fn)(struct http_server *));
/* All of them, also those on their way while an order is. */
size_t server_connections(const struct server *s);
void server_stop_loops(struct server *s);

#endif
