#include "gateway/setup.h"

#include "base/mem.h"

static const char *terminated(struct buf *room, struct str s)
{
    buf_clear(room);
    buf_add(room, s);
    buf_add_char(room, '\0');
    return room->at;
}

/* ---- deployments ---- */

static struct deployment_state *deployment_create(struct ledger *ledger, const struct deployment *d)
{
    struct deployment_state *s = MEM_NEW(struct deployment_state);
    atomic_init(&s->refs, 1);
    breaker_init(&s->breaker);
    rest_init(&s->rest);
    s->name = ledger_name(ledger, d->name);
    s->provider_name = ledger_name(ledger, d->provider->name);
    s->model_name = ledger_name(ledger, d->model->name);
    s->region_name = ledger_name(ledger, d->provider->region);
    return s;
}

static void deployment_unref(struct deployment_state *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (breaker_state(&s->breaker) != BREAKER_CLOSED)
        series_add(s->breaker_gauge, -1);
    breaker_fini(&s->breaker);
    rest_fini(&s->rest);
    mem_free(s);
}

static void deployment_count(struct deployment_state *s, const struct deployment *d)
{
    struct buf provider_room = { 0 }, name_room = { 0 };
    const char *p = terminated(&provider_room, d->provider->name);
    const char *n = terminated(&name_room, d->name);
    for (int i = 0; i < OUTCOMES; i++)
        s->outcomes[i] = metrics_series(METRIC_ATTEMPTS, "provider", p, "deployment", n, "outcome",
                                        outcome_name((enum outcome)i), NULL);
    s->seconds = metrics_series(METRIC_ATTEMPT_SECONDS, "provider", p, "deployment", n, NULL);
    s->first_content = metrics_series(METRIC_FIRST_CONTENT, "provider", p, "deployment", n, NULL);
    s->cost = metrics_series(METRIC_COST, "provider", p, "deployment", n, NULL);
    s->usage_absurd = metrics_series(METRIC_USAGE_DOUBTS, "provider", p, "deployment", n, "doubt",
                                     "not_believed", NULL);
    s->usage_above_bound = metrics_series(METRIC_USAGE_DOUBTS, "provider", p, "deployment", n, "doubt",
                                          "above_bound", NULL);
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
    buf_fini(&provider_room);
    buf_fini(&name_room);
}

static bool is_same(const struct deployment_state *a, const struct deployment_state *b)
{
    return a->name == b->name && a->provider_name == b->provider_name &&
           a->model_name == b->model_name && a->region_name == b->region_name;
}

/* What the ledger knows by the same names is the same deployment, and goes on as it was. */
static struct deployment_state *deployment_take(struct ledger *ledger, const struct deployment *d,
                                                const struct setup *before)
{
    struct deployment_state *fresh = deployment_create(ledger, d);
    for (size_t i = 0; before && i < before->config->deployments_len; i++) {
        struct deployment_state *known = before->deployments[i];
        if (!is_same(known, fresh))
            continue;
        deployment_unref(fresh);
        atomic_fetch_add_explicit(&known->refs, 1, memory_order_relaxed);
        return known;
    }
    deployment_count(fresh, d);
    return fresh;
}

/* ---- models, providers ---- */

static void model_init(struct model_state *s, const struct model *m)
{
    struct buf room = { 0 };
    const char *name = terminated(&room, m->name);
    s->answered = metrics_series(METRIC_CALLS, "model", name, "outcome", "answered", NULL);
    s->refused = metrics_series(METRIC_CALLS, "model", name, "outcome", "refused", NULL);
    s->failed = metrics_series(METRIC_CALLS, "model", name, "outcome", "failed", NULL);
    s->left = metrics_series(METRIC_CALLS, "model", name, "outcome", "client_left", NULL);
    buf_fini(&room);
}

/* The failure table as it holds for one provider: of the overrides of a row, the first that matches
 * alone counts. */
static void rules_init(struct outcome_rule *rules, const struct config *config, const struct provider *p)
{
    for (int i = 0; i < OUTCOMES; i++)
        rules[i] = outcome_info((enum outcome)i)->rule;
    bool is_overridden[OUTCOMES] = { false };
    for (size_t i = 0; i < config->failures_len; i++) {
        const struct failure_override *o = &config->failures[i];
        bool is_meant = str_is(o->provider, "*") || str_eq(o->provider, p->name);
        if (!is_meant || is_overridden[o->outcome])
            continue;
        is_overridden[o->outcome] = true;
        struct outcome_rule *rule = &rules[o->outcome];
        rule->again = o->again < 0 ? rule->again : (enum again)o->again;
        rule->next = o->next < 0 ? rule->next : (enum next)o->next;
        if (o->breaker >= 0)
            rule->health = o->breaker ? HEALTH_FAILURE : HEALTH_ALIVE;
    }
}

static void retries_init(struct retry_budget *r, int64_t max, const struct provider *p,
                         const struct setup *before)
{
    retry_budget_init(r, max);
    for (size_t i = 0; before && i < before->config->providers_len; i++) {
        if (str_eq(before->config->providers[i].name, p->name))
            retry_budget_copy(r, &before->retries[i]);
    }
}

/* ---- the whole ---- */

struct setup *setup_create(struct ledger *ledger, struct config *config, const struct setup *before)
{
    struct setup *s = MEM_NEW(struct setup);
    atomic_init(&s->refs, 1);
    s->config = config_ref(config);
    s->deployments = mem_zalloc(config->deployments_len * sizeof(struct deployment_state *));
    s->models = mem_zalloc(config->models_len * sizeof(*s->models));
    s->retries = mem_zalloc(config->providers_len * sizeof(*s->retries));
    s->rules = mem_zalloc(config->providers_len * sizeof(*s->rules));
    s->breaker_options = (struct breaker_options) {
        .failures_in_row = config->breaker.failures_in_row,
        .window = config->breaker.window,
        .min_samples = config->breaker.min_samples,
        .open_ms = config->breaker.open_ms,
    };
    for (size_t i = 0; i < config->deployments_len; i++)
        s->deployments[i] = deployment_take(ledger, &config->deployments[i], before);
    for (size_t i = 0; i < config->models_len; i++)
        model_init(&s->models[i], &config->models[i]);
    for (size_t i = 0; i < config->providers_len; i++) {
        rules_init(s->rules[i], config, &config->providers[i]);
        retries_init(&s->retries[i], config->retry.budget, &config->providers[i], before);
    }
    return s;
}

struct setup *setup_ref(struct setup *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void setup_unref(struct setup *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->config->deployments_len; i++)
        deployment_unref(s->deployments[i]);
    mem_free(s->deployments);
    mem_free(s->models);
    mem_free(s->retries);
    mem_free(s->rules);
    config_unref(s->config);
    mem_free(s);
}
