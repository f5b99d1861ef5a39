#include "api/request.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/metrics.h"
#include "gateway/auth.h"

const struct endpoint endpoints[] = {
    { "GET", "/health", 0, health_health, "State of the router and its providers" },
    { "GET", "/livez", 0, health_live, "The process answers" },
    { "GET", "/metrics", 0, health_metrics, "Metrics in the Prometheus text format" },
    { "POST", "/openai/deployments/", SCOPE_CHAT, openai_deployment, "The same for clients of Azure OpenAI" },
    { "GET", "/readyz", 0, health_ready, "The store can be reached" },
    { "POST", "/route", SCOPE_CHAT, router_route, "One prompt, routed by type, language and tier" },
    { "POST", "/v1/chat/completions", SCOPE_CHAT, openai_chat, "OpenAI chat completions, JSON and SSE" },
    { "POST", "/v1/embeddings", SCOPE_CHAT, openai_embeddings, "OpenAI embeddings, float and base64" },
    { "GET", "/v1/models", SCOPE_CHAT, openai_models, "The models that can be called" },
    { "GET", "/v1/models/", SCOPE_CHAT, openai_model, "One model" },
    { 0 },
};

enum { CORRELATION_MAX = 128, STATUS_MAX = 600 };

/* ---- correlation ---- */

static bool is_correlation(struct str s)
{
    if (s.len == 0 || s.len > CORRELATION_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_alnum && !strchr("-_.:/+=", c))
            return false;
    }
    return true;
}

static bool is_lower_hex(struct str s, size_t len)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.at[i] >= '0' && s.at[i] <= '9') || (s.at[i] >= 'a' && s.at[i] <= 'f')))
            return false;
    }
    return s.len == len;
}

static bool is_zero(struct str s)
{
    size_t i = 0;
    while (i < s.len && s.at[i] == '0')
        i++;
    return i == s.len;
}

/* The trace id of a traceparent: version, trace, parent and flags. Of a version that is not known
 * yet, more may follow (W3C Trace Context §3.2, §4.3). */
static struct str trace_id(struct str traceparent)
{
    enum { VERSION_LEN = 2, TRACE_LEN = 32, PARENT_LEN = 16, FLAGS_LEN = 2 };
    struct str rest = traceparent;
    struct str version = str_cut(&rest, '-'), trace = str_cut(&rest, '-');
    struct str parent = str_cut(&rest, '-'), flags = str_cut(&rest, '-');
    bool is_form = is_lower_hex(version, VERSION_LEN) && is_lower_hex(trace, TRACE_LEN) &&
                   is_lower_hex(parent, PARENT_LEN) && is_lower_hex(flags, FLAGS_LEN);
    bool has_more = rest.at != NULL;
    if (!is_form || str_is(version, "ff") || (str_is(version, "00") && has_more) || is_zero(trace) ||
        is_zero(parent))
        return STR_NONE;
    return trace;
}

static void correlate(struct api_request *r)
{
    const struct http_head *head = &r->http->head;
    r->operation_id = id_next();
    struct str given = http_head_get(head, "x-correlation-id");
    if (!is_correlation(given))
        given = trace_id(http_head_get(head, "traceparent"));
    r->is_correlation_given = given.at != NULL;
    if (given.at) {
        r->log.correlation_id = given;
        return;
    }
    char *text = arena_alloc(&r->http->arena, ID_HEX_LEN + 1);
    id_format(r->operation_id, text);
    r->log.correlation_id = str_make(text, ID_HEX_LEN);
}

/* ---- which route ---- */

static bool path_matches(const struct endpoint *endpoint, struct str path, struct str *rest)
{
    struct str own = str_of(endpoint->path);
    if (own.at[own.len - 1] != '/') {
        *rest = STR_NONE;
        return str_eq(own, path);
    }
    *rest = str_skip(path, own.len);
    return str_starts(path, own) && rest->len > 0;
}

static bool method_matches(const struct endpoint *endpoint, struct str method)
{
    bool is_head_as_get = str_is(method, "HEAD") && str_is(STR("GET"), endpoint->method);
    return is_head_as_get || str_is(method, endpoint->method);
}

/* ERR_NOT_FOUND, or ERR_METHOD with the allowed ones in `allow`. */
static enum err find_endpoint(struct api_request *r, struct buf *allow)
{
    const struct http_head *head = &r->http->head;
    for (const struct endpoint *endpoint = endpoints; endpoint->method; endpoint++) {
        struct str rest;
        if (!path_matches(endpoint, head->path, &rest))
            continue;
        if (method_matches(endpoint, head->method)) {
            r->endpoint = endpoint;
            r->rest = rest;
            return OK;
        }
        if (allow->len)
            buf_add(allow, STR(", "));
        buf_add(allow, str_is(STR("GET"), endpoint->method) ? STR("GET, HEAD") : str_of(endpoint->method));
    }
    return allow->len ? ERR_METHOD : ERR_NOT_FOUND;
}

bool api_is_vital(const struct http_head *head)
{
    struct str rest;
    for (const struct endpoint *endpoint = endpoints; endpoint->method; endpoint++) {
        if (!endpoint->scope && path_matches(endpoint, head->path, &rest))
            return true;
    }
    return false;
}

static void refuse_path(struct task *t, struct api_request *r, enum err err, const struct buf *allow)
{
    const struct http_head *head = &r->http->head;
    if (err == ERR_NOT_FOUND) {
        fail_set(&r->fail, err, "there is nothing at %.*s %.*s; see docs/api.md for what there is",
                 STR_ARG(head->method), (int)HZ_MIN(head->path.len, 120), head->path.at);
        reply_fail(t, r, err);
        return;
    }
    fail_set(&r->fail, err, "%.*s does not take %.*s; allowed: %.*s", STR_ARG(head->path),
             STR_ARG(head->method), STR_ARG(buf_str(allow)));
    struct str header =
        arena_printf(&r->http->arena, "Allow: %.*s\r\n", STR_ARG(buf_str(allow)));
    struct llm_error error = {
        .message = str_of(r->fail.text),
        .type = str_of(err_info(err)->type),
        .code = str_of(err_info(err)->code),
    };
    struct buf body = { 0 };
    llm_error_write(&body, &error, r->log.correlation_id);
    reply_with(t, r, err_info(err)->status, header, buf_str(&body));
    buf_fini(&body);
}

/* ---- who calls ---- */

static enum err authorize(struct task *t, struct api_request *r)
{
    if (!r->endpoint->scope)
        return OK;
    enum err err = auth_identify(t, r->api->gateway_loop, r->http, &r->caller, &r->fail);
    if (err)
        return err;
    r->is_identified = true;
    if (r->caller.scopes & r->endpoint->scope)
        return OK;
    struct buf need = { 0 }, has = { 0 };
    scopes_format(r->endpoint->scope, &need);
    scopes_format(r->caller.scopes, &has);
    err = fail_set(&r->fail, ERR_FORBIDDEN, "this needs a key with scope %.*s; this one has: %.*s",
                   STR_ARG(buf_str(&need)), STR_ARG(buf_str(&has)));
    buf_fini(&need);
    buf_fini(&has);
    return err;
}

/* ---- access log and metrics ---- */

static void count_request(const struct api_request *r, double seconds)
{
    static _Atomic(struct series *) by_status[ENDPOINTS_MAX][STATUS_MAX];
    static _Atomic(struct series *) by_route[ENDPOINTS_MAX];
    size_t index = r->endpoint ? (size_t)(r->endpoint - endpoints) : ENDPOINTS_MAX - 1;
    int status = HZ_MIN(HZ_MAX(r->http->status, 0), STATUS_MAX - 1);
    const char *path = r->endpoint ? r->endpoint->path : "other";
    struct series *s = atomic_load_explicit(&by_status[index][status], memory_order_acquire);
    if (!s) {
        char text[8];
        snprintf(text, sizeof(text), "%d", status);
        s = metrics_series(METRIC_HTTP_REQUESTS, "route", path, "status", text, NULL);
        atomic_store_explicit(&by_status[index][status], s, memory_order_release);
    }
    series_add(s, 1);
    s = atomic_load_explicit(&by_route[index], memory_order_acquire);
    if (!s) {
        s = metrics_series(METRIC_HTTP_SECONDS, "route", path, NULL);
        atomic_store_explicit(&by_route[index], s, memory_order_release);
    }
    series_observe(s, seconds);
}

enum { LOG_FIELDS_MAX = 32 };

static size_t call_fields(const struct call *c, struct log_field *out)
{
    size_t n = 0;
    if (!c->served)
        return 0;
    out[n++] = LOG_STR("model", c->served->model->name);
    out[n++] = LOG_STR("provider", c->served->provider->name);
    out[n++] = LOG_STR("deployment", c->served->name);
    out[n++] = LOG_STR("region", c->region);
    out[n++] = LOG_BOOL("stream", c->request.is_stream);
    out[n++] = LOG_INT("attempts", c->rows_len);
    out[n++] = LOG_INT("tokens_in", c->usage.input_tokens);
    out[n++] = LOG_INT("tokens_cached", c->usage.cached_tokens);
    out[n++] = LOG_INT("tokens_out", c->usage.output_tokens);
    out[n++] = LOG_USD("cost_usd", c->cost_nusd);
    if (c->is_unpriced)
        out[n++] = LOG_BOOL("unpriced", true);
    if (c->usage_source != USAGE_PROVIDER)
        out[n++] = LOG_TEXT("usage_source", c->usage_source == USAGE_COUNTED ? "counted" : "unknown");
    if (c->first_content_ms >= 0)
        out[n++] = LOG_INT("first_content_ms", c->first_content_ms);
    if (c->is_fallback)
        out[n++] = LOG_STR("fallback_reason", c->fallback_reason);
    if (c->request.prefill.len)
        out[n++] = LOG_BOOL("resumed", true);
    if (c->feature.len)
        out[n++] = LOG_STR("feature", c->feature);
    return n;
}

static void log_request(const struct api_request *r, int64_t took_us)
{
    struct log_field fields[LOG_FIELDS_MAX];
    size_t n = 0;
    const struct http_request *http = r->http;
    char client[ADDRESS_TEXT_MAX];
    address_format_host(&http->peer, client);
    fields[n++] = LOG_TEXT("client", client);
    fields[n++] = LOG_STR("method", http->head.method);
    fields[n++] = LOG_STR("path", r->endpoint ? str_of(r->endpoint->path) : str_first(http->head.path, 120));
    fields[n++] = LOG_INT("status", http->status);
    fields[n++] = LOG_INT("latency_us", took_us);
    if (r->is_identified) {
        fields[n++] = LOG_STR("account", r->caller.account);
        fields[n++] = LOG_TEXT("tier", tier_name(r->call ? r->call->tier : r->caller.tier));
        fields[n++] = LOG_STR("key", r->caller.key_id.len ? r->caller.key_id : STR_NONE);
    }
    if (r->call)
        n += call_fields(r->call, fields + n);
    if (r->fail.err)
        fields[n++] = LOG_TEXT("error", err_info(r->fail.err)->code);
    HZ_ASSERT(n <= LOG_FIELDS_MAX);
    log_write(LOG_INFO, &r->log, "request", fields, n);
}

static void finish(struct task *t, struct api_request *r)
{
    /* A client that left before its answer began: what nginx, too, logs as 499. */
    if (!r->http->is_answered)
        r->http->status = task_stop_reason(t) == ERR_CLIENT_GONE ? 499 : r->http->status;
    int64_t took_us = (loop_clock_ns(task_loop(t)) - r->http->started_ns) / 1000;
    count_request(r, (double)took_us / 1e6);
    if (gateway_config(r->api->gateway_loop)->log.access)
        log_request(r, took_us);
    if (r->call)
        call_fini(r->call);
}

static struct api_request *request_begin(struct http_request *http, struct api *api)
{
    struct api_request *r = ARENA_NEW(&http->arena, struct api_request);
    r->api = api;
    r->http = http;
    correlate(r);
    http->context = r;
    return r;
}

bool api_admit(struct task *t, struct http_request *http, void *api)
{
    task_set_stage(t, "identify");
    struct api_request *r = request_begin(http, api);
    struct buf allow = { 0 };
    enum err err = find_endpoint(r, &allow);
    if (err) {
        refuse_path(t, r, err, &allow);
    } else {
        err = authorize(t, r);
        if (err)
            reply_fail(t, r, err);
    }
    buf_fini(&allow);
    if (err)
        finish(t, r);
    return err == OK;
}

void api_handle(struct task *t, struct http_request *http, void *api)
{
    (void)api;
    struct api_request *r = http->context;
    r->endpoint->fn(t, r);
    finish(t, r);
}

void api_refuse(struct http_request *http, enum err err, const char *detail, struct buf *headers,
                struct buf *body, void *api)
{
    struct api_request *r = http->context ? http->context : request_begin(http, api);
    reply_base_headers(r, headers);
    fail_set(&r->fail, err, "%s", detail && detail[0] ? detail : err_info(err)->text);
    struct llm_error error = {
        .message = str_of(r->fail.text),
        .type = str_of(err_info(err)->type),
        .code = str_of(err_info(err)->code),
    };
    llm_error_write(body, &error, r->log.correlation_id);
    http->status = err_info(err)->status;
    count_request(r, 0);
    if (err == ERR_OVERLOAD) /* logged by the server, not one by one */
        return;
    if (gateway_config(r->api->gateway_loop)->log.access)
        log_request(r, 0);
}
