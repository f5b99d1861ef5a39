#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"
#include "gateway/internal.h"

/* ---- which models ---- */

enum { MODELS_MAX = 32 };
struct model_list {
    const struct model *list[MODELS_MAX];
    size_t len;
};

static void add_model(struct model_list *models, const struct model *m)
{
    for (size_t i = 0; i < models->len; i++) {
        if (models->list[i] == m)
            return;
    }
    if (models->len < MODELS_MAX)
        models->list[models->len++] = m;
}

static bool is_auto(const struct call *c)
{
    return c->request.model.len == 0 || str_is(c->request.model, "auto");
}

static bool route_matches(const struct route *r, const struct call *c)
{
    return (!r->feature.at || str_eq(r->feature, c->feature)) &&
           (!r->types || (r->types & 1u << c->type)) &&
           (!r->language.at || str_eq_nocase(r->language, c->language)) &&
           (!r->has_tier || r->tier == c->tier);
}

static const struct route *find_route(const struct config *config, const struct call *c)
{
    for (size_t i = 0; i < config->routes_len; i++) {
        if (route_matches(&config->routes[i], c))
            return &config->routes[i];
    }
    return NULL;
}

/* Cheapest or fastest deployment of a model; unknown ranks last. */
static int64_t rank(const struct setup *setup, const struct model *m, enum route_choice choose)
{
    int64_t best = INT64_MAX;
    for (size_t i = 0; i < m->deployments_len; i++) {
        const struct deployment *d = m->deployments[i];
        int64_t latency_us = atomic_load_explicit(&state_of(setup, d)->latency_us, memory_order_relaxed);
        int64_t price = d->price.input_nusd_per_mtok + d->price.output_nusd_per_mtok;
        bool is_known = choose == CHOOSE_FASTEST ? latency_us > 0 : price_is_known(&d->price);
        int64_t value = choose == CHOOSE_FASTEST ? latency_us : price;
        if (is_known)
            best = HZ_MIN(best, value);
    }
    return best;
}

static void add_route_models(struct model_list *models, const struct setup *setup,
                             const struct route *r)
{
    size_t from = models->len;
    for (size_t i = 0; i < r->models_len; i++)
        add_model(models, r->models[i]);
    if (r->choose == CHOOSE_FIRST)
        return;
    /* Insertion sort: stable, and the lists are short. */
    for (size_t i = from + 1; i < models->len; i++) {
        const struct model *m = models->list[i];
        size_t at = i;
        for (; at > from && rank(setup, models->list[at - 1], r->choose) > rank(setup, m, r->choose); at--)
            models->list[at] = models->list[at - 1];
        models->list[at] = m;
    }
}

static void add_fallback_models(struct model_list *models, const struct config *config)
{
    if (models->len == 0)
        return;
    struct str first = models->list[0]->name;
    for (size_t i = 0; i < config->fallbacks_len; i++) {
        const struct fallback *f = &config->fallbacks[i];
        if (!str_is(f->from, "*") && !str_eq(f->from, first))
            continue;
        for (size_t m = 0; m < f->models_len; m++)
            add_model(models, f->models[m]);
    }
}

static enum err explicit_model(struct call *c, struct model_list *models)
{
    const struct config *config = c->setup->config;
    const struct model *m = config_find_model(config, c->request.model);
    if (!m) {
        snprintf(c->fail.param, sizeof(c->fail.param), "model");
        return fail_set(&c->fail, ERR_NO_MODEL,
                        "the model '%.*s' does not exist; GET /v1/models lists those that do, and "
                        "'auto' lets the router choose",
                        (int)HZ_MIN(c->request.model.len, 80), c->request.model.at);
    }
    add_model(models, m);
    return OK;
}

/* ---- which deployments ---- */

/* The deployments of a model in an order drawn by weight. */
static size_t order_by_weight(const struct model *m, const struct deployment **out, size_t room)
{
    const struct deployment *left[PLAN_MAX];
    size_t left_len = HZ_MIN(m->deployments_len, (size_t)PLAN_MAX), n = 0;
    for (size_t i = 0; i < left_len; i++)
        left[i] = m->deployments[i];
    while (left_len && n < room) {
        int64_t sum = 0;
        for (size_t i = 0; i < left_len; i++)
            sum += left[i]->weight;
        int64_t drawn = left_len > 1 && sum > 0 ? (int64_t)random_below((uint64_t)sum) : 0;
        size_t pick = 0;
        while (pick + 1 < left_len && drawn >= left[pick]->weight)
            drawn -= left[pick++]->weight;
        out[n++] = left[pick];
        left[pick] = left[--left_len];
    }
    return n;
}

static bool may_be_called(const struct call *c, const struct deployment *d, struct fail *why)
{
    if (!price_is_known(&d->price) && !d->model->allows_unpriced) {
        fail_set(why, ERR_BAD_REQUEST,
                 "the model '%.*s' has no price, so it cannot be called; its operator can give it a "
                 "price or mark it 'unpriced: allow'", STR_ARG(d->model->name));
        return false;
    }
    return llm_request_fits(&c->request, &d->caps, why) == OK;
}

static int64_t cooling_ms(const struct call *c, const struct deployment *d)
{
    return rest_left_ms(&state_of(c->setup, d)->rest, loop_now_ns(c->gateway->loop));
}

static bool is_open(const struct call *c, const struct deployment *d)
{
    struct breaker *b = &state_of(c->setup, d)->breaker;
    return !breaker_may_pass(b, &c->setup->breaker_options, loop_now_ns(c->gateway->loop));
}

struct planning {
    struct plan *plan;
    struct fail why; /* somebody cannot serve such a request at all */
    const struct deployment *left_out[PLAN_MAX]; /* rate limited, or their breaker is open */
    size_t left_out_len;
};

static void add_deployments(struct call *c, const struct model *m, struct planning *p)
{
    const struct deployment *ordered[PLAN_MAX];
    struct plan *plan = p->plan;
    size_t n = order_by_weight(m, ordered, PLAN_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct deployment *d = ordered[i];
        if (!may_be_called(c, d, &p->why))
            continue;
        if (!plan->first)
            plan->first = d;
        if (is_open(c, d) || cooling_ms(c, d)) {
            if (p->left_out_len < PLAN_MAX)
                p->left_out[p->left_out_len++] = d;
        } else if (plan->len < PLAN_MAX) {
            plan->list[plan->len++] = d;
        }
    }
}

static bool is_legacy(const struct deployment *d)
{
    return d->provider->kind == PROVIDER_OPENAI || d->provider->kind == PROVIDER_AZURE_OPENAI;
}

/* AI_PROVIDER=legacy: OpenAI and Azure OpenAI lead, otherwise in the same order. */
static void put_legacy_first(struct plan *plan)
{
    const struct deployment *sorted[PLAN_MAX];
    size_t n = 0;
    for (int wants_legacy = 1; wants_legacy >= 0; wants_legacy--) {
        for (size_t i = 0; i < plan->len; i++) {
            if (is_legacy(plan->list[i]) == (wants_legacy == 1))
                sorted[n++] = plan->list[i];
        }
    }
    memcpy(plan->list, sorted, n * sizeof(sorted[0]));
    if (n)
        plan->first = plan->list[0];
}

/* Who takes the caller's prefill is known where it is declared; if nobody declares it, all are asked. */
static void keep_prefill(struct plan *plan)
{
    const struct deployment *takers[PLAN_MAX];
    size_t n = 0;
    for (size_t i = 0; i < plan->len; i++) {
        if (plan->list[i]->caps.accepts_prefill)
            takers[n++] = plan->list[i];
    }
    if (n == 0)
        return;
    memcpy(plan->list, takers, n * sizeof(takers[0]));
    plan->len = n;
    if (!plan->first->caps.accepts_prefill)
        plan->first = plan->list[0];
}

/* Without fallback nobody counts but the first. */
static void keep_first(struct planning *p)
{
    struct plan *plan = p->plan;
    plan->len = plan->len && plan->list[0] == plan->first;
    p->left_out_len = !plan->len;
    p->left_out[0] = plan->first;
}

/* The soonest of those that were left out is what the caller is told to wait for. */
static void note_waits(const struct call *c, struct planning *p)
{
    struct plan *plan = p->plan;
    for (size_t i = 0; i < p->left_out_len; i++) {
        struct deployment_state *s = state_of(c->setup, p->left_out[i]);
        bool has_failed = is_open(c, p->left_out[i]);
        int64_t *shortest = has_failed ? &plan->open_ms : &plan->retry_after_ms;
        int64_t ms = has_failed ? breaker_wait_ms(&s->breaker, &c->setup->breaker_options,
                                                  loop_now_ns(c->gateway->loop))
                                : cooling_ms(c, p->left_out[i]);
        ms = HZ_MAX(ms, 1);
        *shortest = *shortest ? HZ_MIN(*shortest, ms) : ms;
    }
}

static void add_left_out(const struct call *c, const struct deployment *d, struct buf *out)
{
    enum outcome last = (enum outcome)atomic_load(&state_of(c->setup, d)->last_failure);
    buf_addf(out, "%s%.*s/%.*s: ", out->len ? "; " : "", STR_ARG(d->provider->name), STR_ARG(d->name));
    if (!is_open(c, d))
        buf_add(out, STR("rate limited"));
    else if (last == OUTCOME_ANSWER)
        buf_add(out, STR("its circuit breaker is open"));
    else
        buf_addf(out, "its circuit breaker is open (last failure: %s)", outcome_name(last));
}

static enum err nobody_left(struct call *c, const struct planning *p)
{
    struct buf reasons = { 0 };
    for (size_t i = 0; i < p->left_out_len; i++)
        add_left_out(c, p->left_out[i], &reasons);
    bool is_limited = p->plan->retry_after_ms > 0;
    const char *who = c->setup->config->fallback.enabled ? "every deployment that could serve this"
                                                         : "fallback is disabled, and the deployment for this";
    const char *what = !is_limited         ? "has failed lately and is left alone for a while"
                       : p->plan->open_ms ? "is rate limited or has failed lately"
                                           : "is rate limited";
    p->plan->nobody = arena_printf(&c->http->arena, "%s %s; try again later: %.*s", who, what,
                                   STR_ARG(buf_str(&reasons)));
    buf_fini(&reasons);
    return fail_set(&c->fail, is_limited ? ERR_RATE_LIMIT : ERR_UPSTREAM, "%s %s", who, what);
}

static enum err choose_models(struct call *c, struct model_list *models, struct plan *out)
{
    const struct config *config = c->setup->config;
    bool is_embedding = c->request.operation == LLM_EMBEDDINGS;
    if (!is_auto(c) || is_embedding) {
        enum err err = explicit_model(c, models);
        if (err)
            return err;
    } else {
        const struct route *r = find_route(config, c);
        if (!r)
            return fail_set(&c->fail, ERR_NO_MODEL, "no route matches this request: name a model");
        add_route_models(models, c->setup, r);
        out->timeouts = &r->timeouts;
    }
    /* Vectors of different models must never be mixed. */
    if (config->fallback.enabled && !is_embedding)
        add_fallback_models(models, config);
    return OK;
}

enum err plan_make(struct call *c, struct plan *out)
{
    const struct config *config = c->setup->config;
    *out = (struct plan) { 0 };
    struct planning p = { .plan = out };
    struct model_list *models = ARENA_NEW(&c->http->arena, struct model_list);
    enum err err = choose_models(c, models, out);
    if (err)
        return err;
    for (size_t i = 0; i < models->len; i++)
        add_deployments(c, models->list[i], &p);
    if (is_auto(c) && config->fallback.lead == LEAD_LEGACY)
        put_legacy_first(out);
    if (c->request.has_prefill)
        keep_prefill(out);
    if (!out->first)
        return fail_set(&c->fail, p.why.err ? p.why.err : ERR_NO_MODEL, "%s",
                        p.why.err ? p.why.text : "no deployment serves this model");
    if (!config->fallback.enabled)
        keep_first(&p);
    note_waits(c, &p);
    return out->len ? OK : nobody_left(c, &p);
}

/* ---- while it is gone through ---- */

/* Too long for one model: only a model that declares more, or nothing, is worth a try. */
static bool may_hold_more(const struct deployment *d, const struct deployment *failed)
{
    int64_t context = d->model->context_tokens, less = failed->model->context_tokens;
    return context == 0 || (less && context > less);
}

bool plan_may_ask(const struct call *c, const struct deployment *d)
{
    if (c->plan.too_small && !may_hold_more(d, c->plan.too_small))
        return false;
    return !c->said.text.len || resume_takes(d);
}

bool plan_has_room(const struct call *c, size_t more)
{
    return c->rows_len + more < (size_t)c->setup->config->fallback.max_deployments;
}

bool plan_has_another(const struct call *c)
{
    for (size_t i = c->plan.at + 1; i < c->plan.len && plan_has_room(c, 1); i++) {
        const struct deployment *d = c->plan.list[i];
        if (plan_may_ask(c, d) && !cooling_ms(c, d) && !is_open(c, d))
            return true;
    }
    return false;
}

bool plan_is_alone(const struct call *c)
{
    return c->plan.len == 1 || c->setup->config->fallback.max_deployments == 1;
}
