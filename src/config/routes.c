#include "config/lists.h"

/* What a list of model names stands in, for messages. */
struct mention {
    struct origin at;
    const char *field;
    bool is_default; /* of the built-in table: models that are not declared are no news */
};

/* Two limits of which the second ends the first, too. */
struct limit_pair {
    const char *part, *whole;
    int64_t part_ms, whole_ms;
    const struct provider *provider; /* whose `whole` is; NULL: the route's own */
};

static struct str list_models(struct building *b)
{
    struct buf all = { 0 };
    for (size_t i = 0; i < b->config->models_len; i++)
        buf_addf(&all, "%s%.*s", i ? ", " : "", STR_ARG(b->config->models[i].name));
    struct str text = arena_str(&b->config->arena, buf_str(&all));
    buf_fini(&all);
    return text;
}

static void note_missing(struct building *b, const struct mention *mention, struct str name)
{
    const struct config *c = b->config;
    for (size_t i = 0; i < b->known_models_len; i++) {
        if (!str_eq(b->known_models[i], name))
            continue;
        if (!mention->is_default)
            problem_warn(b->problems,
                         "%s:%d: %s: model %.*s is not declared under models: left out",
                         mention->at.file, mention->at.line, mention->field, STR_ARG(name));
        return;
    }
    struct str *names = arena_alloc(&b->config->arena, (c->models_len + 1) * sizeof(*names));
    for (size_t i = 0; i < c->models_len; i++)
        names[i] = c->models[i].name;
    struct str guess = problem_suggest(name, names, c->models_len);
    problem(b->problems, mention->at, "%s: there is no model '%.*s'%s%.*s%s; allowed: %.*s",
            mention->field, STR_ARG(problem_quote(&b->config->arena, name)),
            guess.at ? "; did you mean '" : "", STR_ARG(guess), guess.at ? "'?" : "",
            STR_ARG(list_models(b)));
}

/* The declared ones among the names, in their order. */
static size_t resolve(struct building *b, const struct mention *mention, struct names names,
                      const struct model *const **out)
{
    const struct model **models =
        arena_alloc(&b->config->arena, (names.len + 1) * sizeof(struct model *));
    size_t len = 0;
    for (size_t i = 0; i < names.len; i++) {
        const struct model *m = config_find_model(b->config, names.at[i]);
        if (!m) {
            note_missing(b, mention, names.at[i]);
            continue;
        }
        for (size_t j = 0; j < len; j++) {
            if (models[j] == m)
                problem(b->problems, mention->at, "%s: model '%.*s' stands twice", mention->field,
                        STR_ARG(m->name));
        }
        models[len++] = m;
    }
    *out = models;
    return len;
}

static unsigned type_bits(struct names types)
{
    unsigned bits = 0;
    for (size_t i = 0; i < types.len; i++) {
        enum call_type type;
        if (call_type_parse(types.at[i], &type))
            bits |= 1u << type;
    }
    return bits;
}

static bool is_language(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < 'a' || text.at[i] > 'z')
            return false;
    }
    return text.len == 2 || text.len == 3;
}

/* A limit that lies beyond the one that ends what it is part of. */
static void check_limits(struct building *b, struct origin at, const struct limit_pair *pair)
{
    if (!pair->part_ms || !pair->whole_ms || pair->part_ms <= pair->whole_ms)
        return;
    if (pair->provider)
        problem_warn(
            b->problems,
            "%s:%d: routes.timeouts_ms.%s (%lld) is never reached at provider %.*s: its %s is %lld",
            at.file, at.line, pair->part, (long long)pair->part_ms, STR_ARG(pair->provider->name),
            pair->whole, (long long)pair->whole_ms);
    else
        problem(b->problems, at, "routes.timeouts_ms.%s: must not pass %s, which is %lld here",
                pair->part, pair->whole, (long long)pair->whole_ms);
}

/* What the route says against what holds: its own limit, else (p) a provider's. A total below
 * attempt is no contradiction: it is shared. */
static void check_timeouts(struct building *b, struct origin at, const struct timeouts *t,
                           const struct provider *p)
{
    int64_t attempt_ms = !p ? t->attempt_ms : t->attempt_ms ? 0 : p->timeouts.attempt_ms;
    int64_t total_ms = !p ? t->total_ms : t->total_ms ? 0 : p->timeouts.total_ms;
    const struct limit_pair pairs[] = {
        { "connect", "attempt", t->connect_ms, attempt_ms, p },
        { "first_content", "attempt", t->first_content_ms, attempt_ms, p },
        { "attempt", "total", t->attempt_ms, total_ms, p },
    };
    for (size_t i = 0; i < HZ_LEN(pairs); i++)
        check_limits(b, at, &pairs[i]);
}

static void check_route_timeouts(struct building *b, const struct node *item,
                                 const struct route *route)
{
    struct origin at = document_place(item, "timeouts_ms");
    check_timeouts(b, at, &route->timeouts, NULL);
    for (size_t i = 0; i < route->models_len; i++) {
        for (size_t j = 0; j < route->models[i]->deployments_len; j++)
            check_timeouts(b, at, &route->timeouts, route->models[i]->deployments[j]->provider);
    }
}

static void check_route(struct building *b, const struct node *item, const struct route *route)
{
    if (route->language.len && !is_language(route->language))
        problem(b->problems, document_place(item, "language"),
                "routes.language: '%.*s' is no language code; allowed: two or three small letters "
                "(fr, en)",
                STR_ARG(problem_quote(&b->config->arena, route->language)));
    check_route_timeouts(b, item, route);
    for (size_t i = 0; i < route->models_len; i++) {
        if (route->models[i]->is_embedding)
            problem(b->problems, document_place(item, "models"),
                    "routes.models: '%.*s' serves embeddings; allowed: models for chat",
                    STR_ARG(route->models[i]->name));
    }
}

static bool catches_all(const struct route *r)
{
    return !r->feature.len && !r->types && !r->language.len && !r->has_tier;
}

static bool build_route(struct building *b, const struct node *item, bool is_default,
                        struct route *out)
{
    struct route_entry entry = { 0 };
    struct reading r = { .arena = &b->config->arena, .problems = b->problems, .prefix = "routes." };
    struct mention mention = { document_place(item, "models"), "routes.models", is_default };
    if (item->kind != NODE_MAP) {
        problem(b->problems, item->origin, "routes: each must be a map: { models: [...] }");
        return false;
    }
    size_t before = b->problems->count;
    fields_preset(route_fields, &b->config->arena, &entry);
    fields_read(route_fields, &r, item, &entry);
    *out = (struct route) {
        .feature = entry.feature,
        .types = type_bits(entry.types),
        .language = entry.language,
        .has_tier = entry.tier.len > 0,
        .choose = (enum route_choice)entry.choose,
        .timeouts = entry.timeouts,
        .line = item->origin.line,
    };
    if (out->has_tier && !tier_parse(entry.tier, &out->tier))
        return false;
    out->models_len = resolve(b, &mention, entry.models, &out->models);
    check_route(b, item, out);
    if (before == b->problems->count && out->models_len == 0 && !is_default)
        problem_warn(b->problems, "%s:%d: routes: none of its models is declared: %s",
                     item->origin.file, item->origin.line,
                     catches_all(out) ? "all declared models take its place"
                                      : "the route is left out");
    return out->models_len > 0;
}

/* In place of a last route whose models are not declared: every declared one, in its order. */
static void add_last_route(struct building *b, struct route *out)
{
    struct config *c = b->config;
    const struct model **models =
        arena_alloc(&c->arena, (c->models_len + 1) * sizeof(struct model *));
    size_t len = 0;
    for (size_t i = 0; i < c->models_len; i++) {
        if (!c->models[i].is_embedding)
            models[len++] = &c->models[i];
    }
    *out = (struct route) { .models = models, .models_len = len };
    c->routes_len += len > 0;
}

void routes_build(struct building *b, const struct node *list, bool is_default)
{
    struct config *c = b->config;
    struct route *routes = arena_zalloc(&c->arena, (list->len + 1) * sizeof(*routes));
    bool has_last = false, has_lost_last = false;
    c->routes = routes;
    for (const struct node *item = list->first; item; item = item->next) {
        struct route *route = &routes[c->routes_len];
        if (!build_route(b, item, is_default, route)) {
            has_lost_last |= catches_all(route);
            continue;
        }
        if (has_last && !is_default)
            problem_warn(b->problems,
                         "%s:%d: routes: never reached: a route before it takes every call",
                         item->origin.file, item->origin.line);
        has_last |= catches_all(route);
        c->routes_len++;
    }
    if (has_last)
        return;
    if (has_lost_last)
        add_last_route(b, &routes[c->routes_len]);
    else
        problem_warn(b->problems,
                     "routes: none takes every call: calls that match no route are refused; "
                     "end the list with one that has models alone");
}

void fallbacks_build(struct building *b, const struct node *list, bool is_default)
{
    struct config *c = b->config;
    struct fallback *fallbacks = arena_zalloc(&c->arena, (list->len + 1) * sizeof(*fallbacks));
    struct reading r = { .arena = &c->arena, .problems = b->problems, .prefix = "fallbacks." };
    c->fallbacks = fallbacks;
    for (const struct node *item = list->first; item; item = item->next) {
        struct fallback_entry entry = { 0 };
        struct mention from = { document_place(item, "from"), "fallbacks.from", is_default };
        struct mention to = { document_place(item, "to"), "fallbacks.to", is_default };
        if (item->kind != NODE_MAP) {
            problem(b->problems, item->origin,
                    "fallbacks: each must be a map: { from: \"*\", to: [...] }");
            continue;
        }
        fields_read(fallback_fields, &r, item, &entry);
        struct fallback *f = &fallbacks[c->fallbacks_len];
        f->from = entry.from;
        f->models_len = resolve(b, &to, entry.to, &f->models);
        bool is_known = str_is(f->from, "*") || config_find_model(c, f->from);
        if (!is_known && f->from.len)
            note_missing(b, &from, f->from);
        c->fallbacks_len += is_known && f->models_len > 0;
    }
}

static bool is_provider(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->providers_len; i++) {
        if (str_eq(c->providers[i].name, name))
            return true;
    }
    return str_is(name, "*");
}

/* The first row that matches wins: one that changes nothing, or stands behind such a one, is an
 * error. */
static void check_failure(struct building *b, const struct node *item,
                          const struct failure_override *f)
{
    const struct config *c = b->config;
    if (f->again < 0 && f->next < 0 && f->breaker < 0)
        problem(b->problems, item->origin,
                "failures: the row changes nothing; allowed: again, next, breaker");
    for (const struct failure_override *other = c->failures; other < f; other++) {
        bool holds = str_is(other->provider, "*") || str_eq(other->provider, f->provider);
        if (other->outcome != f->outcome || !holds)
            continue;
        problem(
            b->problems, item->origin,
            "failures: never used: for outcome %s of provider %.*s, the first row that matches is "
            "that of provider %.*s before it; put rows of one provider before those of all",
            outcome_name(f->outcome), STR_ARG(problem_quote(&b->config->arena, f->provider)),
            STR_ARG(problem_quote(&b->config->arena, other->provider)));
        return;
    }
}

void failures_build(struct building *b, const struct node *list)
{
    struct config *c = b->config;
    if (!list)
        return;
    struct failure_override *failures = arena_zalloc(&c->arena, (list->len + 1) * sizeof(*failures));
    struct reading r = { .arena = &c->arena, .problems = b->problems, .prefix = "failures." };
    c->failures = failures;
    for (const struct node *item = list->first; item; item = item->next) {
        if (item->kind != NODE_MAP) {
            problem(b->problems, item->origin,
                    "failures: each must be a map: { provider: \"*\", outcome: silent, next: no }");
            continue;
        }
        struct failure_entry entry = { .again = -1, .next = -1, .breaker = -1 };
        struct failure_override *f = &failures[c->failures_len];
        fields_preset(failure_fields, &c->arena, &entry);
        fields_read(failure_fields, &r, item, &entry);
        if (!is_provider(c, entry.provider))
            problem(b->problems, document_place(item, "provider"),
                    "failures.provider: there is no provider '%.*s'; allowed: one of providers, or \"*\"",
                    STR_ARG(problem_quote(&c->arena, entry.provider)));
        if (!outcome_parse(entry.outcome, &f->outcome))
            continue;
        f->provider = entry.provider;
        f->again = entry.again;
        f->next = entry.next;
        f->breaker = entry.breaker;
        check_failure(b, item, f);
        c->failures_len++;
    }
}

void route_entry_of(struct arena *a, const struct route *r, struct route_entry *out)
{
    struct str *types = arena_alloc(a, CALL_TYPES * sizeof(*types));
    struct str *models = arena_alloc(a, (r->models_len + 1) * sizeof(*models));
    size_t types_len = 0;
    for (int i = 0; i < CALL_TYPES; i++) {
        if (r->types & 1u << i)
            types[types_len++] = str_of(call_type_name((enum call_type)i));
    }
    for (size_t i = 0; i < r->models_len; i++)
        models[i] = r->models[i]->name;
    *out = (struct route_entry) {
        .feature = r->feature,
        .types = { types_len ? types : NULL, types_len },
        .language = r->language,
        .tier = r->has_tier ? str_of(tier_name(r->tier)) : STR_NONE,
        .models = { models, r->models_len },
        .choose = (int)r->choose,
        .timeouts = r->timeouts,
    };
}
