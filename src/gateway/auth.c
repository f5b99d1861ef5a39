#include "gateway/auth.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/setup.h"

enum { WATCH_MS = 1000, REST_MS = 5, LOOK_PATIENCE_MS = 3000, JOIN_FIRST_MS = 2, JOIN_LAST_MS = 100 };

struct key_source {
    pthread_mutex_t lock;
    struct store *store;
};

enum err key_source_open(struct str store_url, struct key_source **out, struct fail *fail)
{
    struct store_options options = { .url = store_url };
    struct store *store = NULL;
    enum err err = store_open(&options, &store, fail);
    if (err)
        return err;
    struct key_source *source = MEM_NEW(struct key_source);
    pthread_mutex_init(&source->lock, NULL);
    source->store = store;
    *out = source;
    return OK;
}

void key_source_close(struct key_source *source)
{
    if (!source)
        return;
    store_close(source->store);
    pthread_mutex_destroy(&source->lock);
    mem_free(source);
}

/* ---- on a worker ---- */

struct look {
    struct key_source *source;
    int64_t known_version;
    struct key_table *table; /* NULL: nothing has changed */
};

static enum err look_run(void *arg)
{
    struct look *look = arg;
    pthread_mutex_lock(&look->source->lock);
    enum err err = key_table_load(look->source->store, look->known_version, &look->table);
    pthread_mutex_unlock(&look->source->lock);
    return err == ERR_AGAIN ? OK : err;
}

static void look_free(void *arg)
{
    struct look *look = arg;
    key_table_destroy(look->table);
    mem_free(look);
}

/* ---- the view ---- */

static void view_take(struct key_view *view, struct gateway *g, struct key_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->len; i++) {
        struct api_key *key = &table->keys[i];
        key->account_name = ledger_name(g->ledger, key->account);
        key->key_name = ledger_name(g->ledger, key->id);
    }
    key_table_destroy(view->table);
    view->table = table;
}

enum err key_view_load(struct key_view *view, struct gateway *g)
{
    struct look look = { .source = g->keys, .known_version = -1 };
    enum err err = look_run(&look);
    view_take(view, g, look.table);
    return err;
}

void key_view_fini(struct key_view *view)
{
    key_table_destroy(view->table);
    view->table = NULL;
}

static enum err refresh(struct task *t, struct gateway_loop *gl)
{
    struct key_view *view = &gl->keys;
    struct look *look = MEM_NEW(struct look);
    look->source = gl->gateway->keys;
    look->known_version = view->table ? view->table->version : -1;
    int64_t began_ns = loop_now_ns(gl->loop);
    bool is_given_up;
    view->is_wanted = false;
    enum err err = worker_run(t, gl->gateway->workers, look_run, look, look_free, &is_given_up);
    if (is_given_up)
        return err;
    if (!err) {
        view_take(view, gl->gateway, look->table);
        look->table = NULL;
    }
    view->looked_ns = began_ns;
    view->look_err = err;
    look_free(look);
    return err;
}

/* Until somebody wants a look, a second at most; a moment at least, so that a flood of unknown keys
 * is answered by few looks. */
static enum err rest(struct task *t, struct key_view *view)
{
    enum err err = task_sleep(t, REST_MS);
    if (err || view->is_wanted)
        return err;
    view->resting = t;
    err = task_wait(t, loop_now_ns(task_loop(t)) + WATCH_MS * NS_PER_MS);
    view->resting = NULL;
    return err == ERR_TIMEOUT ? OK : err;
}

void key_view_watch(struct task *t, void *gateway_loop)
{
    struct gateway_loop *gl = gateway_loop;
    bool is_store_up = true;
    while (rest(t, &gl->keys) == OK) {
        task_set_stage(t, "look for changed keys");
        enum err err = refresh(t, gl);
        if (task_stop_reason(t))
            break;
        if (err && is_store_up)
            log_warn(NULL, "keys_not_refreshed", LOG_TEXT("error", err_name(err)));
        is_store_up = !err;
        task_set_stage(t, "sleep");
    }
}

enum err key_view_look(struct task *t, struct gateway_loop *gl, int64_t patience_ms)
{
    struct key_view *view = &gl->keys;
    int64_t since_ns = loop_clock_ns(gl->loop), until_ns = since_ns + patience_ms * NS_PER_MS;
    for (int64_t ms = JOIN_FIRST_MS; view->looked_ns < since_ns; ms = HZ_MIN(ms * 2, (int64_t)JOIN_LAST_MS)) {
        if (loop_now_ns(gl->loop) >= until_ns)
            return ERR_STORE;
        view->is_wanted = true;
        if (view->resting)
            task_wake(view->resting, OK);
        enum err err = task_sleep(t, ms);
        if (err)
            return err;
    }
    return view->look_err ? ERR_STORE : OK;
}

/* ---- identify ---- */

/* The key in a header that may carry one, else empty. */
static struct str key_of_header(const struct http_header *header)
{
    struct str value = header->value;
    if (str_eq_nocase(header->name, STR("authorization")))
        return str_eq_nocase(str_cut(&value, ' '), STR("bearer")) ? str_trim(value) : STR_NONE;
    bool is_key = str_eq_nocase(header->name, STR("api-key")) || str_eq_nocase(header->name, STR("x-api-key"));
    return is_key ? str_trim(value) : STR_NONE;
}

/* Whoever stands before us may have looked at another key than we: there must be no choice. */
static enum err key_of_request(const struct http_head *head, struct str *out, struct fail *fail)
{
    size_t authorizations = 0;
    *out = STR_NONE;
    for (size_t i = 0; i < head->headers_len; i++) {
        struct str key = key_of_header(&head->headers[i]);
        authorizations += str_eq_nocase(head->headers[i].name, STR("authorization"));
        if (authorizations > 1)
            return fail_set(fail, ERR_BAD_REQUEST, "there is more than one Authorization header; send one");
        if (key.len && out->len && !str_eq(key, *out))
            return fail_set(fail, ERR_BAD_REQUEST,
                            "Authorization, api-key and x-api-key name different keys; send one of them");
        if (key.len)
            *out = key;
    }
    return OK;
}

static void caller_default(struct gateway *g, struct caller *out)
{
    *out = (struct caller) {
        .account = STR("default"),
        .tier = TIER_STANDARD,
        .scopes = SCOPE_CHAT | SCOPE_FEATURES,
        .account_name = g->default_account,
    };
}

static bool is_router_key(const struct config *config, struct str text)
{
    struct str key = config->auth.router_key;
    return key.len && key.len == text.len && mem_equal_const_time(key.at, text.at, key.len);
}

static bool find_key(struct gateway_loop *gl, struct http_request *r, struct str text,
                     struct caller *out)
{
    const struct api_key *key = gl->keys.table ? key_table_find(gl->keys.table, text) : NULL;
    if (!key)
        return false;
    *out = (struct caller) {
        .account = arena_str(&r->arena, key->account),
        .key_id = arena_str(&r->arena, key->id),
        .tier = key->tier,
        .scopes = key->scopes,
        .account_name = key->account_name,
        .key_name = key->key_name,
    };
    return true;
}

enum err auth_identify(struct task *t, struct gateway_loop *gl, struct http_request *r,
                       struct caller *out, struct fail *fail)
{
    struct gateway *g = gl->gateway;
    struct str text;
    enum err unclear = key_of_request(&r->head, &text, fail);
    if (unclear)
        return unclear;
    if (text.len == 0) {
        if (gateway_config(gl)->auth.required)
            return fail_set(fail, ERR_NO_KEY, "%s", err_info(ERR_NO_KEY)->text);
        caller_default(g, out);
        return OK;
    }
    if (is_router_key(gateway_config(gl), text)) {
        caller_default(g, out);
        out->key_id = STR("router");
        out->key_name = g->router_key_name;
        return OK;
    }
    if (find_key(gl, r, text, out))
        return OK;
    if (key_is_well_formed(text)) {
        /* A look at the store that began after the request came settles whether the key exists. */
        enum err err = key_view_look(t, gl, LOOK_PATIENCE_MS);
        if (!err && find_key(gl, r, text, out))
            return OK;
        if (err && gateway_config(gl)->auth.required)
            return fail_set(fail, err, "the key could not be checked: %s", err_info(err)->text);
    }
    if (!gateway_config(gl)->auth.required) {
        caller_default(g, out);
        return OK;
    }
    return fail_set(fail, ERR_WRONG_KEY, "%s", err_info(ERR_WRONG_KEY)->text);
}
