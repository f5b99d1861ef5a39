#include "config/config.h"

#include "base/mem.h"
#include "config/check.h"
#include "config/environment.h"
#include "config/lists.h"
#include "config/options.h"

#include <stdatomic.h>
#include <stdio.h>

enum { PRICE_FILE_BYTES_MAX = 4 << 20 };

/* config/default.yaml and config/prices.csv, embedded by the build. */
extern const char config_default_yaml[];
extern const size_t config_default_yaml_len;
extern const char config_prices_csv[];
extern const size_t config_prices_csv_len;

static const char default_source[] = "embedded defaults";

/* What is known while a configuration is put together. */
struct loading {
    const struct config_sources *sources;
    struct config *config;
    struct problems problems;
    struct environment env;
    struct node *root;     /* options only, once the lists are taken out */
    struct node *defaults; /* config/default.yaml */
    struct node *lists[LIST_NAMES];
    bool is_default[LIST_NAMES];
};

static struct node *read_document(struct loading *l, const char *path, bool may_be_missing)
{
    struct arena *a = &l->config->arena;
    const char *why;
    bool is_missing;
    size_t len = 0;
    char *text = file_read(a, path, DOCUMENT_BYTES_MAX, &len, &why, &is_missing);
    if (text)
        return document_parse(a, str_make(text, len), path, &l->problems);
    if (!is_missing || !may_be_missing)
        problem(&l->problems, (struct origin) { path, 0 }, "%s", why);
    return NULL;
}

/* huntaze.yaml -> huntaze.production.yaml */
static const char *overlay_path(struct arena *a, const char *path, enum run_env env)
{
    struct str whole = str_of(path);
    size_t dot = whole.len;
    while (dot > 0 && whole.at[dot - 1] != '.' && whole.at[dot - 1] != '/')
        dot--;
    bool has_suffix = dot > 0 && whole.at[dot - 1] == '.';
    struct str stem = has_suffix ? str_first(whole, dot - 1) : whole;
    struct str suffix = has_suffix ? str_skip(whole, dot - 1) : STR("");
    return arena_printf(a, "%.*s.%s%.*s", STR_ARG(stem), run_env_name(env), STR_ARG(suffix)).at;
}

static void read_files(struct loading *l)
{
    struct config *c = l->config;
    const char *path = l->sources->file ? arena_cstr(&c->arena, str_of(l->sources->file)) : NULL;
    l->defaults = document_parse(&c->arena, str_make(config_default_yaml, config_default_yaml_len),
                                 default_source, &l->problems);
    HZ_ASSERT(l->defaults);
    c->source = str_of(path ? path : default_source);
    if (path) {
        l->root = read_document(l, path, false);
        struct node *overlay = read_document(l, overlay_path(&c->arena, path, c->env), true);
        if (l->root && overlay)
            document_merge(l->root, overlay);
    }
    if (!l->root)
        l->root = document_parse(&c->arena, STR(""), default_source, &l->problems);
}

/* Takes the lists out of the document, so that only options are left; absent ones are the built-in.
 */
static void take_lists(struct loading *l)
{
    for (int i = 0; i < LIST_NAMES; i++) {
        struct node *list = document_take(l->root, list_names[i]);
        if (list && list->kind != NODE_LIST && !list->is_null)
            problem(&l->problems, list->origin, "%.*s: must be a list", STR_ARG(list_names[i]));
        bool is_given = list && list->kind == NODE_LIST && (list->len || i >= LIST_FALLBACKS);
        l->is_default[i] = !is_given;
        l->lists[i] = is_given ? list : document_get(l->defaults, list_names[i]);
    }
    l->config->is_simulated = l->is_default[LIST_PROVIDERS];
    if (!l->is_default[LIST_PROVIDERS] && l->is_default[LIST_MODELS])
        problem(&l->problems, l->root->origin,
                "models: missing: providers are configured, but no model runs there");
}

static void read_options(struct loading *l)
{
    struct config *c = l->config;
    struct reading r = {
        .arena = &c->arena,
        .problems = &l->problems,
        .prefix = "",
        .also = list_names,
        .also_len = LIST_NAMES,
    };
    environment_apply(&l->env, &c->arena, l->root, &l->problems);
    overrides_apply(l->sources->overrides, &c->arena, l->root, &l->problems);
    fields_preset(option_table, &c->arena, c);
    fields_read(option_table, &r, l->root, c);
}

static struct price_list *read_prices(struct loading *l)
{
    struct config *c = l->config;
    struct str csv = str_make(config_prices_csv, config_prices_csv_len);
    struct buf errors = { 0 };
    const char *path = "config/prices.csv", *why;
    bool is_missing;
    if (c->prices.file.len) {
        path = arena_cstr(&c->arena, c->prices.file);
        csv.at = file_read(&c->arena, path, PRICE_FILE_BYTES_MAX, &csv.len, &why, &is_missing);
        if (!csv.at) {
            problem(&l->problems, (struct origin) { path, 0 }, "prices.file: %s", why);
            return NULL;
        }
    }
    struct price_list *list = price_list_load(csv, path, &errors);
    if (!list)
        l->problems.count++;
    buf_add(l->problems.errors, buf_str(&errors));
    buf_fini(&errors);
    return list;
}

static void build_lists(struct loading *l, struct building *b)
{
    const struct node *models = document_get(l->defaults, list_names[LIST_MODELS]);
    struct str *known = arena_alloc(&l->config->arena, models->len * sizeof(*known));
    for (const struct node *m = models->first; m; m = m->next)
        known[b->known_models_len++] = document_get(m, STR("name"))->text;
    b->known_models = known;
    providers_build(b, l->lists[LIST_PROVIDERS]);
    if (!l->is_default[LIST_MODELS] || l->is_default[LIST_PROVIDERS])
        models_build(b, l->lists[LIST_MODELS]);
    /* Without models every name would be wrong: the cause was named already. */
    if (l->config->models_len == 0)
        return;
    routes_build(b, l->lists[LIST_ROUTES], l->is_default[LIST_ROUTES]);
    fallbacks_build(b, l->lists[LIST_FALLBACKS], l->is_default[LIST_FALLBACKS]);
    failures_build(b, l->lists[LIST_FAILURES]);
    check_lists(b);
}

static void load(struct loading *l)
{
    struct config *c = l->config;
    environment_read(&c->arena, l->sources, &l->problems, &l->env);
    c->env = l->env.run_env;
    read_files(l);
    take_lists(l);
    read_options(l);
    struct building b = { .config = c,
                          .problems = &l->problems,
                          .env = &l->env,
                          .skips_secrets = l->sources->skips_secrets };
    check_options(&b, l->root);
    struct price_list *prices = read_prices(l);
    b.prices = prices;
    if (prices)
        build_lists(l, &b);
    price_list_destroy(prices);
    c->warnings = l->problems.warnings;
    c->warnings_len = l->problems.warnings_len;
}

struct config *config_load(const struct config_sources *sources, struct buf *errors)
{
    struct loading l = { .sources = sources, .config = MEM_NEW(struct config) };
    atomic_init(&l.config->refs, 1);
    l.problems.errors = errors;
    l.problems.arena = &l.config->arena;
    load(&l);
    if (l.problems.count == 0)
        return l.config;
    config_unref(l.config);
    return NULL;
}

struct config *config_ref(struct config *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void wipe(struct str secret)
{
    if (secret.len)
        mem_wipe((char *)secret.at, secret.len);
}

void config_unref(struct config *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < c->providers_len; i++)
        wipe(c->providers[i].key);
    wipe(c->auth.router_key);
    arena_fini(&c->arena);
    mem_free(c);
}

void config_set_simulator(struct config *c, struct str host, int port)
{
    struct provider *providers = (struct provider *)c->providers;
    for (size_t i = 0; i < c->providers_len; i++) {
        struct provider *p = &providers[i];
        if (p->kind != PROVIDER_SIM || p->base_url.len)
            continue;
        p->host = arena_str(&c->arena, host);
        p->port = port;
        p->base_path = p->dialect == DIALECT_OPENAI ? STR("/v1") : STR("");
    }
}

const struct model *config_find_model(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->models_len; i++) {
        if (str_eq(c->models[i].name, name))
            return &c->models[i];
    }
    return NULL;
}
