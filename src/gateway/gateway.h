#ifndef HZ_GATEWAY_GATEWAY_H
#define HZ_GATEWAY_GATEWAY_H
/*
 * gateway - the life of one AI call: identify, plan, attempt, relay, settle.
 *
 * One gateway a process, one gateway_loop a loop. What several loops touch is immutable (a
 * configuration and what was computed from it) or atomic (state of deployments).
 *
 * Owner:    gateway_create before the loops run, gateway_destroy after they have ended.
 * Thread:   gateway_loop functions on their loop.
 * Suspends: functions that take a task.
 */

#include "config/config.h"
#include "gateway/call.h"
#include "ledger/ledger.h"
#include "loop/worker.h"

struct gateway;
struct gateway_loop;

struct gateway_options {
    struct config *config; /* a reference is taken */
    struct ledger *ledger;
    struct workers *workers;
    struct loop *const *loops;
    size_t loops_len;
};
enum err gateway_create(const struct gateway_options *options, struct gateway **out,
                        struct fail *fail) HZ_MUST_USE;
void gateway_destroy(struct gateway *g);

/* Starts the tasks that look for changed keys; before the loops run. */
void gateway_start(struct gateway *g);

/* Calls that begin from now on follow this configuration; a reference is taken. Those in flight keep
 * theirs. Breakers, waits after a 429, latencies and repeats of what stands in both go on, and so do
 * connections and keys. On the first loop's thread. */
void gateway_reload(struct gateway *g, struct config *config);

struct gateway_loop *gateway_on_loop(struct gateway *g, size_t index);
/* What the loop works with now; until the caller's next wait. */
const struct config *gateway_config(const struct gateway_loop *gl);
struct ledger *gateway_ledger(const struct gateway *g);

/* Is the store there? Waits on a worker. */
enum err gateway_ping_store(struct task *t, struct gateway_loop *gl) HZ_MUST_USE;

/* What /health tells of a provider. */
struct provider_state {
    struct str name;
    struct str region;
    bool is_cooling;       /* all its deployments wait out a Retry-After */
    bool is_failing;       /* a circuit breaker of its deployments is not closed */
    int64_t failures;      /* attempts that failed since start */
    int64_t attempts;
};
/* "closed", "half_open" or "open". */
const char *gateway_breaker_state(const struct gateway_loop *gl, const struct deployment *d);
void gateway_provider_state(const struct gateway_loop *gl, size_t index, struct provider_state *out);

#endif
