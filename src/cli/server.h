#ifndef HZ_CLI_SERVER_H
#define HZ_CLI_SERVER_H
/*
 * server - the parts of a running router, put together: configuration, ledger, gateway, one loop a
 * core, one listening socket.
 *
 * A stop (SIGTERM, SIGINT) closes the socket, lets requests in flight end for a while, then stops
 * the rest, which settle what they spent. A second signal shortens the wait. SIGHUP: cli/reload.h.
 *
 * Thread: the main thread, which becomes that of loops[0].
 */

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "cli/admin_key.h"
#include "cli/restart.h"
#include "http/acceptor.h"
#include "http/peers.h"
#include "sim/sim.h"

enum { SERVER_LOOPS_MAX = 64 };

struct server {
    const struct cli_args *args; /* where a reload reads again */
    struct config *config;       /* in force now */
    struct workers *workers;
    struct ledger *ledger;
    struct gateway *gateway;
    struct sim_server *sim;
    SSL_CTX *tls;
    struct peers *peers;
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
    bool is_reloading;
    bool must_reload; /* asked for, and not begun */
    struct admin_key admin_key;
};

/* Before any thread exists: signals reach only the loop. */
void server_block_signals(void);
/* With `config` and `args` set. After an error, too, server_close frees what was opened. */
enum err server_open(struct server *s, struct fail *fail) HZ_MUST_USE;
/* Until a signal has stopped it, or another process has taken over. */
void server_run(struct server *s);
void server_close(struct server *s);

/* ---- what a configuration says ---- */

void server_set_log_level(const struct config *config);
void server_log_warnings(const struct config *config);
/* Starts the built-in simulator if the configuration needs it for the first time. */
enum err server_set_simulator(struct server *s, struct config *config, struct fail *fail) HZ_MUST_USE;
/* Of one loop's server, as s->config and s->tls are now. */
struct peers_limits server_peers_limits(const struct config *config);
void server_http_options(struct server *s, size_t loop, struct http_server_options *out);

/* ---- while it runs: the main thread ---- */

/* Calls fn for each server on its own loop, after the connections that are on their way to it. */
void server_tell(struct server *s, void (*fn)(struct http_server *));
/* All of them, also those on their way while an order is. */
size_t server_connections(const struct server *s);
/* Somebody is connected, or the process before us still sends rows. */
bool server_is_needed(const struct server *s);
void server_stop_loops(struct server *s);

#endif
