#include "base/mem.h"
#include "http/acceptor.h"
#include "sim/sim.h"

enum {
    KEEP_ALIVE_MS = 120000,
    IO_MS = 120000,
    BODY_BYTES_MAX = 64 << 20,
    ARENA_BYTES_MAX = 256 << 20
};

struct sim_server {
    struct sim *sim;
    struct http_server *http;
    struct acceptor *acceptor;
};

enum err sim_server_open(struct loop *l, const struct sim_server_options *options,
                         struct sim_server **out, struct fail *fail)
{
    struct sim_server *s = MEM_NEW(struct sim_server);
    enum err err = sim_create(&options->sim, &s->sim, fail);
    if (err)
        goto out;
    struct http_server_options http = {
        .handler = sim_handle,
        .arg = s->sim,
        .tls = options->tls,
        .keep_alive_ms = KEEP_ALIVE_MS,
        .head_timeout_ms = IO_MS,
        .body_timeout_ms = IO_MS,
        .write_timeout_ms = IO_MS,
        .max_body_bytes = BODY_BYTES_MAX,
        .request_arena_bytes = ARENA_BYTES_MAX,
    };
    s->http = http_server_create(l, &http);
    struct acceptor_target target = { .loop = l, .server = s->http };
    err = acceptor_open(options->host ? options->host : "127.0.0.1", options->port, &target, 1,
                        &s->acceptor, fail);
    if (err)
        goto out;
    acceptor_start(s->acceptor);
    *out = s;
    s = NULL;
out:
    sim_server_close(s);
    return err;
}

int sim_server_port(const struct sim_server *s)
{
    return acceptor_port(s->acceptor);
}

void sim_server_stop(struct sim_server *s)
{
    acceptor_stop(s->acceptor);
    http_server_drain(s->http);
}

void sim_server_close(struct sim_server *s)
{
    if (!s)
        return;
    acceptor_destroy(s->acceptor);
    http_server_destroy(s->http);
    sim_destroy(s->sim);
    mem_free(s);
}
