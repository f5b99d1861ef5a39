#include "api/request.h"

enum { LAST_WORDS_MS = 1000, HEADERS_BYTES = 160 };

void reply_base_headers(const struct api_request *r, struct buf *out)
{
    http1_write_header(out, STR("X-Correlation-ID"), r->log.correlation_id);
    http1_write_header(out, STR("X-Request-ID"), r->log.correlation_id);
}

void reply_with(struct task *t, struct api_request *r, int status, struct str extra, struct str body)
{
    struct buf headers = { 0 };
    buf_reserve(&headers, HEADERS_BYTES + extra.len);
    buf_add(&headers, STR("Content-Type: application/json\r\n"));
    reply_base_headers(r, &headers);
    buf_add(&headers, extra);
    /* A shutdown or a deadline still lets the client read why. */
    if (task_stop_reason(t) && task_stop_reason(t) != ERR_CLIENT_GONE)
        task_shield(t, LAST_WORDS_MS);
    enum err err = http_reply(t, r->http, status, buf_str(&headers), body);
    (void)err; /* nobody is left to tell */
    buf_fini(&headers);
}

void reply_json(struct task *t, struct api_request *r, int status, struct str body)
{
    reply_with(t, r, status, STR_NONE, body);
}

static void reply_error(struct task *t, struct api_request *r, int status, const struct llm_error *error,
                        struct str extra)
{
    struct buf body = { 0 };
    llm_error_write(&body, error, r->log.correlation_id);
    reply_with(t, r, status, extra, buf_str(&body));
    buf_fini(&body);
}

void reply_fail(struct task *t, struct api_request *r, enum err err)
{
    const struct err_info *info = err_info(err);
    if (!r->fail.err)
        fail_set(&r->fail, err, "%s", info->text);
    struct llm_error error = {
        .message = str_of(r->fail.text),
        .type = str_of(info->type),
        .param = str_of(r->fail.param),
        .code = str_of(info->code),
    };
    struct str extra = err == ERR_NO_KEY || err == ERR_WRONG_KEY ? STR("WWW-Authenticate: Bearer\r\n")
                     : info->status == 503 ? STR("Retry-After: 1\r\n") : STR_NONE;
    reply_error(t, r, info->status, &error, extra);
}

void reply_call_error(struct task *t, struct api_request *r, enum err err)
{
    struct call *c = r->call;
    struct buf extra = { 0 };
    call_write_headers(c, &extra);
    if (c->retry_after_ms > 0)
        http1_write_header_i64(&extra, STR("Retry-After"), (c->retry_after_ms + 999) / 1000);
    else if (c->error_status == 503 || c->error_status == 429)
        buf_add(&extra, STR("Retry-After: 1\r\n"));
    /* Our own retries are used up: a client that repeats would multiply them. */
    if (c->rows_len > 0 && c->error_status >= 500)
        buf_add(&extra, STR("X-Should-Retry: false\r\n"));
    fail_set(&r->fail, err, "%.*s", (int)HZ_MIN(c->error.message.len, 300), c->error.message.at);
    reply_error(t, r, c->error_status, &c->error, buf_str(&extra));
    buf_fini(&extra);
}
