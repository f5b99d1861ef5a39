#ifndef HZ_CONFIG_LISTS_H
#define HZ_CONFIG_LISTS_H
/*
 * lists - providers, models, routes and fallbacks: what an entry of each may hold, and the entries
 * turned into the structs of model/.
 *
 * The entry structs are what the field tables fill; they live while the configuration is loaded.
 */

#include "config/config.h"
#include "config/environment.h"
#include "config/fields.h"
#include "config/prices.h"

struct provider_entry {
    struct provider provider;
    int api;  /* position in API_CHOICES, -1: by kind */
    int auth; /* position in "api-key, bearer", -1: by dialect and host */
};
#define API_CHOICES "openai, v1, models, classic" /* in the order of enum dialect */

struct price_entry {
    struct price price;
    struct str price_as; /* a row of the price list */
};

struct model_entry {
    struct model model;
    struct price_entry price;
    const struct node *capabilities;
    const struct node *deployments;
};

struct deployment_entry {
    struct str provider;
    struct str name;
    int64_t weight;
    int prefill; /* position in "false, true", -1: not said */
    struct price_entry price;
    const struct node *capabilities;
};

struct names {
    const struct str *at;
    size_t len;
};

struct route_entry {
    struct names types, models;
    struct str feature, language, tier;
    int choose;
    struct timeouts timeouts;
};

struct fallback_entry {
    struct str from;
    struct names to;
};

struct failure_entry {
    struct str provider, outcome;
    int again, next, breaker;
};

extern const struct field_table provider_fields;
extern const struct field_table model_fields;
extern const struct field_table deployment_fields;
extern const struct field_table route_fields;
extern const struct field_table fallback_fields;
extern const struct field_table failure_fields;
extern const struct field_table capability_fields; /* base: struct capabilities */

/* What the builders share. Models that the built-in defaults name may stand in routes and fallbacks
 * without being declared: they are left out. */
struct building {
    struct config *config;
    struct problems *problems;
    const struct price_list *prices;
    const struct str *known_models;
    size_t known_models_len;
    const struct environment *env; /* where key references look */
    bool skips_secrets;
};

/* Each reads its list (NULL: absent) into the configuration, and needs the ones before it. */
void providers_build(struct building *b, const struct node *list);
void models_build(struct building *b, const struct node *list);
void routes_build(struct building *b, const struct node *list, bool is_default);
void fallbacks_build(struct building *b, const struct node *list, bool is_default);
void failures_build(struct building *b, const struct node *list);

/* Reads what a reference names: env:NAME, file:PATH. False after a problem, which never shows the
 * text of something that may be a key itself. `out` is empty then, and where secrets are skipped.
 */
bool key_resolve(struct building *b, struct origin at, const char *field, struct str ref,
                 struct str *out);

/* For printing: the entry that would give this. */
void provider_entry_of(const struct provider *p, struct provider_entry *out);
void deployment_entry_of(const struct deployment *d, struct deployment_entry *out);
void route_entry_of(struct arena *a, const struct route *r, struct route_entry *out);

#endif
