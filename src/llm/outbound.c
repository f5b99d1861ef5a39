#include "llm/llm.h"

#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/replay.h"
#include "wire/url.h"

struct rewriting {
    const struct llm_request *request;
    const struct deployment *deployment;
    const char *max_tokens_name; /* what the field must be called; NULL: either name */
    int64_t own_limit;           /* where the caller sets none; 0: none */
    struct splice splice;
    bool asks_usage; /* stream_options.include_usage must be set */
    bool has_model;
    bool has_stream_options;
};

/* ---- the limit of the answer ---- */

static bool drops(const struct deployment *d, const char *name)
{
    for (size_t i = 0; i < d->caps.drop_params_len; i++) {
        if (str_is(d->caps.drop_params[i], name))
            return true;
    }
    return false;
}

static const char *max_tokens_name(const struct deployment *d)
{
    /* A field outside the contract would be dropped silently there, and the bound with it. */
    if (d->caps.max_tokens_field == MAX_TOKENS_AS_IS)
        return dialect_info(d->provider->dialect)->drops_extra ? "max_tokens" : NULL;
    return d->caps.max_tokens_field == MAX_TOKENS_OLD ? "max_tokens" : "max_completion_tokens";
}

/* OpenAI's reasoning models refuse max_tokens, and all of its models take the new name; servers
 * that follow its API may know the old one only. */
static const char *own_limit_name(const struct deployment *d)
{
    const char *name = max_tokens_name(d);
    if (name)
        return name;
    return d->provider->kind == PROVIDER_OPENAI ? "max_completion_tokens" : "max_tokens";
}

/* The model's longest answer, unless prompt and answer together might not fit then: a provider
 * refuses such a request, and a smaller number could cut an answer short that would have fitted. */
static int64_t longest_answer(const struct llm_request *r, const struct model *m)
{
    int64_t max = m->max_output_tokens;
    bool fits = m->context_tokens == 0 || llm_request_input_bound(r) + max <= m->context_tokens;
    return fits ? max : 0;
}

static int64_t own_limit(const struct llm_request *r, const struct deployment *d)
{
    if (r->operation != LLM_CHAT || r->max_tokens || drops(d, own_limit_name(d)))
        return 0;
    return d->caps.default_max_tokens ? d->caps.default_max_tokens : longest_answer(r, d->model);
}

/* Of a limit, what an answer that has begun leaves. */
static int64_t rest_of(const struct llm_request *r, int64_t limit)
{
    return limit && r->prefill.len ? HZ_MAX(limit - r->prefill_tokens, 1) : limit;
}

int64_t llm_request_output_limit(const struct llm_request *r, const struct deployment *d)
{
    bool is_dropped = drops(d, "max_tokens") || drops(d, "max_completion_tokens");
    return rest_of(r, r->max_tokens && !is_dropped ? r->max_tokens : own_limit(r, d));
}

/* ---- body ---- */

static bool is_unwanted(const struct rewriting *w, struct key key)
{
    const struct capabilities *caps = &w->deployment->caps;
    for (size_t i = 0; i < caps->drop_params_len; i++) {
        if (key_is(key, caps->drop_params[i]))
            return true;
    }
    return KEY_IS(key, "stream_options") && w->request->is_stream && !w->asks_usage;
}

static void edit_max_tokens(struct rewriting *w, struct splice_object *o)
{
    const char *name = w->max_tokens_name;
    bool is_null = json_is_null(o->value);
    if (is_null && (name || w->own_limit)) {
        splice_drop(o);
        return;
    }
    bool is_renamed = name && !key_is(o->key, str_of(name));
    if (is_renamed && !json_is_null(json_get(w->request->body, name))) {
        splice_drop(o);
        return;
    }
    if (is_renamed) {
        splice_open(&w->splice, o->raw_key);
        buf_addf(w->splice.out, "\"%s\"", name);
    }
    int64_t limit;
    if (w->request->prefill.len && json_to_i64(o->value, &limit)) {
        splice_open(&w->splice, o->value);
        buf_add_i64(w->splice.out, rest_of(w->request, limit));
    }
}

/* Before the bracket that ends them. */
static void add_prefill(struct rewriting *w, struct str messages)
{
    splice_open(&w->splice, str_make(messages.at + messages.len - 1, 1));
    buf_add(w->splice.out, STR(",{\"role\":\"assistant\",\"content\":"));
    buf_add_json(w->splice.out, w->request->prefill);
    buf_add(w->splice.out, STR("}]"));
}

static void edit_stream_options(struct rewriting *w, struct str value)
{
    w->has_stream_options = true;
    if (json_kind(value) != JSON_OBJECT) {
        splice_replace(&w->splice, value, STR("{\"include_usage\":true}"));
        return;
    }
    bool has_it = false;
    struct splice_object o;
    splice_walk(&o, &w->splice, value);
    while (splice_next(&o)) {
        if (!KEY_IS(o.key, "include_usage"))
            continue;
        has_it = true;
        if (!json_is_true(o.value))
            splice_replace(&w->splice, o.value, STR("true"));
    }
    if (!has_it)
        splice_add(&o, "include_usage", STR("true"));
}

static void edit_member(struct rewriting *w, struct splice_object *o)
{
    if (is_unwanted(w, o->key)) {
        splice_drop(o);
    } else if (KEY_IS(o->key, "model")) {
        w->has_model = true;
        splice_open(&w->splice, o->value);
        buf_add_json(w->splice.out, w->deployment->name);
    } else if (KEY_IS(o->key, "messages")) {
        replay_rewrite(&w->splice, o->value, w->deployment);
        if (w->request->prefill.len)
            add_prefill(w, o->value);
    } else if (KEY_IS(o->key, "max_tokens") || KEY_IS(o->key, "max_completion_tokens")) {
        edit_max_tokens(w, o);
    } else if (KEY_IS(o->key, "stream_options") && w->asks_usage) {
        edit_stream_options(w, o->value);
    } else if (KEY_IS(o->key, "encoding_format") && w->request->wants_base64 &&
               !dialect_has_base64(w->deployment->provider)) {
        splice_replace(&w->splice, o->value, STR("\"float\""));
    }
}

static void add_members(struct rewriting *w, struct splice_object *o)
{
    if (!w->has_model)
        buf_add_json(splice_add_open(o, "model"), w->deployment->name);
    if (w->asks_usage && !w->has_stream_options)
        splice_add(o, "stream_options", STR("{\"include_usage\":true}"));
    if (w->own_limit)
        buf_add_i64(splice_add_open(o, own_limit_name(w->deployment)), w->own_limit);
}

static enum err build_body(struct arena *a, const struct llm_request *r, const struct deployment *d,
                           struct str *out, struct fail *fail)
{
    const struct dialect_info *dialect = dialect_info(d->provider->dialect);
    struct buf body = { 0 };
    struct rewriting w = {
        .request = r,
        .deployment = d,
        .max_tokens_name = max_tokens_name(d),
        .own_limit = rest_of(r, own_limit(r, d)),
        .asks_usage =
            r->is_stream && d->caps.stream_usage == STREAM_USAGE_OPTION && !dialect->drops_extra,
    };
    struct splice_object o;
    enum err err = OK;

    buf_reserve(&body, r->body.len + r->prefill.len + 256);
    splice_init(&w.splice, r->body, &body);
    splice_walk(&o, &w.splice, r->body);
    while (splice_next(&o))
        edit_member(&w, &o);
    add_members(&w, &o);
    splice_end(&w.splice);

    char *copy = arena_try_alloc(a, body.len);
    if (!copy) {
        err = fail_set(fail, ERR_TOO_LARGE, "the request does not fit into its memory limit");
        goto out;
    }
    memcpy(copy, body.at, body.len);
    *out = str_make(copy, body.len);
out:
    buf_fini(&body);
    return err;
}

/* ---- path and headers ---- */

/* What is still missing of "/openai/v1" behind a base that may hold part of it already. */
static struct str prefix_behind(struct str base, struct str prefix)
{
    struct str first = prefix;
    while (first.len && first.at[first.len - 1] != '/')
        first.len--;
    struct str last = str_skip(prefix, first.len ? first.len - 1 : 0);
    first.len = first.len ? first.len - 1 : 0;
    if (prefix.len == 0 || str_ends(base, last))
        return STR_NONE;
    return first.len && str_ends(base, first) ? last : prefix;
}

static struct str build_target(struct arena *a, const struct llm_request *r,
                               const struct deployment *d)
{
    const struct provider *p = d->provider;
    const struct dialect_info *dialect = dialect_info(p->dialect);
    struct str version = p->api_version.len ? p->api_version : str_of(dialect->api_version);
    struct buf target = { 0 };

    buf_add(&target, p->base_path);
    buf_add(&target, prefix_behind(p->base_path, str_of(dialect->prefix)));
    if (dialect->has_deployment) {
        buf_add_char(&target, '/');
        url_encode(d->name, &target);
    }
    buf_add(&target, r->operation == LLM_CHAT ? STR("/chat/completions") : STR("/embeddings"));
    if (version.len) {
        buf_add(&target, STR("?api-version="));
        url_encode(version, &target);
    }
    struct str copy = arena_str(a, buf_str(&target));
    buf_fini(&target);
    return copy;
}

static bool is_header_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7F)
            return false;
    }
    return true;
}

static enum err build_headers(struct arena *a, const struct llm_request *r,
                              const struct provider *p, struct str *out, struct fail *fail)
{
    const struct dialect_info *dialect = dialect_info(p->dialect);
    bool is_bearer = p->is_key_bearer || !dialect->has_api_key_header;
    if (!is_header_text(p->key))
        return fail_set(fail, ERR_CONFIG, "the key of provider '%.*s' holds a line break",
                        STR_ARG(p->name));
    struct buf headers = { 0 };
    buf_reserve(&headers, 128 + p->key.len);
    buf_add(&headers, STR("content-type: application/json\r\naccept: "));
    buf_add(&headers, r->is_stream ? STR("text/event-stream\r\n") : STR("application/json\r\n"));
    if (dialect->drops_extra)
        buf_add(&headers, STR("extra-parameters: drop\r\n"));
    if (p->key.len) {
        buf_add(&headers, is_bearer ? STR("authorization: Bearer ") : STR("api-key: "));
        buf_add(&headers, p->key);
        buf_add(&headers, STR("\r\n"));
    }
    *out = arena_str(a, buf_str(&headers));
    mem_wipe(headers.at, headers.len);
    buf_fini(&headers);
    return OK;
}

enum err llm_outbound_build(struct arena *a, const struct llm_request *r,
                            const struct deployment *d, struct llm_outbound *out, struct fail *fail)
{
    *out = (struct llm_outbound) { .target = build_target(a, r, d) };
    enum err err = build_headers(a, r, d->provider, &out->headers, fail);
    return err ? err : build_body(a, r, d, &out->body, fail);
}
