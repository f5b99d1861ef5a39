#include <stdio.h>

#include "api/request.h"
#include "wire/json.h"
#include "wire/url.h"

enum { HEADERS_BYTES = 256 };

static enum err read_request(struct api_request *r, enum llm_operation operation)
{
    struct call *c = r->call;
    enum err err = request_read_hints(r);
    if (!err && r->http->body.len == 0)
        err = fail_set(&r->fail, ERR_BAD_JSON, "the body is empty; send a JSON object");
    if (!err)
        err = json_check(r->http->body, &r->fail);
    if (!err)
        err = llm_request_read(&r->http->arena, operation, r->http->body, &c->request, &r->fail);
    return err;
}

/* `model`: as the path names it; at = NULL: as the body does. */
static void run_call(struct task *t, struct api_request *r, enum llm_operation operation, struct str model)
{
    struct call *c = request_new_call(r);
    enum err err = read_request(r, operation);
    if (model.at)
        c->request.model = model;
    if (err) {
        reply_fail(t, r, err);
        return;
    }
    err = call_run(t, c);
    if (err && !c->is_stream_begun) {
        reply_call_error(t, r, err);
        return;
    }
    if (err)
        fail_set(&r->fail, err, "%.*s", (int)HZ_MIN(c->error.message.len, 300), c->error.message.at);
    if (c->request.is_stream)
        return;
    struct buf headers = { 0 };
    buf_reserve(&headers, HEADERS_BYTES);
    call_write_headers(c, &headers);
    reply_with(t, r, 200, buf_str(&headers), buf_str(&c->answer));
    buf_fini(&headers);
}

void openai_chat(struct task *t, struct api_request *r)
{
    run_call(t, r, LLM_CHAT, STR_NONE);
}

void openai_embeddings(struct task *t, struct api_request *r)
{
    run_call(t, r, LLM_EMBEDDINGS, STR_NONE);
}

/* {model}/chat/completions: Azure's service goes by the path and ignores the model in the body. */
void openai_deployment(struct task *t, struct api_request *r)
{
    static const struct {
        struct str suffix;
        enum llm_operation operation;
    } kinds[] = { { STR("/chat/completions"), LLM_CHAT }, { STR("/embeddings"), LLM_EMBEDDINGS } };
    struct str model;
    for (size_t i = 0; i < HZ_LEN(kinds); i++) {
        size_t len = r->rest.len - HZ_MIN(r->rest.len, kinds[i].suffix.len);
        if (len && str_ends(r->rest, kinds[i].suffix) &&
            url_decode(&r->http->arena, str_first(r->rest, len), &model) == OK) {
            run_call(t, r, kinds[i].operation, model);
            return;
        }
    }
    reply_fail(t, r, ERR_NOT_FOUND);
}

/* ---- models ---- */

static void write_model(struct buf *out, const struct api_request *r, const struct model *m)
{
    buf_add(out, STR("{\"id\":"));
    buf_add_json(out, m->name);
    buf_addf(out, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":",
             (long long)(r->api->started_ms / 1000));
    buf_add_json(out, m->deployments_len ? m->deployments[0]->provider->name : STR("huntaze"));
    if (m->end_date.len) {
        buf_add(out, STR(",\"shutdown_date\":"));
        buf_add_json(out, m->end_date);
    }
    buf_add_char(out, '}');
}

void openai_models(struct task *t, struct api_request *r)
{
    const struct config *config = gateway_config(r->api->gateway_loop);
    struct buf body = { 0 };
    buf_add(&body, STR("{\"object\":\"list\",\"data\":["));
    for (size_t i = 0; i < config->models_len; i++) {
        if (i)
            buf_add_char(&body, ',');
        write_model(&body, r, &config->models[i]);
    }
    buf_add(&body, STR("]}"));
    reply_json(t, r, 200, buf_str(&body));
    buf_fini(&body);
}

void openai_model(struct task *t, struct api_request *r)
{
    struct str name;
    const struct model *m = NULL;
    if (url_decode(&r->http->arena, r->rest, &name) == OK)
        m = config_find_model(gateway_config(r->api->gateway_loop), name);
    if (!m) {
        snprintf(r->fail.param, sizeof(r->fail.param), "model");
        fail_set(&r->fail, ERR_NO_MODEL,
                 "the model '%.*s' does not exist; GET /v1/models lists those that do",
                 (int)HZ_MIN(r->rest.len, 80), r->rest.at);
        reply_fail(t, r, ERR_NO_MODEL);
        return;
    }
    struct buf body = { 0 };
    write_model(&body, r, m);
    reply_json(t, r, 200, buf_str(&body));
    buf_fini(&body);
}
