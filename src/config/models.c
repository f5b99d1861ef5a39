#include "config/lists.h"

#include "base/clock.h"
#include "config/capabilities.h"

enum { MODEL_NAME_MAX = 128 };

static const char *const price_columns[PROVIDER_KINDS] = {
    [PROVIDER_AZURE_FOUNDRY] = "azure_ai",
    [PROVIDER_AZURE_OPENAI] = "azure_openai",
    [PROVIDER_OPENAI] = "openai",
    [PROVIDER_OPENAI_COMPATIBLE] = NULL, /* the provider's own name */
    [PROVIDER_SIM] = "",                 /* whoever sells that model */
};

static struct str price_column(const struct provider *p)
{
    return price_columns[p->kind] ? str_of(price_columns[p->kind]) : p->name;
}

static const struct price *find_price(const struct building *b, const struct provider *p,
                                      struct str name)
{
    const struct price *found = name.len ? price_list_find(b->prices, price_column(p), name) : NULL;
    /* A Foundry resource also runs Azure OpenAI's models, at their prices. */
    if (!found && name.len && p->kind == PROVIDER_AZURE_FOUNDRY)
        found = price_list_find(b->prices, STR("azure_openai"), name);
    return found;
}

struct pricing {
    const struct model_entry *model;
    const struct deployment_entry *entry;
    struct origin at;
};

/* The nearest statement wins: the deployment's, the model's, then the list. */
static void price_deployment(struct building *b, const struct pricing *pricing,
                             struct deployment *d)
{
    const struct price_entry *own = &pricing->entry->price, *shared = &pricing->model->price;
    const struct price_entry *stated = price_is_known(&own->price)      ? own
                                       : price_is_known(&shared->price) ? shared
                                                                        : NULL;
    struct str row = own->price_as.len ? own->price_as : shared->price_as;
    if (stated) {
        d->price = stated->price;
        return;
    }
    const struct price *found = find_price(b, d->provider, row.len ? row : d->name);
    if (!found && row.len == 0)
        found = find_price(b, d->provider, d->model->name);
    if (!found && row.len)
        problem(b->problems, pricing->at,
                "price_as: the price list has no row '%.*s' of provider %.*s",
                STR_ARG(problem_quote(&b->config->arena, row)), STR_ARG(price_column(d->provider)));
    d->price = found ? *found : (struct price) { PRICE_NONE, PRICE_NONE, PRICE_NONE };
}

static void warn_unpriced(struct building *b, const struct deployment *d)
{
    struct buf rows = { 0 };
    if (price_is_known(&d->price) || d->model->allows_unpriced)
        return;
    price_list_similar(b->prices, price_column(d->provider), d->name, &rows);
    problem_warn(b->problems,
                 "model %.*s has no price at provider %.*s: its calls there are refused; set "
                 "price_usd_per_mtok, or price_as%s%.*s%s, or unpriced: allow",
                 STR_ARG(d->model->name), STR_ARG(d->provider->name), rows.len ? " (" : "",
                 STR_ARG(buf_str(&rows)), rows.len ? ")" : "");
    buf_fini(&rows);
}

static void note_no_provider(struct building *b, struct origin at, struct str name)
{
    const struct config *c = b->config;
    struct str *names = arena_alloc(&b->config->arena, (c->providers_len + 1) * sizeof(*names));
    struct buf all = { 0 };
    for (size_t i = 0; i < c->providers_len; i++) {
        names[i] = c->providers[i].name;
        buf_addf(&all, "%s%.*s", i ? ", " : "", STR_ARG(names[i]));
    }
    struct str guess = problem_suggest(name, names, c->providers_len);
    problem(b->problems, at,
            "models.deployments.provider: there is no provider '%.*s'%s%.*s%s; allowed: %.*s",
            STR_ARG(problem_quote(&b->config->arena, name)), guess.at ? "; did you mean '" : "",
            STR_ARG(guess), guess.at ? "'?" : "", STR_ARG(buf_str(&all)));
    buf_fini(&all);
}

static const struct provider *find_provider(struct building *b, struct origin at, struct str name)
{
    const struct config *c = b->config;
    for (size_t i = 0; i < c->providers_len; i++) {
        if (str_eq(c->providers[i].name, name))
            return &c->providers[i];
    }
    note_no_provider(b, at, name);
    return NULL;
}

static void read_capabilities(struct building *b, const struct node *node,
                              struct capabilities *caps)
{
    struct reading r = { .arena = &b->config->arena,
                         .problems = b->problems,
                         .prefix = "capabilities." };
    if (node && node->kind == NODE_MAP)
        fields_read(capability_fields, &r, node, caps);
    else if (node)
        problem(b->problems, node->origin, "capabilities: must be a map: { tools: true, ... }");
}

static void check_price(struct building *b, struct origin at, const struct price *p)
{
    bool has_input = p->input_nusd_per_mtok >= 0, has_output = p->output_nusd_per_mtok >= 0;
    if (has_input != has_output || (!has_input && p->cached_nusd_per_mtok >= 0))
        problem(b->problems, at,
                "price_usd_per_mtok: give both input and output (0 where nothing is charged)");
}

static const struct price no_price = { PRICE_NONE, PRICE_NONE, PRICE_NONE };

static bool build_deployment(struct building *b, const struct node *item,
                             const struct model_entry *model, struct deployment *d)
{
    struct arena *a = &b->config->arena;
    struct deployment_entry entry = { .prefill = -1, .price.price = no_price };
    struct reading r = { .arena = a, .problems = b->problems, .prefix = "models.deployments." };
    if (item->kind != NODE_MAP) {
        problem(b->problems, item->origin,
                "models.deployments: each must be a map: { provider: ... }");
        return false;
    }
    size_t before = b->problems->count;
    fields_preset(deployment_fields, a, &entry);
    fields_read(deployment_fields, &r, item, &entry);
    check_price(b, document_place(item, "price_usd_per_mtok"), &entry.price.price);
    if (entry.provider.len)
        d->provider = find_provider(b, document_place(item, "provider"), entry.provider);
    if (!d->provider || before != b->problems->count)
        return false;
    d->name = entry.name.len ? entry.name : d->model->name;
    d->weight = entry.weight;
    if (d->name.len > MODEL_NAME_MAX)
        problem(b->problems, item->origin,
                "models.deployments.deployment: too long; allowed: %d characters", MODEL_NAME_MAX);
    capabilities_guess(d->provider->dialect, d->name, d->model->name, &d->caps);
    read_capabilities(b, model->capabilities, &d->caps);
    read_capabilities(b, entry.capabilities, &d->caps);
    if (entry.prefill >= 0)
        d->caps.accepts_prefill = entry.prefill == 1;
    price_deployment(b, &(struct pricing) { model, &entry, document_place(item, "price_as") }, d);
    warn_unpriced(b, d);
    return before == b->problems->count;
}

static void build_deployments(struct building *b, const struct node *item,
                              const struct model_entry *entry, struct model *m)
{
    const struct node *list = entry->deployments;
    struct config *c = b->config;
    if (!list || list->kind != NODE_LIST || list->len == 0) {
        if (list)
            problem(b->problems, list->origin,
                    "models.deployments: must be a list with at least one entry");
        return;
    }
    const struct deployment **own = arena_alloc(&c->arena, list->len * sizeof(struct deployment *));
    struct deployment *all = (struct deployment *)c->deployments;
    for (const struct node *at = list->first; at; at = at->next) {
        struct deployment *d = &all[c->deployments_len];
        *d = (struct deployment) { .model = m, .index = (unsigned)c->deployments_len };
        if (!build_deployment(b, at, entry, d))
            continue;
        own[m->deployments_len++] = d;
        c->deployments_len++;
        if (d->caps.is_embedding != own[0]->caps.is_embedding)
            problem(b->problems, item->origin,
                    "model '%.*s' serves embeddings at one deployment and chat at another",
                    STR_ARG(m->name));
    }
    m->deployments = own;
    m->is_embedding = m->deployments_len && own[0]->caps.is_embedding;
}

static void check_model(struct building *b, const struct node *item, const struct model *m)
{
    char now[CLOCK_ISO_LEN + 1];
    for (unsigned i = 0; i < m->index; i++) {
        if (str_eq(b->config->models[i].name, m->name))
            problem(b->problems, item->origin, "models.name: '%.*s' stands twice",
                    STR_ARG(m->name));
    }
    if (m->name.len > MODEL_NAME_MAX)
        problem(b->problems, item->origin, "models.name: too long; allowed: %d characters",
                MODEL_NAME_MAX);
    if (str_is(m->name, "auto") || str_is(m->name, "*"))
        problem(b->problems, item->origin,
                "models.name: '%.*s' has a meaning of its own; take another", STR_ARG(m->name));
    clock_format_iso(clock_wall_ms(), now);
    if (m->end_date.len && memcmp(m->end_date.at, now, m->end_date.len) < 0)
        problem_warn(b->problems,
                     "model %.*s is past its end date %.*s: its provider may refuse it",
                     STR_ARG(m->name), STR_ARG(m->end_date));
}

static void build_one(struct building *b, const struct node *item, struct model *out)
{
    struct arena *a = &b->config->arena;
    struct model_entry entry = { .model.index = out->index, .price.price = no_price };
    struct reading r = { .arena = a, .problems = b->problems, .prefix = "models." };
    if (item->kind != NODE_MAP) {
        problem(b->problems, item->origin,
                "models: each must be a map: { name: ..., deployments: [...] }");
        return;
    }
    fields_preset(model_fields, a, &entry);
    fields_read(model_fields, &r, item, &entry);
    check_price(b, document_place(item, "price_usd_per_mtok"), &entry.price.price);
    *out = entry.model;
    if (out->name.len)
        check_model(b, item, out);
    build_deployments(b, item, &entry, out);
}

static size_t count_deployments(const struct node *list)
{
    size_t count = 0;
    for (const struct node *item = list->first; item; item = item->next) {
        const struct node *deployments = document_get(item, STR("deployments"));
        count += deployments ? deployments->len : 0;
    }
    return count;
}

void models_build(struct building *b, const struct node *list)
{
    struct config *c = b->config;
    struct model *models = arena_zalloc(&c->arena, list->len * sizeof(*models));
    /* One more: an entry under construction stands behind the good ones. */
    c->deployments =
        arena_zalloc(&c->arena, (count_deployments(list) + 1) * sizeof(*c->deployments));
    c->models = models;
    c->models_len = list->len;
    unsigned i = 0;
    for (const struct node *item = list->first; item; item = item->next, i++) {
        models[i].index = i;
        build_one(b, item, &models[i]);
    }
}

void deployment_entry_of(const struct deployment *d, struct deployment_entry *out)
{
    *out = (struct deployment_entry) {
        .provider = d->provider->name,
        .name = d->name,
        .weight = d->weight,
        .prefill = -1,
        .price.price = d->price,
    };
}
