#include "config/lists.h"
#include "config/options.h"

/* The fields of a list's entry, the first behind its dash. */
static void print_item(struct field_table table, const void *entry, int indent, struct buf *out)
{
    size_t start = out->len;
    fields_print(table, entry, indent + 2, out);
    if (out->len > start)
        out->at[start + (size_t)indent] = '-';
}

static void print_providers(const struct config *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add(out, STR("providers:\n"));
    for (size_t i = 0; i < c->providers_len; i++) {
        struct provider_entry entry;
        provider_entry_of(&c->providers[i], &entry);
        print_item(provider_fields, &entry, 2, out);
    }
}

static void print_deployment(const struct deployment *d, struct buf *out)
{
    struct deployment_entry entry;
    deployment_entry_of(d, &entry);
    print_item(deployment_fields, &entry, 6, out);
    buf_add(out, STR("        capabilities:\n"));
    fields_print(capability_fields, &d->caps, 10, out);
}

static void print_models(const struct config *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add(out, STR("models:\n"));
    for (size_t i = 0; i < c->models_len; i++) {
        const struct model *m = &c->models[i];
        const struct price none = { PRICE_NONE, PRICE_NONE, PRICE_NONE };
        struct model_entry entry = { .model = *m, .price.price = none };
        print_item(model_fields, &entry, 2, out);
        buf_add(out, STR("    deployments:\n"));
        for (size_t j = 0; j < m->deployments_len; j++)
            print_deployment(m->deployments[j], out);
    }
}

static void print_routes(const struct config *c, struct arena *a, struct buf *out)
{
    buf_add(out, STR("routes:\n"));
    for (size_t i = 0; i < c->routes_len; i++) {
        struct route_entry entry;
        route_entry_of(a, &c->routes[i], &entry);
        print_item(route_fields, &entry, 2, out);
    }
}

static void print_fallbacks(const struct config *c, struct arena *a, struct buf *out)
{
    buf_add(out, c->fallbacks_len ? STR("fallbacks:\n") : STR("fallbacks: []\n"));
    for (size_t i = 0; i < c->fallbacks_len; i++) {
        const struct fallback *f = &c->fallbacks[i];
        struct str *names = arena_alloc(a, (f->models_len + 1) * sizeof(*names));
        for (size_t j = 0; j < f->models_len; j++)
            names[j] = f->models[j]->name;
        struct fallback_entry entry = { f->from, { names, f->models_len } };
        print_item(fallback_fields, &entry, 2, out);
    }
}

static void print_failures(const struct config *c, struct arena *a, struct buf *out)
{
    (void)a;
    buf_add(out, c->failures_len ? STR("failures:\n") : STR("failures: []\n"));
    for (size_t i = 0; i < c->failures_len; i++) {
        const struct failure_override *f = &c->failures[i];
        struct failure_entry entry = {
            f->provider, str_of(outcome_name(f->outcome)), f->again, f->next, f->breaker,
        };
        print_item(failure_fields, &entry, 2, out);
    }
}

void config_print_list(const struct config *c, enum list_name list, struct buf *out)
{
    static void (*const print[LIST_NAMES])(const struct config *c, struct arena *a, struct buf *out) = {
        [LIST_PROVIDERS] = print_providers, [LIST_MODELS] = print_models,
        [LIST_ROUTES] = print_routes,       [LIST_FALLBACKS] = print_fallbacks,
        [LIST_FAILURES] = print_failures,
    };
    struct arena scratch = { 0 };
    print[list](c, &scratch, out);
    arena_fini(&scratch);
}

void config_print(const struct config *c, struct buf *out)
{
    buf_addf(out, "# %s, from %.*s\n", run_env_name(c->env), STR_ARG(c->source));
    fields_print(option_table, c, 0, out);
    for (int i = 0; i < LIST_NAMES; i++)
        config_print_list(c, (enum list_name)i, out);
}
