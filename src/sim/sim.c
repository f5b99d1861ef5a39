#include "sim/sim.h"

#include "base/mem.h"
#include "sim/sim_call.h"
#include "sim/state.h"

enum {
    INVOICE_ENTRIES = 1000000,
    JOURNAL_ENTRIES = 2000,
    JOURNAL_BYTES = 64 << 20,
    CUSTOM_HEADERS_MAX = 10
};

enum err sim_create(const struct sim_options *options, struct sim **out, struct fail *fail)
{
    struct script *script = NULL;
    enum err err = script_create(options->script, &script, fail);
    if (err)
        return err;
    struct sim *s = MEM_NEW(struct sim);
    s->script = script;
    s->key = options->key.len ? str_dup(options->key) : NULL;
    invoice_init(&s->invoice,
                 options->invoice_entries ? options->invoice_entries : INVOICE_ENTRIES);
    journal_init(&s->journal, options->journal_entries ? options->journal_entries : JOURNAL_ENTRIES,
                 options->journal_bytes ? options->journal_bytes : JOURNAL_BYTES);
    *out = s;
    return OK;
}

void sim_destroy(struct sim *s)
{
    if (!s)
        return;
    script_destroy(s->script);
    invoice_fini(&s->invoice);
    journal_fini(&s->journal);
    mem_free(s->key);
    mem_free(s);
}

struct script *sim_script(struct sim *s)
{
    return s->script;
}

/* Bearer on OpenAI's path; api-key or Bearer on Azure's. */
static bool has_right_key(const struct sim_call *c)
{
    if (!c->sim->key)
        return true;
    struct str bearer = STR("Bearer ");
    struct str given = sim_call_is_azure(c) ? http_head_get(&c->http->head, "api-key") : STR_NONE;
    struct str authorization = http_head_get(&c->http->head, "authorization");
    if (!given.at && str_starts(authorization, bearer))
        given = str_skip(authorization, bearer.len);
    struct str key = str_of(c->sim->key);
    return given.len == key.len && mem_equal_const_time(given.at, key.at, key.len);
}

static size_t custom_headers(const struct http_head *head)
{
    size_t count = 0;
    for (size_t i = 0; i < head->headers_len; i++) {
        struct str prefix = str_first(head->headers[i].name, 2);
        count += str_eq_nocase(prefix, STR("x-"));
    }
    return count;
}

/* What is decided before the body is looked at. */
static bool is_admitted(struct sim_call *c, struct refusal *why)
{
    bool needs_version = c->dialect == DIALECT_AZURE_OPENAI || c->dialect == DIALECT_FOUNDRY_MODELS;
    bool wants_post = c->operation == SIM_CHAT || c->operation == SIM_EMBEDDINGS;
    int status = 0;
    if (!str_is(c->http->head.method, wants_post ? "POST" : "GET"))
        status = 405;
    else if (!has_right_key(c))
        status = 401;
    else if (sim_call_is_azure(c) && custom_headers(&c->http->head) > CUSTOM_HEADERS_MAX)
        status = 431;
    if (status) {
        refusal_of_status(c->arena, status, why);
        return false;
    }
    if (!needs_version || c->api_version.len)
        return true;
    *why = (struct refusal) { 404,
                              "invalid_request_error",
                              "not_found",
                              "404",
                              STR("Resource not found: the query needs an api-version."),
                              STR_NONE };
    if (c->dialect == DIALECT_FOUNDRY_MODELS) {
        why->status = 400;
        why->azure_code = "MissingApiVersionParameter";
    }
    return false;
}

static enum err serve(struct task *t, struct sim_call *c)
{
    struct refusal why;
    if (!sim_call_route(c)) {
        refusal_of_status(c->arena, 404, &why);
        why.code = "not_found";
        why.azure_code = "404";
        why.message = STR("There is nothing at this address.");
        return sim_call_refuse(t, c, &why);
    }
    if (!is_admitted(c, &why))
        return sim_call_refuse(t, c, &why);
    if (c->operation == SIM_MODELS || c->operation == SIM_MODEL)
        return models_serve(t, c);
    if (!sim_call_read(c, &why))
        return sim_call_refuse(t, c, &why);
    if (sim_call_misbehaves(c))
        return sim_call_misbehave(t, c);
    return c->operation == SIM_CHAT ? chat_serve(t, c) : embed_serve(t, c);
}

void sim_handle(struct task *t, struct http_request *r, void *arg)
{
    struct sim *s = arg;
    if (str_starts(r->head.path, STR("/sim/"))) {
        /* Who asked and left before the list was out has nothing to be told. */
        enum err gone = control_serve(t, s, r);
        (void)gone;
        return;
    }
    struct sim_call c = { .sim = s, .http = r, .arena = &r->arena };
    behaviour_init(&c.behave);
    c.seq = journal_add(&s->journal, r);
    enum err err = serve(t, &c);
    c.has_left = err && err != ERR_STOPPING;
    int64_t left_ns = c.has_left ? loop_clock_ns(task_loop(t)) - r->started_ns : -1;
    journal_finish(&s->journal, c.seq, c.status, HZ_MAX(left_ns, -1));
    if (c.is_billed)
        invoice_add(&s->invoice, &c);
    if (c.is_cut)
        http_request_abort(r);
}
