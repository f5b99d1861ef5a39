#include <stdio.h>

#include "api/request.h"
#include "base/clock.h"
#include "wire/json.h"

/*
 * POST /route {prompt, client_tier, type_hint, language_hint}: one prompt, answered flat. The prompt
 * becomes a chat request for the model "auto".
 */

static const char *const known_fields[] = { "prompt", "client_tier", "type_hint", "language_hint" };

static enum err bad_field(struct api_request *r, const char *name, const char *what)
{
    snprintf(r->fail.param, sizeof(r->fail.param), "%s", name);
    return fail_set(&r->fail, ERR_BAD_REQUEST, "%s: %s", name, what);
}

static enum err check_fields(struct api_request *r)
{
    if (json_kind(r->http->body) != JSON_OBJECT)
        return fail_set(&r->fail, ERR_BAD_REQUEST, "the body must be a JSON object");
    struct json_iter it;
    struct str key, value;
    json_iter_init(&it, r->http->body);
    while (json_next_member(&it, &key, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < HZ_LEN(known_fields); i++)
            is_known |= json_key_is(key, known_fields[i]);
        if (!is_known)
            return fail_set(&r->fail, ERR_BAD_REQUEST,
                            "unknown field %.*s; allowed: prompt, client_tier, type_hint, language_hint",
                            (int)HZ_MIN(key.len, 60), key.at);
    }
    return OK;
}

/* An optional string: at = NULL when absent or null. */
static enum err optional_text(struct api_request *r, const char *name, struct str *out)
{
    struct str value = json_get(r->http->body, name);
    *out = json_to_str(&r->http->arena, value);
    return json_is_null(value) || out->at ? OK : bad_field(r, name, "must be a string");
}

static enum err read_hints(struct api_request *r)
{
    struct call *c = r->call;
    struct str type, tier, language;
    enum err err = optional_text(r, "type_hint", &type);
    if (!err)
        err = optional_text(r, "client_tier", &tier);
    if (!err)
        err = optional_text(r, "language_hint", &language);
    if (err)
        return err;
    if (type.at && !call_type_parse(type, &c->type))
        return bad_field(r, "type_hint", "allowed: " CALL_TYPES_ALLOWED);
    if (tier.at && !tier_parse(tier, &c->tier))
        return bad_field(r, "client_tier", "allowed: " TIERS_ALLOWED);
    if (language.at && (language.len == 0 || language.len > 16))
        return bad_field(r, "language_hint", "must be a language tag such as fr or en-US");
    c->has_type |= type.at != NULL;
    c->has_tier = tier.at != NULL;
    if (language.at)
        c->language = language;
    return OK;
}

static enum err read_request(struct api_request *r)
{
    struct call *c = r->call;
    enum err err = request_read_hints(r);
    if (!err)
        err = json_check(r->http->body, &r->fail);
    if (!err)
        err = check_fields(r);
    if (!err)
        err = read_hints(r);
    if (err)
        return err;
    struct str prompt = json_get(r->http->body, "prompt");
    struct str text = json_to_str(&r->http->arena, prompt);
    if (!text.at)
        return bad_field(r, "prompt", "is required and must be a string");
    if (str_trim(text).len == 0)
        return bad_field(r, "prompt", "must not be empty");
    struct str body = arena_printf(&r->http->arena, "{\"messages\":[{\"role\":\"user\",\"content\":%.*s}]}",
                                   STR_ARG(prompt));
    return llm_request_read(&r->http->arena, LLM_CHAT, body, &c->request, &r->fail);
}

static void add_text(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, ",\"%s\":", name);
    if (value.len)
        buf_add_json(out, value);
    else
        buf_add(out, STR("null"));
}

static void write_answer(struct buf *out, const struct api_request *r, int64_t took_ms)
{
    const struct call *c = r->call;
    struct str answer = buf_str(&c->answer), choice = STR_NONE;
    struct json_iter it;
    json_iter_init(&it, json_get(answer, "choices"));
    (void)json_next_element(&it, &choice);
    struct str output = json_path(choice, "message.content");
    buf_add(out, STR("{\"output\":"));
    buf_add(out, json_kind(output) == JSON_STRING ? output : STR("\"\""));
    add_text(out, "model", c->served->model->name);
    add_text(out, "deployment", c->served->name);
    add_text(out, "region", c->region);
    add_text(out, "provider", c->served->provider->name);
    add_text(out, "type", str_of(call_type_name(c->type)));
    add_text(out, "language", c->language);
    add_text(out, "tier", str_of(tier_name(c->tier)));
    const struct usage *u = &c->usage;
    buf_addf(out,
             ",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
             "\"cached_tokens\":%lld,\"reasoning_tokens\":%lld}",
             (long long)u->input_tokens, (long long)u->output_tokens,
             (long long)num_add_capped(u->input_tokens, u->output_tokens), (long long)u->cached_tokens,
             (long long)u->reasoning_tokens);
    buf_add(out, STR(",\"cost_usd\":"));
    if (c->is_unpriced)
        buf_add(out, STR("null"));
    else
        buf_add_usd(out, c->cost_nusd);
    buf_addf(out, ",\"cost_nusd\":\"%lld\"", (long long)c->cost_nusd);
    buf_addf(out, ",\"latency_ms\":%lld,\"fallback_used\":%s", (long long)took_ms,
             c->is_fallback ? "true" : "false");
    add_text(out, "fallback_reason", c->is_fallback ? c->fallback_reason : STR_NONE);
    add_text(out, "correlation_id", r->log.correlation_id);
    if (c->served->provider->kind == PROVIDER_SIM)
        buf_add(out, STR(",\"simulated\":true"));
    buf_add_char(out, '}');
}

void router_route(struct task *t, struct api_request *r)
{
    struct call *c = request_new_call(r);
    enum err err = read_request(r);
    if (err) {
        reply_fail(t, r, err);
        return;
    }
    err = call_run(t, c);
    if (err) {
        reply_call_error(t, r, err);
        return;
    }
    struct buf body = { 0 };
    int64_t took_ms = (loop_now_ns(task_loop(t)) - c->started_ns) / NS_PER_MS;
    write_answer(&body, r, took_ms);
    reply_json(t, r, 200, buf_str(&body));
    buf_fini(&body);
}
