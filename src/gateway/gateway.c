#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/setup.h"

enum { PING_MS = 1500 };

static enum err loop_init(struct gateway_loop *gl, struct gateway *g, struct loop *l, struct fail *fail)
{
    gl->gateway = g;
    gl->loop = l;
    enum err err = resolver_create(l, &gl->resolver);
    if (err)
        return fail_set(fail, err, "the name resolver cannot start");
    err = resolver_set_servers(gl->resolver, gl->setup->config->net.dns_servers);
    if (err)
        return fail_set(fail, err, "net.dns_servers: not a list of address:port");
    struct http_client_options options = { .resolver = gl->resolver };
    gl->client = http_client_create(l, &options);
    err = key_view_load(&gl->keys, g);
    return err ? fail_set(fail, err, "the API keys cannot be read from the store") : OK;
}

enum err gateway_create(const struct gateway_options *options, struct gateway **out, struct fail *fail)
{
    struct gateway *g = MEM_NEW(struct gateway);
    g->ledger = options->ledger;
    g->workers = options->workers;
    g->loops = mem_zalloc(options->loops_len * sizeof(*g->loops));
    g->in_flight = metrics_series(METRIC_INFLIGHT, NULL);
    g->fallbacks = metrics_series(METRIC_FALLBACKS, NULL);
    g->resumed = metrics_series(METRIC_RESUMED, NULL);
    g->default_account = ledger_name(g->ledger, STR("default"));
    g->router_key_name = ledger_name(g->ledger, STR("router"));
    struct setup *setup = setup_create(g->ledger, options->config, NULL);
    enum err err = key_source_open(options->config->store.url, &g->keys, fail);
    for (; !err && g->loops_len < options->loops_len; g->loops_len++) {
        struct gateway_loop *gl = &g->loops[g->loops_len];
        gl->setup = setup_ref(setup);
        err = loop_init(gl, g, options->loops[g->loops_len], fail);
    }
    setup_unref(setup);
    if (err) {
        gateway_destroy(g);
        return err;
    }
    *out = g;
    return OK;
}

void gateway_destroy(struct gateway *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->loops_len; i++) {
        http_client_destroy(g->loops[i].client);
        resolver_destroy(g->loops[i].resolver);
        key_view_fini(&g->loops[i].keys);
        setup_unref(g->loops[i].setup);
    }
    key_source_close(g->keys);
    mem_free(g->loops);
    mem_free(g);
}

void gateway_start(struct gateway *g)
{
    for (size_t i = 0; i < g->loops_len; i++)
        task_spawn(g->loops[i].loop, "watch keys", key_view_watch, &g->loops[i]);
}

/* ---- reload ---- */

struct change {
    struct post post;
    struct gateway_loop *gl;
    struct setup *setup;
};

static void change_setup(struct post *post)
{
    struct change *change = HZ_CONTAINER_OF(post, struct change, post);
    setup_unref(change->gl->setup);
    change->gl->setup = change->setup;
    mem_free(change);
}

void gateway_reload(struct gateway *g, struct config *config)
{
    struct setup *setup = setup_create(g->ledger, config, g->loops[0].setup);
    for (size_t i = 0; i < g->loops_len; i++) {
        struct change *change = MEM_NEW(struct change);
        change->post.fn = change_setup;
        change->gl = &g->loops[i];
        change->setup = setup_ref(setup);
        loop_post(g->loops[i].loop, &change->post);
    }
    setup_unref(setup);
}

/* ---- what others ask ---- */

struct gateway_loop *gateway_on_loop(struct gateway *g, size_t index)
{
    HZ_ASSERT(index < g->loops_len);
    return &g->loops[index];
}

const struct config *gateway_config(const struct gateway_loop *gl)
{
    return gl->setup->config;
}

struct ledger *gateway_ledger(const struct gateway *g)
{
    return g->ledger;
}

enum err gateway_ping_store(struct task *t, struct gateway_loop *gl)
{
    return key_view_look(t, gl, PING_MS);
}

const char *gateway_breaker_state(const struct gateway_loop *gl, const struct deployment *d)
{
    return breaker_state_name(breaker_state(&state_of(gl->setup, d)->breaker));
}

void gateway_provider_state(const struct gateway_loop *gl, size_t index, struct provider_state *out)
{
    const struct config *config = gl->setup->config;
    const struct provider *p = &config->providers[index];
    *out = (struct provider_state) { .name = p->name, .region = p->region };
    bool has_any = false, has_ready = false;
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < config->deployments_len; i++) {
        if (config->deployments[i].provider != p)
            continue;
        const struct deployment_state *s = gl->setup->deployments[i];
        has_any = true;
        has_ready |= rest_left_ms(&s->rest, now_ns) == 0;
        out->is_failing |= breaker_state(&s->breaker) != BREAKER_CLOSED;
        out->attempts += atomic_load(&s->attempts);
        out->failures += atomic_load(&s->failures);
    }
    out->is_cooling = has_any && !has_ready;
}
