#ifndef HZ_SIM_SIM_H
#define HZ_SIM_SIM_H
/*
 * sim - a provider that is not there: four dialects over real sockets, scripted faults, an invoice.
 *
 * Answers are computed from the request alone, so the same request gets the same answer. Tokens
 * are counted by a rule of its own (4 bytes of UTF-8 are a token), never by llm/, so that a mistake
 * there cannot hide here. What it billed stands at GET /sim/invoice. Words: docs/simulator.md.
 *
 * Owner:    the caller; a sim must outlive the server that hands it requests.
 * Thread:   one loop thread.
 * Suspends: sim_handle.
 * Errors:   ERR_CONFIG (a script that does not parse), ERR_IO (the address cannot be had).
 */

#include <openssl/ssl.h>

#include "base/buf.h"
#include "loop/task.h"

struct http_request;
struct sim;

/* Zeroed: no key asked for, no script, default sizes. Text is copied. */
struct sim_options {
    struct str key;         /* calls must carry it; empty: none is asked for */
    struct str script;      /* rules as JSON; empty: none */
    size_t invoice_entries; /* the oldest go first; 0 = 1,000,000 */
    size_t journal_entries; /* requests kept for GET /sim/requests; 0 = 2,000 */
    size_t journal_bytes;   /* of all of them; 0 = 64 MiB */
};

enum err sim_create(const struct sim_options *options, struct sim **out,
                    struct fail *fail) HZ_MUST_USE;
void sim_destroy(struct sim *s);

/* An http_handler_fn (http/server.h); `sim` is a struct sim. */
void sim_handle(struct task *t, struct http_request *r, void *sim);

/* The words of scripted behaviour, as docs/simulator.md has them. */
void sim_write_words(struct buf *out);

/* ---- a sim behind an HTTP server of its own ---- */

/* Zeroed: 127.0.0.1, a free port, plain. */
struct sim_server_options {
    struct sim_options sim;
    const char *host;
    int port;
    SSL_CTX *tls; /* lent: must outlive the server */
};

struct sim_server;

/* Listens and accepts on `l`, before it runs or on its thread. */
enum err sim_server_open(struct loop *l, const struct sim_server_options *options,
                         struct sim_server **out, struct fail *fail) HZ_MUST_USE;
int sim_server_port(const struct sim_server *s);
/* Loop thread: no new connections; idle ones are closed. Calls under way go on until their end or
 * loop_stop. */
void sim_server_stop(struct sim_server *s);
/* After the loop has no tasks left. */
void sim_server_close(struct sim_server *s);

#endif
