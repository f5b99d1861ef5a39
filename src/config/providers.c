#include "config/lists.h"

#include "config/values.h"

#include <stdio.h>

enum { KEY_FILE_BYTES_MAX = 65536, KEY_LEN_MAX = 8192, PROVIDER_NAME_MAX = 64 };

static const struct {
    unsigned dialects; /* bits */
    enum dialect usual;
    bool needs_url, needs_key;
    const char *apis; /* for messages */
} kinds[PROVIDER_KINDS] = {
    [PROVIDER_AZURE_FOUNDRY] = { 1 << DIALECT_FOUNDRY_V1 | 1 << DIALECT_FOUNDRY_MODELS,
                                 DIALECT_FOUNDRY_V1, true, true, "v1, models" },
    [PROVIDER_AZURE_OPENAI] = { 1 << DIALECT_AZURE_OPENAI | 1 << DIALECT_FOUNDRY_V1,
                                DIALECT_AZURE_OPENAI, true, true, "classic, v1" },
    [PROVIDER_OPENAI] = { 1 << DIALECT_OPENAI, DIALECT_OPENAI, false, true, "openai" },
    [PROVIDER_OPENAI_COMPATIBLE] = { 1 << DIALECT_OPENAI, DIALECT_OPENAI, true, false, "openai" },
    [PROVIDER_SIM] = { (1 << DIALECTS) - 1, DIALECT_OPENAI, false, false, API_CHOICES },
};

static bool can_stand_in_header(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.at[i] <= ' ' || key.at[i] > '~')
            return false;
    }
    return key.len > 0 && key.len <= KEY_LEN_MAX;
}

static bool key_from_file(struct building *b, struct origin at, const char *field, struct str path,
                          struct str *out)
{
    const char *why;
    bool is_missing;
    size_t len = 0;
    struct arena *a = &b->config->arena;
    char *text = file_read(a, arena_cstr(a, path), KEY_FILE_BYTES_MAX, &len, &why, &is_missing);
    if (!text) {
        problem(b->problems, at, "%s: file:%.*s: %s", field, STR_ARG(problem_quote(a, path)), why);
        return false;
    }
    *out = str_trim(str_make(text, len));
    return true;
}

static bool key_from_variable(struct building *b, struct origin at, const char *field,
                              struct str name, struct str *out)
{
    struct arena *a = &b->config->arena;
    const struct variable *var = environment_get(b->env, name);
    if (!var) {
        problem(b->problems, at, "%s: the environment variable %.*s is not set", field,
                STR_ARG(problem_quote(a, name)));
        return false;
    }
    *out = arena_str(a, str_trim(var->value));
    return true;
}

static bool refuse_reference(struct building *b, struct origin at, const char *field,
                             struct str ref)
{
    bool is_cloud = str_is(ref, "identity") || str_starts(ref, STR("aws-secret:"));
    problem(b->problems, at, "%s: %s; allowed: env:NAME, file:PATH", field,
            is_cloud ? "identity and aws-secret: come with cloud secrets, in a later release"
                     : "not a reference to a key (its text is not shown: it may be a key)");
    return false;
}

bool key_resolve(struct building *b, struct origin at, const char *field, struct str ref,
                 struct str *out)
{
    struct str name = ref, key = STR_NONE;
    struct str way = str_cut(&name, ':');
    bool is_variable = str_is(way, "env"), is_file = str_is(way, "file");
    *out = STR_NONE;
    if ((!is_variable && !is_file) || name.len == 0)
        return refuse_reference(b, at, field, ref);
    if (b->skips_secrets)
        return true;
    if (!(is_variable ? key_from_variable : key_from_file)(b, at, field, name, &key))
        return false;
    if (!can_stand_in_header(key)) {
        problem(b->problems, at,
                "%s: what the reference names cannot be a key; allowed: 1 to %d visible ASCII "
                "characters",
                field, KEY_LEN_MAX);
        return false;
    }
    *out = key;
    return true;
}

static void read_url(struct building *b, struct origin at, struct provider *p)
{
    struct base_url url;
    if (p->kind == PROVIDER_OPENAI && p->base_url.len == 0)
        p->base_url = STR("https://api.openai.com/v1");
    if (p->base_url.len == 0) {
        if (kinds[p->kind].needs_url)
            problem(b->problems, at, "providers.base_url: missing for kind %s",
                    provider_kind_name(p->kind));
        return;
    }
    const char *why = value_base_url(p->base_url, &url);
    if (why) {
        /* Not shown: a password may stand in it. */
        problem(b->problems, at, "providers.base_url: not the address of a server: %s", why);
        return;
    }
    bool is_azure = p->dialect != DIALECT_OPENAI;
    if (is_azure &&
        (str_find(url.path, STR("/openai")) != SIZE_MAX || str_ends(url.path, STR("/models"))))
        problem(b->problems, at,
                "providers.base_url: give the resource's address alone; the path follows from api");
    p->is_tls = url.is_tls;
    p->host = url.host;
    p->port = url.port;
    p->base_path = url.path;
    bool is_local =
        str_is(p->host, "127.0.0.1") || str_is(p->host, "::1") || str_is(p->host, "localhost");
    if (!p->is_tls && p->key_ref.len && !is_local)
        problem_warn(b->problems, "provider %.*s: its key is sent over http, readable on the way",
                     STR_ARG(p->name));
}

static bool prefers_bearer(const struct provider *p)
{
    /* Serverless and managed endpoints of Azure take Bearer alone. */
    return p->dialect == DIALECT_OPENAI || str_ends(p->host, STR(".models.ai.azure.com")) ||
           str_ends(p->host, STR(".inference.ml.azure.com"));
}

static void read_key(struct building *b, struct origin at, struct provider *p)
{
    if (p->key_ref.len == 0) {
        if (kinds[p->kind].needs_key)
            problem(b->problems, at,
                    "providers.key: missing for kind %s; allowed: env:NAME, file:PATH",
                    provider_kind_name(p->kind));
        return;
    }
    (void)key_resolve(b, at, "providers.key", p->key_ref, &p->key);
}

static void check_timeouts(struct building *b, struct origin at, const struct timeouts *t)
{
    if (t->connect_ms > t->attempt_ms || t->first_content_ms > t->attempt_ms ||
        t->attempt_ms > t->total_ms)
        problem(b->problems, at,
                "providers.timeouts_ms: an attempt is over before its parts: connect and "
                "first_content must not pass attempt (%lld), nor attempt total (%lld)",
                (long long)t->attempt_ms, (long long)t->total_ms);
}

static void build_one(struct building *b, const struct node *item, struct provider *out)
{
    struct config *c = b->config;
    struct provider_entry entry = { .api = -1, .auth = -1, .provider.index = out->index };
    struct reading r = { .arena = &c->arena, .problems = b->problems, .prefix = "providers." };
    size_t before = b->problems->count;
    fields_preset(provider_fields, &c->arena, &entry);
    fields_read(provider_fields, &r, item, &entry);
    struct provider *p = &entry.provider;
    if (before == b->problems->count) {
        p->dialect = entry.api < 0 ? kinds[p->kind].usual : (enum dialect)entry.api;
        if (!(kinds[p->kind].dialects & 1u << p->dialect))
            problem(b->problems, document_place(item, "api"),
                    "providers.api: not for kind %s; allowed: %s", provider_kind_name(p->kind),
                    kinds[p->kind].apis);
        read_url(b, document_place(item, "base_url"), p);
        p->is_key_bearer = entry.auth < 0 ? prefers_bearer(p) : entry.auth == 1;
        read_key(b, document_place(item, "key"), p);
        check_timeouts(b, document_place(item, "timeouts_ms"), &p->timeouts);
        if (p->region.len == 0)
            p->region = c->server.region;
        if (p->kind == PROVIDER_SIM && p->base_url.len == 0)
            c->needs_simulator = true;
    }
    *out = *p;
}

static void check_name(struct building *b, const struct node *item, const struct provider *p)
{
    for (unsigned i = 0; i < p->index; i++) {
        if (str_eq(b->config->providers[i].name, p->name))
            problem(b->problems, item->origin, "providers.name: '%.*s' stands twice",
                    STR_ARG(p->name));
    }
    if (p->name.len > PROVIDER_NAME_MAX)
        problem(b->problems, item->origin, "providers.name: too long; allowed: %d characters",
                PROVIDER_NAME_MAX);
}

void providers_build(struct building *b, const struct node *list)
{
    struct provider *providers = arena_zalloc(&b->config->arena, list->len * sizeof(*providers));
    b->config->providers = providers;
    b->config->providers_len = list->len;
    unsigned i = 0;
    for (const struct node *item = list->first; item; item = item->next, i++) {
        providers[i].index = i;
        if (item->kind != NODE_MAP) {
            problem(b->problems, item->origin,
                    "providers: each must be a map: { name: ..., kind: ... }");
            continue;
        }
        build_one(b, item, &providers[i]);
        if (providers[i].name.len)
            check_name(b, item, &providers[i]);
    }
}

void provider_entry_of(const struct provider *p, struct provider_entry *out)
{
    *out = (struct provider_entry) { .provider = *p,
                                     .api = (int)p->dialect,
                                     .auth = p->is_key_bearer };
}
