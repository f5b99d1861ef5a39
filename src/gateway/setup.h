#ifndef HZ_GATEWAY_SETUP_H
#define HZ_GATEWAY_SETUP_H
/*
 * setup - what calls stand on: the state of deployments, a configuration with what belongs to it, the
 * process, a loop. Nobody outside gateway/ sees it.
 */

#include <stdatomic.h>

#include "base/metrics.h"
#include "gateway/auth.h"
#include "gateway/breaker.h"
#include "gateway/gateway.h"
#include "gateway/rest.h"
#include "http/client.h"
#include "ledger/keys.h"
#include "net/dns.h"

/* What moves while the configuration stands still; shared by all loops, and by the setups in which
 * the ledger's names for it are the same. */
struct deployment_state {
    _Atomic int refs;
    _Atomic int64_t latency_us; /* moving average of whole answers; 0 = none yet */
    _Atomic int64_t attempts, failures;
    struct breaker breaker;
    _Atomic int last_failure; /* enum outcome, of those that the breaker counts; OUTCOME_ANSWER: none yet */
    struct rest rest;         /* after a 429 */
    struct series *breaker_gauge;
    struct series *outcomes[OUTCOMES];
    struct series *seconds, *first_content;
    struct series *tokens_in, *tokens_cached, *tokens_out, *tokens_reasoning, *cost;
    struct series *usage_absurd, *usage_above_bound;
    uint32_t name, provider_name, model_name, region_name; /* ledger names */
};

struct model_state {
    struct series *answered, *refused, *failed, *left;
};

/* A configuration and what belongs to it. A reload makes a new one; a call keeps the one it began
 * with, and the last of them frees it. */
struct setup {
    _Atomic int refs;
    struct config *config;
    struct deployment_state **deployments;  /* by deployment.index */
    struct model_state *models;             /* by model.index */
    struct retry_budget *retries;           /* by provider.index */
    struct outcome_rule (*rules)[OUTCOMES]; /* the failure table with its overrides, by provider.index */
    struct breaker_options breaker_options;
};

/* What lasts as long as the process. */
struct gateway {
    struct ledger *ledger;
    struct workers *workers;
    struct gateway_loop *loops;
    size_t loops_len;
    struct series *in_flight, *fallbacks, *resumed;
    uint32_t default_account, router_key_name;
    struct key_source *keys;
};

struct gateway_loop {
    struct gateway *gateway;
    struct loop *loop;
    struct setup *setup; /* for calls that begin now */
    struct resolver *resolver;
    struct http_client *client;
    struct key_view keys;
};

static inline struct deployment_state *state_of(const struct setup *setup, const struct deployment *d)
{
    return setup->deployments[d->index];
}

static inline const struct outcome_rule *rule_of(const struct setup *setup, const struct deployment *d,
                                                 enum outcome outcome)
{
    return &setup->rules[d->provider->index][outcome];
}

/* What `before` (NULL: nothing) knows of deployments and providers that are in both goes on. Takes a
 * reference to the configuration. */
struct setup *setup_create(struct ledger *ledger, struct config *config, const struct setup *before);
struct setup *setup_ref(struct setup *s);
/* Any thread; frees at the last. NULL is accepted. */
void setup_unref(struct setup *s);

#endif
