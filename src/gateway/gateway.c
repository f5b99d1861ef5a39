#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/internal.h"

enum { PING_MS = 1500 };

static const char *terminated(struct buf *room, struct str s)
{
    buf_clear(room);
    buf_add(room, s);
    buf_add_char(room, '\0');
    return room->at;
}

static void deployment_init(struct gateway *g, const struct deployment *d)
{
    struct deployment_state *s = &g->deployments[d->index];
    struct buf provider_room = { 0 }, name_room = { 0 };
    const char *p = terminated(&provider_room, d->provider->name);
    const char *n = terminated(&name_room, d->name);
    for (int i = 0; i < OUTCOMES; i++)
        s->outcomes[i] = metrics_series(METRIC_ATTEMPTS, "provider", p, "deployment", n, "outcome",
                                        outcome_name((enum outcome)i), NULL);
    s->seconds = metrics_series(METRIC_ATTEMPT_SECONDS, "provider", p, "deployment", n, NULL);
    s->first_content = metrics_series(METRIC_FIRST_CONTENT, "provider", p, "deployment", n, NULL);
    s->cost = metrics_series(METRIC_COST, "provider", p, "deployment", n, NULL);
    struct {
        struct series **series;
        const char *class;
    } classes[] = {
        { &s->tokens_in, "input" },
        { &s->tokens_cached, "cached" },
        { &s->tokens_out, "output" },
        { &s->tokens_reasoning, "reasoning" },
    };
    for (size_t i = 0; i < HZ_LEN(classes); i++)
        *classes[i].series = metrics_series(METRIC_TOKENS, "provider", p, "deployment", n, "class",
                                            classes[i].class, NULL);
    s->breaker_gauge = metrics_series(METRIC_BREAKER, "provider", p, "deployment", n, NULL);
    breaker_init(&s->breaker);
    s->name = ledger_name(g->ledger, d->name);
    s->provider_name = ledger_name(g->ledger, d->provider->name);
    s->model_name = ledger_name(g->ledger, d->model->name);
    s->region_name = ledger_name(g->ledger, d->provider->region);
    buf_fini(&provider_room);
    buf_fini(&name_room);
}

static void model_init(struct gateway *g, const struct model *m)
{
    struct model_state *s = &g->models[m->index];
    struct buf room = { 0 };
    const char *name = terminated(&room, m->name);
    s->answered = metrics_series(METRIC_CALLS, "model", name, "outcome", "answered", NULL);
    s->refused = metrics_series(METRIC_CALLS, "model", name, "outcome", "refused", NULL);
    s->failed = metrics_series(METRIC_CALLS, "model", name, "outcome", "failed", NULL);
    s->left = metrics_series(METRIC_CALLS, "model", name, "outcome", "client_left", NULL);
    buf_fini(&room);
}

static enum err loop_init(struct gateway *g, struct gateway_loop *gl, struct loop *l, struct fail *fail)
{
    gl->gateway = g;
    gl->loop = l;
    enum err err = resolver_create(l, &gl->resolver);
    if (err)
        return fail_set(fail, err, "the name resolver cannot start");
    struct http_client_options options = { .resolver = gl->resolver };
    gl->client = http_client_create(l, &options);
    err = key_view_load(&gl->keys, g);
    return err ? fail_set(fail, err, "the API keys cannot be read from the store") : OK;
}

/* The failure table as it holds for one provider; the first override that matches wins. */
static void rules_init(struct outcome_rule *rules, const struct config *config, const struct provider *p)
{
    for (int i = 0; i < OUTCOMES; i++)
        rules[i] = outcome_info((enum outcome)i)->rule;
    for (size_t i = config->failures_len; i-- > 0;) {
        const struct failure_override *o = &config->failures[i];
        if (!str_is(o->provider, "*") && !str_eq(o->provider, p->name))
            continue;
        struct outcome_rule *rule = &rules[o->outcome];
        rule->again = o->again < 0 ? rule->again : (enum again)o->again;
        rule->next = o->next < 0 ? rule->next : (enum next)o->next;
        if (o->breaker >= 0)
            rule->health = o->breaker ? HEALTH_FAILURE : HEALTH_ALIVE;
    }
}

enum err gateway_create(const struct gateway_options *options, struct gateway **out, struct fail *fail)
{
    struct gateway *g = MEM_NEW(struct gateway);
    const struct config *config = options->config;
    g->config = config_ref(options->config);
    g->ledger = options->ledger;
    g->workers = options->workers;
    g->deployments = mem_zalloc(config->deployments_len * sizeof(*g->deployments));
    g->models = mem_zalloc(config->models_len * sizeof(*g->models));
    g->loops = mem_zalloc(options->loops_len * sizeof(*g->loops));
    g->retries = mem_zalloc(config->providers_len * sizeof(*g->retries));
    g->rules = mem_alloc(config->providers_len * sizeof(*g->rules));
    for (size_t i = 0; i < config->providers_len; i++) {
        retry_budget_init(&g->retries[i], config->retry.budget);
        rules_init(g->rules[i], config, &config->providers[i]);
    }
    g->breaker_options = (struct breaker_options) {
        .failures_in_row = config->breaker.failures_in_row,
        .window = config->breaker.window,
        .min_samples = config->breaker.min_samples,
        .open_ms = config->breaker.open_ms,
    };
    g->in_flight = metrics_series(METRIC_INFLIGHT, NULL);
    g->fallbacks = metrics_series(METRIC_FALLBACKS, NULL);
    g->default_account = ledger_name(g->ledger, STR("default"));
    g->router_key_name = ledger_name(g->ledger, STR("router"));
    for (size_t i = 0; i < config->deployments_len; i++)
        deployment_init(g, &config->deployments[i]);
    for (size_t i = 0; i < config->models_len; i++)
        model_init(g, &config->models[i]);
    enum err err = key_source_open(config->store.url, &g->keys, fail);
    for (; !err && g->loops_len < options->loops_len; g->loops_len++)
        err = loop_init(g, &g->loops[g->loops_len], options->loops[g->loops_len], fail);
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
    }
    key_source_close(g->keys);
    mem_free(g->loops);
    mem_free(g->models);
    mem_free(g->retries);
    mem_free(g->rules);
    for (size_t i = 0; i < g->config->deployments_len; i++)
        breaker_fini(&g->deployments[i].breaker);
    mem_free(g->deployments);
    config_unref(g->config);
    mem_free(g);
}

void gateway_start(struct gateway *g)
{
    for (size_t i = 0; i < g->loops_len; i++)
        task_spawn(g->loops[i].loop, "watch keys", key_view_watch, &g->loops[i]);
}

struct gateway_loop *gateway_on_loop(struct gateway *g, size_t index)
{
    HZ_ASSERT(index < g->loops_len);
    return &g->loops[index];
}

const struct config *gateway_config(const struct gateway *g)
{
    return g->config;
}

struct ledger *gateway_ledger(const struct gateway *g)
{
    return g->ledger;
}

enum err gateway_ping_store(struct task *t, struct gateway_loop *gl)
{
    return key_view_look(t, gl, PING_MS);
}

const char *gateway_breaker_state(const struct gateway *g, const struct deployment *d)
{
    return breaker_state_name(breaker_state(&g->deployments[d->index].breaker));
}

void gateway_provider_state(struct gateway *g, size_t index, struct provider_state *out)
{
    const struct provider *p = &g->config->providers[index];
    *out = (struct provider_state) { .name = p->name, .region = p->region };
    bool has_any = false, has_ready = false;
    int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < g->config->deployments_len; i++) {
        if (g->config->deployments[i].provider != p)
            continue;
        const struct deployment_state *s = &g->deployments[i];
        has_any = true;
        has_ready |= atomic_load(&s->cooling_until_ns) <= now_ns;
        out->is_failing |= breaker_state(&s->breaker) != BREAKER_CLOSED;
        out->attempts += atomic_load(&s->attempts);
        out->failures += atomic_load(&s->failures);
    }
    out->is_cooling = has_any && !has_ready;
}
