#ifndef HZ_CONFIG_CONFIG_H
#define HZ_CONFIG_CONFIG_H
/*
 * config - the configuration as one immutable snapshot: file, environment, overlays, defaults.
 *
 * Sources, the later wins: embedded defaults, the file, its overlay for HUNTAZE_ENV (huntaze.yaml
 * -> huntaze.production.yaml), the .env.local and .env files (development only, beside the real
 * environment, which wins over both), the environment, command-line overrides ("server.listen=..").
 * Everything is validated; all errors are collected, each with file, line and what is allowed.
 *
 * Owner: config_load gives one reference; config_unref frees at the last. Shared between threads.
 */

#include "base/arena.h"
#include "base/buf.h"
#include "model/call.h"
#include "model/deployment.h"
#include "model/outcome.h"

enum run_env { ENV_DEVELOPMENT, ENV_STAGING, ENV_PRODUCTION };
enum provider_lead { LEAD_FOUNDRY, LEAD_LEGACY, LEAD_CANARY };
enum route_choice { CHOOSE_FIRST, CHOOSE_CHEAPEST, CHOOSE_FASTEST };

struct route {
    struct str feature;  /* at = NULL: any */
    unsigned types;      /* bits of enum call_type; 0 = any */
    struct str language; /* at = NULL: any */
    bool has_tier;
    enum tier tier;
    const struct model *const *models;
    size_t models_len;
    enum route_choice choose;
    struct timeouts timeouts; /* 0 = not overridden */
    int line;                 /* in the file, for messages */
};

struct fallback {
    struct str from; /* a model's name, or "*" */
    const struct model *const *models;
    size_t models_len;
};

/* A changed row of the failure table; -1: as the table says. */
struct failure_override {
    struct str provider; /* "*": all */
    enum outcome outcome;
    int again, next;
    int breaker; /* 1: counts as a failure, 0: does not */
};

struct config {
    enum run_env env;
    struct str source; /* path of the file, or "embedded defaults" */
    bool is_simulated; /* no provider was configured: the built-in simulator stands in */
    /* A provider of kind sim has no base_url: `serve` starts the simulator in its own process and
     * says where it listens with config_set_simulator. */
    bool needs_simulator;

    struct {
        struct str listen_host;
        int listen_port;
        int64_t loops; /* 0 = one a core */
        struct str region;
        int64_t max_body_bytes;
        int64_t max_bodies_bytes; /* of all requests at once */
        int64_t max_answer_bytes; /* of a provider, not streaming */
        int64_t keep_alive_ms;
        int64_t head_timeout_ms;
        int64_t body_timeout_ms;
        int64_t write_timeout_ms;
        int64_t max_connections;
        int64_t max_connections_per_address; /* 0 = no limit */
        int64_t shed_delay_ms; /* 0 = never refuse for load */
        int64_t shutdown_ms; /* how long requests in flight may go on after a stop was asked */
        int64_t restart_ms;  /* within which a new process must serve */
        struct str tls_certificate; /* PEM files; empty: plain HTTP */
        struct str tls_key;
        struct str tls_client_ca; /* PEM file; empty: clients show no certificate */
        const struct str *tls_client_ids; /* SPIFFE ids; none: any certificate of that authority */
        size_t tls_client_ids_len;
    } server;
    struct {
        struct str url; /* sqlite:PATH or postgresql://... */
        bool is_postgres;
        struct str sqlite_path;
        int64_t node; /* 0..255: this process among those that share the database */
    } store;
    struct {
        bool wait;        /* the last byte of an answer waits for its row */
        struct str spool; /* path of the spool database */
        struct str slots; /* path of the memory-mapped file of calls in flight */
        int64_t slots_count;
        bool spools_when_down; /* ledger.on_store_down: spool (else refuse) */
    } ledger;
    struct {
        struct str dns_servers; /* "address:port,..."; empty: the system's */
    } net;
    struct {
        struct str url; /* empty: in memory */
    } redis;
    struct {
        bool required;
        struct str router_key; /* AI_ROUTER_API_KEY: accepted as a key of scopes chat, features */
    } auth;
    struct {
        bool enabled;
        int64_t max_deployments; /* a request tries at most this many */
        enum provider_lead lead;
        int64_t canary_percent;
    } fallback;
    struct {
        int64_t failures_in_row;
        int64_t window;
        int64_t min_samples;
        int64_t open_ms;
    } breaker;
    struct {
        int64_t budget; /* repeats to one provider that are saved up at most */
    } retry;
    struct {
        struct str level;
        bool access;
    } log;
    struct {
        struct str file; /* a CSV; empty: the embedded list */
    } prices;

    const struct provider *providers;
    size_t providers_len;
    const struct model *models;
    size_t models_len;
    const struct deployment *deployments;
    size_t deployments_len;
    const struct route *routes;
    size_t routes_len;
    const struct fallback *fallbacks;
    size_t fallbacks_len;
    const struct failure_override *failures;
    size_t failures_len;

    /* What is worth a warning at start: past end dates, unpriced models, unused providers. */
    const struct str *warnings;
    size_t warnings_len;

    struct arena arena;
    _Atomic int refs;
};

struct config_sources {
    const char *file;             /* NULL: embedded defaults */
    const char *directory;        /* where .env files are looked for; NULL: the current one */
    const char *const *env;       /* "NAME=value" strings, NULL-terminated (environ) */
    const char *const *overrides; /* "server.listen=127.0.0.1:9090", NULL-terminated, or NULL */
    bool skips_secrets; /* references to keys are not read: for commands that call no provider */
};

/* NULL on errors: `errors` then holds one line each: FILE:LINE: what is wrong; what is allowed. */
struct config *config_load(const struct config_sources *sources, struct buf *errors);
struct config *config_ref(struct config *c);
void config_unref(struct config *c);

/* Only before the snapshot is shared: the address of the built-in simulator, for each provider of
 * kind sim without base_url. Their base_path is "/v1" for DIALECT_OPENAI, empty for the others. */
void config_set_simulator(struct config *c, struct str host, int port);

/* For a reload, before `fresh` is shared. Adds to `changed` and `kept` the names of what differs, with
 * commas between. What needs a restart is `kept`: it gets back the value of `running`, so that the
 * snapshot says what is. */
void config_compare(struct config *fresh, const struct config *running, struct buf *changed,
                    struct buf *kept);

const char *run_env_name(enum run_env env);
const struct model *config_find_model(const struct config *c, struct str name);
/* All values after all sources, as YAML; secrets as ***. For `huntaze config check --print`. */
void config_print(const struct config *c, struct buf *out);
/* The reference page in Markdown, from the option table. */
void config_write_reference(struct buf *out);

#endif
