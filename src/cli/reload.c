#include "cli/reload.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/certificates.h"
#include "cli/options.h"
#include "cli/server.h"
#include "http/peers.h"
#include "loop/worker.h"
#include "net/tls.h"

/* ---- on a worker ---- */

struct loaded {
    const struct cli_args *args;
    struct config *config; /* NULL: see errors */
    SSL_CTX *tls;
    struct buf errors; /* a line each */
};

static void loaded_free(void *arg)
{
    struct loaded *l = arg;
    config_unref(l->config);
    SSL_CTX_free(l->tls);
    buf_fini(&l->errors);
    mem_free(l);
}

static enum err load(void *arg)
{
    struct loaded *l = arg;
    struct fail fail = { 0 };
    l->config = cli_read_config(l->args, &l->errors);
    enum err err = l->config ? certificates_read(l->config, &l->tls, &fail) : ERR_CONFIG;
    if (fail.err)
        buf_addf(&l->errors, "%s\n", fail.text);
    return err;
}

/* ---- what is new takes effect ---- */

/* Told when the last loop has changed. */
struct news {
    atomic_size_t loops_left;
    struct config *config;
    struct buf changed, kept;
};

struct change {
    struct post post;
    struct http_server *server;
    struct http_server_options options;
    struct news *news;
};

static void tell(struct news *n)
{
    log_info(NULL, "reload", LOG_STR("changed", n->changed.len ? buf_str(&n->changed) : STR("nothing")),
             LOG_STR("config", n->config->source));
    if (n->kept.len)
        log_warn(NULL, "reload_incomplete", LOG_STR("needs_restart", buf_str(&n->kept)));
    server_log_warnings(n->config);
    config_unref(n->config);
    buf_fini(&n->changed);
    buf_fini(&n->kept);
    mem_free(n);
}

static void change_server(struct post *post)
{
    struct change *change = HZ_CONTAINER_OF(post, struct change, post);
    http_server_configure(change->server, &change->options);
    if (atomic_fetch_sub(&change->news->loops_left, 1) == 1)
        tell(change->news);
    SSL_CTX_free(change->options.tls);
    mem_free(change);
}

static void change_servers(struct server *s, struct news *news)
{
    peers_limit(s->peers, server_peers_limits(s->config));
    atomic_init(&news->loops_left, s->loops_len);
    for (size_t i = 0; i < s->loops_len; i++) {
        struct change *change = MEM_NEW(struct change);
        change->post.fn = change_server;
        change->server = s->servers[i];
        change->news = news;
        server_http_options(s, i, &change->options);
        if (s->tls)
            SSL_CTX_up_ref(s->tls);
        loop_post(s->loops[i], &change->post);
    }
}

static void take_certificates(struct server *s, struct loaded *l, struct buf *changed)
{
    if (!certificates_are_same(l->tls, s->tls))
        buf_add(changed, changed->len ? STR(", the certificate") : STR("the certificate"));
    if (l->tls && s->tls)
        tls_take_tickets(l->tls, s->tls);
    SSL_CTX_free(s->tls);
    s->tls = l->tls;
    l->tls = NULL;
}

static void take(struct server *s, struct loaded *l)
{
    struct news *news = MEM_NEW(struct news);
    news->config = config_ref(l->config);
    config_compare(l->config, s->config, &news->changed, &news->kept);
    config_unref(s->config);
    s->config = config_ref(l->config);
    take_certificates(s, l, &news->changed);
    server_set_log_level(s->config);
    gateway_reload(s->gateway, s->config);
    change_servers(s, news);
}

/* Its loops may stop any time: nothing more may be posted to them. */
static bool is_leaving(const struct server *s)
{
    return s->is_stopping || s->restart.is_retiring;
}

static void log_errors(struct str errors)
{
    while (errors.len)
        log_error(NULL, "reload_failed", LOG_STR("error", str_cut(&errors, '\n')));
}

/* ---- the task ---- */

static enum err reload_once(struct task *t, struct server *s)
{
    struct loaded *l = MEM_NEW(struct loaded);
    l->args = s->args;
    bool is_given_up;
    enum err err = worker_run(t, s->workers, load, l, loaded_free, &is_given_up);
    if (is_given_up)
        return err;
    struct fail fail = { 0 };
    if (is_leaving(s))
        buf_add(&l->errors, STR("this process is about to end\n"));
    else if (!err && server_set_simulator(s, l->config, &fail) != OK)
        buf_addf(&l->errors, "%s\n", fail.text);
    if (l->errors.len)
        log_errors(buf_str(&l->errors));
    else
        take(s, l);
    loaded_free(l);
    return OK;
}

static void reload(struct task *t, void *server)
{
    struct server *s = server;
    do {
        s->must_reload = false;
    } while (reload_once(t, s) == OK && s->must_reload);
    s->is_reloading = false;
}

void reload_begin(struct server *s)
{
    s->must_reload = true;
    if (s->is_reloading)
        return;
    s->is_reloading = true;
    task_spawn(s->loops[0], "reload", reload, s);
}
