#ifndef HZ_GATEWAY_AUTH_H
#define HZ_GATEWAY_AUTH_H
/*
 * auth - who calls: API keys against a table in memory, one a loop.
 *
 * The store is asked once a second whether keys have changed, and soon when a well-formed key is
 * not in the table (it may have been made a moment ago), so a revoked key is refused within about a
 * second. Only the loop's own task asks, one question at a time: requests wait for its answer, and
 * however many come with unknown keys, they cost the store a few looks. What was found must not be
 * kept across a wait: the table may be replaced.
 *
 * Thread:   a key_view belongs to its loop; the source is shared by the workers.
 * Suspends: auth_identify (only for an unknown key).
 */

#include "gateway/call.h"
#include "ledger/keys.h"

struct gateway;
struct gateway_loop;

/* One loop's view: the table it looks into now. */
struct key_view {
    struct key_table *table;
    int64_t looked_ns;    /* when the newest look that has ended began */
    enum err look_err;    /* and how it ended */
    bool is_wanted;       /* somebody waits for a look */
    struct task *resting; /* the watching task, while it has nothing to do */
};

/* The database side: one connection, used by one worker at a time. */
struct key_source;
enum err key_source_open(struct str store_url, struct key_source **out, struct fail *fail) HZ_MUST_USE;
void key_source_close(struct key_source *source);

/* Fills the view before its loop runs. */
enum err key_view_load(struct key_view *view, struct gateway *g) HZ_MUST_USE;
void key_view_fini(struct key_view *view);
/* A task for each loop: looks for changes once a second. */
void key_view_watch(struct task *t, void *gateway_loop);
/* Waits for a look that begins from now on. ERR_STORE: it failed, or took longer than that. */
enum err key_view_look(struct task *t, struct gateway_loop *gl, int64_t patience_ms) HZ_MUST_USE;

/* Reads `Authorization: Bearer`, `api-key` or `x-api-key`. ERR_NO_KEY, ERR_WRONG_KEY; ERR_BAD_REQUEST: they leave a
 * choice. */
enum err auth_identify(struct task *t, struct gateway_loop *gl, struct http_request *r,
                       struct caller *out, struct fail *fail) HZ_MUST_USE;

#endif
