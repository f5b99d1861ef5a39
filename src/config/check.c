#include "config/check.h"

#include <unistd.h>

#include "config/options.h"
#include "config/values.h"

/* Where the value was written; the source itself when it is a default. */
static struct origin place_of(const struct building *b, const struct node *root, const char *name)
{
    const struct node *node = document_find(root, str_of(name));
    return node ? node->origin
                : (struct origin) { arena_cstr(&b->config->arena, b->config->source), 0 };
}

static void check_file(struct building *b, struct origin at, const char *name, struct str path)
{
    if (path.len && access(arena_cstr(&b->config->arena, path), R_OK))
        problem(b->problems, at, "%s: the file '%.*s' is missing or not readable", name,
                STR_ARG(problem_quote(&b->config->arena, path)));
}

static void check_tls(struct building *b, const struct node *root)
{
    const struct config *c = b->config;
    bool has_key = c->server.tls_key.len > 0, has_certificate = c->server.tls_certificate.len > 0;
    if (has_key != has_certificate)
        problem(b->problems,
                place_of(b, root, has_key ? "server.tls_key" : "server.tls_certificate"),
                "TLS needs both server.tls_certificate and server.tls_key");
    check_file(b, place_of(b, root, "server.tls_certificate"), "server.tls_certificate",
               c->server.tls_certificate);
    check_file(b, place_of(b, root, "server.tls_key"), "server.tls_key", c->server.tls_key);
}

static void check_tls_clients(struct building *b, const struct node *root)
{
    const struct config *c = b->config;
    struct origin at = place_of(b, root, "server.tls_client_ids");
    check_file(b, place_of(b, root, "server.tls_client_ca"), "server.tls_client_ca",
               c->server.tls_client_ca);
    if (c->server.tls_client_ca.len && c->server.tls_certificate.len == 0)
        problem(b->problems, place_of(b, root, "server.tls_client_ca"),
                "server.tls_client_ca: clients show certificates only over TLS; set "
                "server.tls_certificate and server.tls_key");
    if (c->server.tls_client_ids_len && c->server.tls_client_ca.len == 0)
        problem(b->problems, at, "server.tls_client_ids: needs server.tls_client_ca");
    for (size_t i = 0; i < c->server.tls_client_ids_len; i++) {
        struct str id = c->server.tls_client_ids[i];
        if (!value_is_spiffe_id(id))
            problem(b->problems, at,
                    "server.tls_client_ids: '%.*s' is not the SPIFFE id of a service; allowed: "
                    "spiffe://trust-domain/path, of a-z 0-9 . - _ (path: A-Z too)",
                    STR_ARG(problem_quote(&b->config->arena, id)));
    }
}

void config_derive(struct config *c)
{
    struct str url = c->store.url;
    c->store.is_postgres =
        str_starts(url, STR("postgresql://")) || str_starts(url, STR("postgres://"));
    c->store.sqlite_path = str_starts(url, STR("sqlite:")) ? str_skip(url, 7) : STR_NONE;
}

static void check_store(struct building *b, const struct node *root)
{
    const struct config *c = b->config;
    /* The text is not shown: it may hold a password. */
    if (!c->store.is_postgres && c->store.sqlite_path.len == 0)
        problem(b->problems, place_of(b, root, "store.url"),
                "store.url: not the address of a database; allowed: sqlite:PATH, "
                "postgresql://user:password@host/database");
    if (c->store.sqlite_path.len && str_eq(c->store.sqlite_path, c->ledger.spool))
        problem(b->problems, place_of(b, root, "ledger.spool"),
                "ledger.spool: must be another file than the database of store.url");
    if (c->ledger.spool.len == 0 || c->ledger.slots.len == 0)
        problem(b->problems,
                place_of(b, root, c->ledger.spool.len ? "ledger.slots" : "ledger.spool"),
                "ledger.spool and ledger.slots: must name a file each");
}

static void check_redis(struct building *b, const struct node *root)
{
    struct str url = b->config->redis.url;
    if (url.len == 0)
        return;
    if (!str_starts(url, STR("redis://")) && !str_starts(url, STR("rediss://")))
        problem(b->problems, place_of(b, root, "redis.url"),
                "redis.url: not the address of a Redis; allowed: redis://host:port/number, "
                "rediss://...");
    else
        problem_warn(b->problems, "redis.url is set, but this release does not use Redis yet");
}

/* AI_ROUTER_API_KEY holds the key itself; a file may point at it like any other key. */
static void check_router_key(struct building *b, const struct node *root)
{
    struct str *key = &b->config->auth.router_key;
    struct origin at = place_of(b, root, "auth.router_key");
    bool is_reference = str_starts(*key, STR("env:")) || str_starts(*key, STR("file:"));
    if (key->len == 0)
        return;
    if (is_reference && (!key_resolve(b, at, "auth.router_key", *key, key) || b->skips_secrets))
        return;
    if (key->len < 16)
        problem(b->problems, at,
                "auth.router_key: too short to be safe; allowed: at least 16 characters");
    if (!is_reference && at.line > 0)
        problem_warn(b->problems,
                     "auth.router_key stands in %s itself; better: env:NAME or file:PATH", at.file);
}

static void check_lead(struct building *b)
{
    const struct config *c = b->config;
    if (c->fallback.lead == LEAD_CANARY || c->fallback.canary_percent > 0)
        problem_warn(b->problems,
                     "canary traffic (fallback.lead, fallback.canary_percent) comes with "
                     "a later release: until then Azure leads unless fallback.lead is legacy");
}

static void check_breaker(struct building *b, const struct node *root)
{
    const struct config *c = b->config;
    if (c->breaker.min_samples > c->breaker.window)
        problem(
            b->problems, place_of(b, root, "breaker.min_samples"),
            "breaker.min_samples: must not pass breaker.window, which is %lld: so many results are "
            "never looked at",
            (long long)c->breaker.window);
}

void check_options(struct building *b, const struct node *root)
{
    config_derive(b->config);
    check_tls(b, root);
    check_tls_clients(b, root);
    check_store(b, root);
    check_redis(b, root);
    check_router_key(b, root);
    check_lead(b);
    check_breaker(b, root);
    if (b->config->server.region.len == 0)
        problem(b->problems, place_of(b, root, "server.region"),
                "server.region: must not be empty");
}

void check_lists(struct building *b)
{
    const struct config *c = b->config;
    struct origin at = { arena_cstr(&b->config->arena, c->source), 0 };
    for (size_t i = 0; i < c->providers_len; i++) {
        const struct provider *p = &c->providers[i];
        bool is_used = false;
        for (size_t j = 0; j < c->deployments_len; j++)
            is_used |= c->deployments[j].provider == p;
        if (!is_used)
            problem_warn(b->problems, "provider %.*s has no deployment of any model",
                         STR_ARG(p->name));
        check_file(b, at, "providers.ca_file", p->ca_file);
    }
    if (c->is_simulated && c->env != ENV_DEVELOPMENT)
        problem_warn(b->problems, "no provider is configured: in %s too, every answer is simulated",
                     run_env_name(c->env));
}
